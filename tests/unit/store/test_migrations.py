"""Migrations bring every database to the tables that the code expects."""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from palate.domain.profile import EventKind
from palate.errors import ConfigError, StoreUnavailable
from palate.store import Header, open_store
from palate.store.migrations import upgrade
from palate.store.schema import metadata
from palate.store.sqlite import SqliteDatabase
from support.factories import record
from support.models import publish
from support.version_before import upgrade_to


@pytest.fixture
def database(tmp_path: Path) -> SqliteDatabase:
    """Return a database that is not there yet."""
    return SqliteDatabase(tmp_path / "palate.db")


def tables(path: Path) -> dict[str, str]:
    """Return the statements that made a database's tables and indexes, by name."""
    with closing(sqlite3.connect(path)) as raw:
        statements = raw.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
        return {name: "".join(sql.lower().split()) for name, sql in statements}


def at_once(jobs: Sequence[Callable[[], None]]) -> None:
    """Run jobs in a thread each, at the same moment, and raise what one of them raises."""
    barrier = threading.Barrier(len(jobs))

    def start(job: Callable[[], None]) -> None:
        barrier.wait()
        job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        list(pool.map(start, jobs))


def test_migrated_tables_are_those_of_the_schema_to_the_letter(database: SqliteDatabase, tmp_path: Path) -> None:
    """The same statements, including what Alembic does not compare: partial indexes and tables without rowid."""
    upgrade(database)
    fresh = SqliteDatabase(tmp_path / "fresh.db")
    metadata.create_all(fresh.engine())
    migrated = tables(database.path)
    del migrated["alembic_version"]
    assert tables(fresh.path) == migrated


def test_upgrading_twice_changes_nothing(database: SqliteDatabase) -> None:
    """An up-to-date database is only looked at, even while another process writes."""
    upgrade(database)
    before = tables(database.path)
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        upgrade(database)
    assert before == tables(database.path)


def test_several_threads_may_upgrade_one_database_at_once(database: SqliteDatabase) -> None:
    """One migrates, the others wait for it."""
    at_once([lambda: upgrade(database)] * 6)
    assert "feedback_log" in tables(database.path)


def test_several_threads_may_upgrade_a_database_each_at_once(tmp_path: Path) -> None:
    """Alembic's global state does not mix them up."""
    databases = [SqliteDatabase(tmp_path / f"{number}.db") for number in range(6)]
    at_once([lambda database=database: upgrade(database) for database in databases])  # type: ignore[misc] # bound now
    for database in databases:
        assert "feedback_log" in tables(database.path)


def test_several_threads_may_connect_to_a_new_file_at_once(tmp_path: Path) -> None:
    """Switching a file to WAL does not wait for a lock by itself, so that connecting has to."""
    for number in range(30):
        database = SqliteDatabase(tmp_path / f"{number}.db")
        at_once([lambda database=database: database.open().close()] * 4)  # type: ignore[misc] # bound now


def test_a_database_of_a_newer_palate_is_refused(database: SqliteDatabase) -> None:
    """An old program does not touch tables that it does not know."""
    upgrade(database)
    with closing(sqlite3.connect(database.path)) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigError, match=r"newer palate .*9999"):
        open_store(f"sqlite:///{database.path}")


def test_a_migration_that_fails_leaves_nothing_behind(database: SqliteDatabase) -> None:
    """All migrations of one start are one transaction."""
    with closing(sqlite3.connect(database.path)) as raw, raw:
        raw.execute("CREATE TABLE secrets (something_else TEXT)")
    with pytest.raises(StoreUnavailable, match="database of palate"):
        upgrade(database)
    assert {"secrets"} == set(tables(database.path))


def test_profiles_of_the_first_version_are_migrated(database: SqliteDatabase) -> None:
    """A database of the first version is brought up to date with its profiles, which no model serves yet."""
    upgrade_to(database, "0001")
    with closing(sqlite3.connect(database.path)) as raw, raw:
        raw.execute("INSERT INTO profiles VALUES ('ana', 7, 'map', 1000)")
    with closing(open_store(f"sqlite:///{database.path}")) as store:
        assert Header(7, "map", 1000, models_revision=0) == store.header("ana")
        with store.transaction() as transaction:
            record(transaction, "ana", EventKind.LIKE, "a", "metal")
        assert "" == publish(store, "1", labels_revision=8)
        old = store.header("ana")
        assert old is not None
        with store.transaction() as transaction:
            transaction.delete("ana")
            for track_id in range(8):
                record(transaction, "ana", EventKind.LIKE, f"track {track_id}", "metal", recorded_at=1000)
        new = store.header("ana")
        assert new is not None
        assert new.generation != old.generation
