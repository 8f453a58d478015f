"""Where the feedback log and the profiles are kept."""

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from palate.errors import ConfigError
from palate.store.contract import Header, Store, Transaction
from palate.store.migrations import upgrade
from palate.store.sql import SqlStore
from palate.store.sqlite import SqliteDatabase

__all__ = ["Header", "Store", "Transaction", "open_store"]


def open_store(url: str, *, create: bool = True) -> Store:
    """Open a store and bring its tables up to date.

    Args:
        url: ``sqlite:///FILE``; a relative file starts from the working directory. ``?timeout=SECONDS`` says
            how long to wait for a lock (2), ``?mode=ro`` opens the file for reading only.
        create: Whether a missing file is created. Its folder never is.

    Raises:
        ConfigError: When the URL cannot be used, or the tables were made by a newer palate.
        StoreUnavailable: When the database cannot be opened or brought up to date.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as exc:
        raise ConfigError(f"{url!r} is no database URL; write sqlite:///FILE") from exc
    if parsed.get_backend_name() != "sqlite":
        raise ConfigError(f"palate cannot store in {parsed.get_backend_name()!r}; write sqlite:///FILE")
    database = SqliteDatabase.from_url(parsed, create=create)
    upgrade(database)
    return SqlStore(database)
