"""Brings the tables of a database up to date."""

import threading
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError

from palate.errors import ConfigError
from palate.store.connections import Database

__all__ = ["upgrade"]

_BEGIN: Final = {"sqlite": "BEGIN IMMEDIATE"}
"""How a transaction begins that shuts out every other migration of the same database."""

_ONE_AT_A_TIME: Final = threading.Lock()
"""Alembic keeps the migration that is running in a global, so that the threads of a process must take turns."""


def upgrade(database: Database) -> None:
    """Apply the migrations that a database lacks, in one transaction; several processes may do it at once.

    Raises:
        ConfigError: When the database was migrated by a newer palate.
        StoreUnavailable: When the database cannot be read or written.
    """
    config = Config()
    config.set_main_option("script_location", "palate.store:migrations")
    engine = database.engine()
    try:
        if not _is_current(engine, config):
            with _ONE_AT_A_TIME:
                _migrate(engine, config)
    except DBAPIError as exc:
        raise database.unavailable(exc.orig or exc) from exc


def _is_current(engine: Engine, config: Config) -> bool:
    """Look before locking, so that a start need not wait for those who write."""
    with engine.connect() as connection:
        return _missing(connection, config) == set()


def _missing(connection: Connection, config: Config) -> set[str]:
    """Return the newest migration unless the database has it; ConfigError when it has one that is unknown."""
    scripts = ScriptDirectory.from_config(config)
    applied = set(MigrationContext.configure(connection).get_current_heads())
    unknown = applied - {script.revision for script in scripts.walk_revisions()}
    if unknown:
        raise ConfigError(
            f"the database was made by a newer palate (its tables are of version {', '.join(sorted(unknown))}); "
            f"run that version of palate, or name another database"
        )
    return set(scripts.get_heads()) - applied


def _migrate(engine: Engine, config: Config) -> None:
    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(_BEGIN[connection.dialect.name])

    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
