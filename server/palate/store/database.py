"""What a database must provide to hold palate's tables."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from sqlalchemy import Connection as SqlalchemyConnection
from sqlalchemy import Dialect, Engine

from palate.errors import StoreUnavailable

__all__ = ["Connection", "Database", "Row", "Statement"]

Row: TypeAlias = tuple[Any, ...]

Statement: TypeAlias = tuple[str, Mapping[str, object]]
"""SQL and its parameters."""


class Connection(Protocol):
    """One connection to a database, used by one thread at a time."""

    def execute(self, sql: str, parameters: Mapping[str, object] = ...) -> list[Row]:
        """Execute one statement and return its rows.

        Raises:
            ValueError: When a row with the same key exists.
            StoreUnavailable: When the database cannot be used.
        """

    def execute_all(self, statements: Sequence[Statement]) -> None:
        """Execute statements that return nothing, and wait for the last one only. Raises as `execute` does."""

    def begin_snapshot(self) -> None:
        """Begin a transaction whose reads all see one state of the database."""

    def begin_writing(self) -> None:
        """Begin the only writing transaction, waiting for that of another process at most the timeout."""

    def commit(self) -> None:
        """End the transaction; durable when this returns."""

    def close(self) -> None:
        """Roll the transaction back and disconnect."""


class Database(Protocol):
    """All that differs between databases."""

    @property
    def dialect(self) -> Dialect:
        """Its SQL, with named parameters."""

    @property
    def timeout(self) -> float:
        """Seconds to wait for a lock."""

    @property
    def local(self) -> bool:
        """Whether this process reads by itself, without asking another one."""

    def connect(self) -> Connection:
        """Open a connection. StoreUnavailable when that fails."""

    def engine(self) -> Engine:
        """Return an engine for migrations."""

    def begin_migration(self, connection: SqlalchemyConnection) -> None:
        """Lock out every other migration and every writer until the transaction ends."""

    def unavailable(self, error: BaseException) -> StoreUnavailable:
        """Say in one sentence what an error of the driver means and what to do."""
