"""Brings the tables of a database up to date."""

import threading
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError

from palate.errors import ConfigError, StoreUnavailable
from palate.store.database import Database

__all__ = ["upgrade"]

_ONE_AT_A_TIME: Final = threading.Lock()
"""Alembic holds the running migration in a global variable, so that one thread of a process may migrate at a time."""


def upgrade(database: Database, *, create: bool = True, migrate: bool = True) -> None:
    """Apply the migrations that a database lacks, in one transaction; several processes may do it at once.

    Args:
        database: The database.
        create: Whether tables are created in a database that has none of palate's.
        migrate: Whether tables of an older version are brought up to date.

    Raises:
        ConfigError: When the database was migrated by a newer palate.
        StoreUnavailable: When the database cannot be read or written, has no tables and is to get none, or has tables
            of an older version and is not to be migrated.
    """
    config = Config()
    config.set_main_option("script_location", "palate.store:migrations")
    engine = database.engine()
    try:
        current = _is_current(engine, config, create=create)
    except DBAPIError as exc:
        raise database.unavailable(exc.orig or exc) from exc
    if current:
        return
    if not migrate:
        raise StoreUnavailable("the tables are of an older palate; `palate serve` brings them up to date")
    _migrate(database, engine, config)


def _is_current(engine: Engine, config: Config, *, create: bool) -> bool:
    """Look before locking, so that a start need not wait for those who write."""
    with engine.connect() as connection:
        applied = set(MigrationContext.configure(connection).get_current_heads())
    if not applied and not create:
        raise StoreUnavailable("the database has no tables of palate yet; run `palate serve`, or name another database")
    return _missing(applied, config) == set()


def _missing(applied: set[str], config: Config) -> set[str]:
    """Return the newest migration unless it was applied; ConfigError when an unknown one was."""
    scripts = ScriptDirectory.from_config(config)
    unknown = applied - {script.revision for script in scripts.walk_revisions()}
    if unknown:
        raise ConfigError(
            f"the database was made by a newer palate (its tables are of version {', '.join(sorted(unknown))}); "
            f"run that version of palate, or name another database"
        )
    return set(scripts.get_heads()) - applied


def _migrate(database: Database, engine: Engine, config: Config) -> None:
    event.listen(engine, "begin", database.begin_migration)
    try:
        with _ONE_AT_A_TIME, engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DBAPIError as exc:
        why = database.unavailable(exc.orig or exc)
        raise StoreUnavailable(f"the tables could not be brought up to date: {why}") from exc
