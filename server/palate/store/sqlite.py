"""SQLite: how to connect, and what its errors mean."""

import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final, Self

from sqlalchemy import URL, Dialect, Engine, NullPool, create_engine
from sqlalchemy import Connection as SqlalchemyConnection
from sqlalchemy.dialects import sqlite

from palate.errors import ConfigError, StoreUnavailable
from palate.store.database import Row, Statement

__all__ = ["SqliteConnection", "SqliteDatabase"]

_MODES: Final = ("ro", "rw", "rwc")
_NOTHING: Final[Mapping[str, object]] = {}

_REMEDIES: Final[Mapping[int, str]] = {
    sqlite3.SQLITE_BUSY: "another program holds it; wait for that program or end it",
    sqlite3.SQLITE_LOCKED: "another connection holds it; wait for it",
    sqlite3.SQLITE_READONLY: "give this process the right to write the file and its folder",
    sqlite3.SQLITE_PERM: "give this process the right to read and write the file",
    sqlite3.SQLITE_FULL: "free space on its disk",
    sqlite3.SQLITE_IOERR: "free space on its disk, and look for faults of the disk in the system's log",
    sqlite3.SQLITE_CANTOPEN: "make sure that its folder exists and that this process may write there",
    sqlite3.SQLITE_CORRUPT: "it is damaged; stop the server and restore a backup",
    sqlite3.SQLITE_NOTADB: "it is damaged or no database; restore a backup or name another file",
}
"""What to do about an error, by SQLite's primary result code."""


class SqliteDatabase:
    """One SQLite file, in WAL mode, where a commit survives the loss of power.

    Args:
        path: The file.
        mode: ``"rwc"`` to read, write and create it, ``"rw"`` not to create it, ``"ro"`` only to read.
        timeout: Seconds to wait for a lock.
    """

    local: ClassVar[bool] = True
    dialect: ClassVar[Dialect] = sqlite.dialect(paramstyle="named")

    def __init__(self, path: Path, mode: str = "rwc", timeout: float = 2.0) -> None:
        self.path = path
        self.mode = mode
        self.timeout = timeout

    @classmethod
    def from_url(cls, url: URL, *, create: bool, timeout: float = 2.0) -> Self:
        """Read ``sqlite:///FILE?mode=MODE``. ConfigError when it says anything else."""
        options = dict(url.query)
        mode = options.pop("mode", "rwc" if create else "rw")
        if not url.database or url.database == ":memory:" or options or mode not in _MODES:
            raise ConfigError(
                f"the database URL {url} cannot be used; write sqlite:///FILE, with ?timeout=SECONDS or ?mode=ro "
                f"at its end if need be"
            )
        return cls(Path(url.database).absolute(), str(mode), timeout)

    def connect(self) -> "SqliteConnection":
        """Open a connection of its own. StoreUnavailable when that fails."""
        return SqliteConnection(self)

    def engine(self) -> Engine:
        """Return an engine for migrations."""
        return create_engine("sqlite://", creator=self.open, poolclass=NullPool)

    def begin_migration(self, connection: SqlalchemyConnection) -> None:
        """Lock out every other migration and every writer until the transaction ends."""
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def open(self) -> sqlite3.Connection:
        """Open a connection of the driver in autocommit mode."""
        raw = sqlite3.connect(
            f"{self.path.as_uri()}?mode={self.mode}",
            uri=True,
            timeout=self.timeout,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            self._set_up(raw)
        except BaseException:
            raw.close()
            raise
        return raw

    def unavailable(self, error: BaseException) -> StoreUnavailable:
        """Say in one sentence what is wrong and what to do."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        remedy = _REMEDIES.get(code, "make sure that it is a database of palate, or restore a backup")
        return StoreUnavailable(f"the database {self.path} cannot be used ({error}): {remedy}")

    def _set_up(self, raw: sqlite3.Connection) -> None:
        raw.execute("PRAGMA synchronous = FULL")
        deadline = time.monotonic() + self.timeout
        while raw.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            try:
                raw.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError:  # a change of mode does not wait for locks by itself
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)


class SqliteConnection:
    """A connection whose errors are palate's."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        try:
            self._raw = database.open()
        except sqlite3.Error as exc:
            raise database.unavailable(exc) from exc

    def execute(self, sql: str, parameters: Mapping[str, object] = _NOTHING) -> list[Row]:
        """Execute one statement and return its rows.

        Raises:
            ValueError: When a row with the same key exists.
            StoreUnavailable: When the database cannot be used.
        """
        try:
            rows: list[Row] = self._raw.execute(sql, parameters).fetchall()
        except sqlite3.IntegrityError as exc:
            raise ValueError(f"the store has this already: {exc}") from exc
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.Error as exc:
            raise self._database.unavailable(exc) from exc
        return rows

    def execute_all(self, statements: Sequence[Statement]) -> None:
        """Execute statements that return nothing."""
        for sql, parameters in statements:
            self.execute(sql, parameters)

    def begin_snapshot(self) -> None:
        """Begin a transaction whose reads all see one state of the database."""
        self.execute("BEGIN")

    def begin_writing(self) -> None:
        """Begin the only writing transaction."""
        self.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """End the transaction; durable when this returns."""
        self.execute("COMMIT")

    def close(self) -> None:
        """Roll the transaction back and close the file."""
        self._raw.close()
