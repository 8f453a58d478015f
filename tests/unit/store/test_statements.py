"""The statements speak every dialect and use the indexes."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from palate.store.migrations import upgrade
from palate.store.postgres import PostgresDatabase
from palate.store.schema import metadata
from palate.store.sqlite import SqliteDatabase
from palate.store.statements import Statements

COLUMNS = {column.name for table in metadata.tables.values() for column in table.columns}
DIALECTS = [SqliteDatabase.dialect, PostgresDatabase.dialect]


def texts(dialect: Any) -> dict[str, str]:
    """Return the statements of a dialect by name."""
    return {name: text for name, text in vars(Statements(dialect)).items() if isinstance(text, str)}


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_parameters_are_named_like_columns(dialect: Any) -> None:
    """No statement has a parameter that the store does not know of."""
    for name, text in texts(dialect).items():
        parameters = set(re.findall(r"(?<!:):(\w+)|%\((\w+)\)s", text))
        assert {a or b for a, b in parameters} <= COLUMNS | {"after", "before", "limit"}, name


def test_no_statement_scans_a_table(tmp_path: Path) -> None:
    """Every read, and every search for what to write, goes through an index."""
    database = SqliteDatabase(tmp_path / "palate.db")
    upgrade(database)
    with closing(sqlite3.connect(database.path)) as raw:
        for name, text in texts(database.dialect).items():
            parameters = dict.fromkeys(re.findall(r":(\w+)", text), 1)
            plan = [row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {text}", parameters)]
            assert [] == [step for step in plan if step.startswith("SCAN") or "TEMP B-TREE" in step], name


def test_a_request_id_is_found_by_its_index(tmp_path: Path) -> None:
    """Looking for a repeated request does not read the listener's whole log."""
    database = SqliteDatabase(tmp_path / "palate.db")
    upgrade(database)
    statements = Statements(database.dialect)
    names = {"user_id": "ana", "request_id": "once", "track_id": "a", "taste_id": "metal"}
    with closing(sqlite3.connect(database.path)) as raw:
        for text in (statements.recorded, statements.current):
            steps = [row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {text}", names)]
            assert 1 == sum("INDEX feedback_log_request (user_id=? AND request_id=?)" in step for step in steps)


def test_a_header_is_one_row_found_by_its_key(tmp_path: Path) -> None:
    """The one read of a served slate searches one table once, models or not."""
    database = SqliteDatabase(tmp_path / "palate.db")
    upgrade(database)
    with closing(sqlite3.connect(database.path)) as raw:
        plan = list(raw.execute(f"EXPLAIN QUERY PLAN {Statements(database.dialect).header}", {"user_id": "ana"}))
    assert ["SEARCH profiles USING PRIMARY KEY (user_id=?)"] == [step[3] for step in plan]


def test_listing_models_does_not_touch_their_artifacts() -> None:
    """A page of records reads no file."""
    for name, text in texts(SqliteDatabase.dialect).items():
        if "records" in name and "delete" not in name:
            assert "model_artifacts" not in text, name
