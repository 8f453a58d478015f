"""What the version before the names of the vocabulary wrote: a store with profiles and models, and a catalog.

`before.sql.xz` is a dump of its SQLite store. Ana rated some 180 tracks of the bundled catalog in four tastes and was
trained for twice; Ben deleted a taste; a third listener rated one track. `before.profiles.json` is what GetProfile
answered, `before.catalog.xz` a synthetic catalog of 200 tracks.
"""

import json
import lzma
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from palate.store.database import Database
from palate.store.postgres import PostgresDatabase
from palate.store.sqlite import SqliteDatabase
from sqlalchemy import MetaData, make_url

__all__ = ["SCHEMA", "answered_profiles", "old_catalog", "old_rows", "upgrade_to", "write_old_store"]

SCHEMA: Final = "0003"
"""The last migration that it knew."""

_DATA: Final = Path(__file__).parents[1] / "contract" / "data"


def upgrade_to(database: Database, revision: str) -> None:
    """Apply the migrations up to one of them."""
    config = Config()
    config.set_main_option("script_location", "palate.store:migrations")
    with database.engine().begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def old_rows(table: str) -> list[dict[str, Any]]:
    """Return the rows of one of its tables."""
    with closing(_dump()) as raw:
        raw.row_factory = sqlite3.Row
        return [dict(row) for row in raw.execute(f"SELECT * FROM {table}")]  # noqa: S608 - a table of the dump


def answered_profiles() -> Mapping[str, Any]:
    """Return what it answered to GetProfile, by listener."""
    profiles: Mapping[str, Any] = json.loads((_DATA / "before.profiles.json").read_text(encoding="utf-8"))
    return profiles


def old_catalog(folder: Path) -> Path:
    """Write its catalog to a folder."""
    path = folder / "before.catalog"
    path.write_bytes(lzma.decompress((_DATA / "before.catalog.xz").read_bytes()))
    return path


def write_old_store(url: str) -> None:
    """Fill an empty database with its tables."""
    named = make_url(url).difference_update_query(["timeout"])
    if named.get_backend_name() == "sqlite":
        with closing(SqliteDatabase.from_url(named, create=True).open()) as raw:
            raw.executescript(_text())
    else:
        _fill(PostgresDatabase.from_url(named, create=True))


def _fill(database: Database) -> None:
    upgrade_to(database, SCHEMA)
    tables = MetaData()
    with database.engine().begin() as connection:
        tables.reflect(connection)
        for table in tables.sorted_tables:
            if table.name != "alembic_version" and (rows := old_rows(table.name)):
                connection.execute(table.insert(), rows)


def _dump() -> sqlite3.Connection:
    raw = sqlite3.connect(":memory:")
    raw.executescript(_text())
    return raw


def _text() -> str:
    return lzma.decompress((_DATA / "before.sql.xz").read_bytes()).decode()
