"""The statements fit the tables that migrations make, and use their indexes."""

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from palate.store.database import Connection, Database
from palate.store.migrations import upgrade
from palate.store.postgres import PostgresDatabase
from palate.store.schema import metadata
from palate.store.sqlite import SqliteDatabase
from palate.store.statements import Statements
from sqlalchemy import make_url

COLUMNS = {column.name for table in metadata.tables.values() for column in table.columns}


@pytest.fixture
def database(store_url: str) -> Database:
    """Return a database with all tables."""
    url = make_url(store_url).difference_update_query(["timeout"])
    kind: Any = SqliteDatabase if url.get_backend_name() == "sqlite" else PostgresDatabase
    opened: Database = kind.from_url(url, create=True)
    upgrade(opened)
    return opened


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """Return a connection that makes plans for large tables."""
    with closing(database.connect()) as connected:
        if database.dialect.name == "postgresql":
            connected.execute("SET enable_seqscan = off")
        yield connected


def texts(database: Database) -> dict[str, str]:
    """Return the statements by name."""
    return {name: text for name, text in vars(Statements(database.dialect)).items() if isinstance(text, str)}


def parameters(text: str) -> set[str]:
    """Return the names of a statement's parameters."""
    return {sqlite or postgres for sqlite, postgres in re.findall(r"(?<!:):(\w+)|%\((\w+)\)s", text)}


def plan(database: Database, connection: Connection, text: str) -> list[str]:
    """Return the steps that a database takes for a statement."""
    if database.dialect.name == "sqlite":
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", dict.fromkeys(parameters(text), 1))]
    return [row[0] for row in connection.execute(f"EXPLAIN {text}", dict.fromkeys(parameters(text), "1"))]


def test_migrated_tables_are_those_of_the_schema(database: Database) -> None:
    """Alembic finds nothing to migrate after all migrations have run."""
    with database.engine().connect() as connection:
        assert [] == compare_metadata(MigrationContext.configure(connection), metadata)


def test_parameters_are_named_like_columns(database: Database) -> None:
    """No statement has a parameter that the store does not know of."""
    for name, text in texts(database).items():
        assert parameters(text) <= COLUMNS | {"after", "before", "limit"}, name


def test_no_statement_scans_a_table(database: Database, connection: Connection) -> None:
    """Every read, and every search for what to write, goes through an index."""
    for name, text in texts(database).items():
        steps = plan(database, connection, text)
        assert [] == [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step], name
        assert [] == [step for step in steps if "Seq Scan" in step], name


def test_a_request_id_is_found_by_its_index(database: Database, connection: Connection) -> None:
    """Looking for a repeated request does not read the listener's whole log."""
    for text in (Statements(database.dialect).recorded, Statements(database.dialect).current):
        assert 1 == sum("feedback_log_request" in step for step in plan(database, connection, text))


def test_a_header_is_one_row_found_by_its_key(database: Database, connection: Connection) -> None:
    """The one read of a served slate searches one table once, models or not."""
    steps = plan(database, connection, Statements(database.dialect).header)
    assert 1 == sum("profiles" in step for step in steps)
    assert re.search("profiles USING PRIMARY KEY|Index Scan using profiles_pkey", steps[0])


def test_listing_models_does_not_touch_their_artifacts(database: Database) -> None:
    """A page of records reads no file."""
    for name, text in texts(database).items():
        if name.startswith("records"):
            assert "model_artifacts" not in text, name
