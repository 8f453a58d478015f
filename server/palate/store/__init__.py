"""Stores the feedback log, profiles and models in SQLite or PostgreSQL."""

import math
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from palate.errors import ConfigError
from palate.store.contract import Header, Store, Transaction
from palate.store.database import Database
from palate.store.migrations import upgrade
from palate.store.models import SqlModels
from palate.store.sql import ConnectionPool, SqlStore

__all__ = ["Header", "Store", "Transaction", "open_store"]


_DATABASES: Final[Mapping[str, tuple[str, str]]] = {
    "sqlite": ("palate.store.sqlite", "SqliteDatabase"),
    "postgresql": ("palate.store.postgres", "PostgresDatabase"),
}
"""Module and class of each kind of database, imported when a URL names it."""

_LONGEST_TIMEOUT: Final = 3600
_FORMS: Final = "sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"


def open_store(url: str, *, create: bool = True, migrate: bool = True) -> Store:
    """Open a store and bring its tables up to date.

    Args:
        url: ``sqlite:///FILE``, where a relative file starts from the working directory, or
            ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE``. ``?timeout=SECONDS`` says how long to wait for a lock
            (2). SQLite's ``?mode=ro`` opens the file for reading only; PostgreSQL takes the options of libpq.
        create: Whether a missing file and missing tables are created. Folders and databases never are.
        migrate: Whether tables of an older version are brought up to date; StoreUnavailable when not.

    Raises:
        ConfigError: When the URL cannot be used, or the tables were made by a newer palate. Neither this nor the
            other error shows a password.
        StoreUnavailable: When the database cannot be opened or brought up to date.
    """
    database = _database(_parsed(url), create=create)
    upgrade(database, create=create, migrate=migrate)
    pool = ConnectionPool(database)
    return SqlStore(pool, SqlModels(pool))


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError) as exc:  # they quote the URL, which may hold a password
        raise ConfigError(f"the database URL cannot be read; write {_FORMS}, with %XX for special characters") from exc


def _database(url: URL, *, create: bool) -> Database:
    """Return the database of a URL. Its driver is imported only now."""
    kind = url.get_backend_name()
    if kind not in _DATABASES:
        raise ConfigError(f"palate cannot store in {kind!r}; write {_FORMS}")
    module, name = _DATABASES[kind]
    try:
        database: Any = getattr(import_module(module), name)
    except ImportError as exc:
        raise ConfigError(f"{kind} needs a driver ({exc}); install 'palate[postgres]'") from exc
    timeout = _seconds(url.query.get("timeout", "2"))
    named: Database = database.from_url(url.difference_update_query(["timeout"]), create=create, timeout=timeout)
    return named


def _seconds(timeout: str | tuple[str, ...]) -> float:
    """Read a timeout. ConfigError when it is no number from 0 to an hour."""
    try:
        seconds = float(str(timeout))
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= _LONGEST_TIMEOUT:
        raise ConfigError(f"the timeout {timeout!r} in the database URL is no number of seconds from 0 to 3600")
    return seconds
