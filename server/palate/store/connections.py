"""What a database must bring, and the connections that the threads of a process share."""

import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias

from sqlalchemy import Connection as SqlalchemyConnection
from sqlalchemy import Dialect, Engine

from palate.errors import StoreUnavailable

__all__ = ["Connection", "Connections", "Database", "Statement"]

Statement: TypeAlias = tuple[str, Mapping[str, object]]
"""SQL and its parameters."""


class Connection(Protocol):
    """One connection to a database, used by one thread at a time."""

    def execute(self, sql: str, parameters: Mapping[str, object] = ...) -> list[tuple[Any, ...]]:
        """Execute one statement and return its rows.

        Raises:
            ValueError: When a row with the same key exists.
            StoreUnavailable: When the database cannot be used.
        """

    def execute_all(self, statements: Sequence[Statement]) -> None:
        """Execute statements that return nothing, and wait for the last one only. Raises as `execute` does."""

    def begin_snapshot(self) -> None:
        """Let the reads up to the commit see one state of the database."""

    def begin_writing(self) -> None:
        """Begin a transaction that no other one can overtake, waiting for its turn at most the timeout."""

    def commit(self) -> None:
        """End what was begun; durable when this returns."""

    def close(self) -> None:
        """Undo what was begun and disconnect."""


class Database(Protocol):
    """All that differs between databases.

    Attributes:
        dialect: Its SQL, with named parameters.
        timeout: Seconds to wait for a lock.
        local: Whether this process reads by itself, without asking another one.
    """

    @property
    def dialect(self) -> Dialect:
        """Its SQL, with named parameters."""

    @property
    def timeout(self) -> float:
        """Seconds to wait for a lock."""

    @property
    def local(self) -> bool:
        """Whether this process reads by itself."""

    def connect(self) -> Connection:
        """Open a connection. StoreUnavailable when that fails."""

    def engine(self) -> Engine:
        """Return an engine for migrations."""

    def begin_migration(self, connection: SqlalchemyConnection) -> None:
        """Shut out every other migration and every writer until the transaction ends."""

    def unavailable(self, error: BaseException) -> StoreUnavailable:
        """Say in one sentence what an error of the driver means and what to do."""


class Connections:
    """Idle connections of a process. There are never more than threads that used them at the same time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turn = threading.Lock()
        self._idle: deque[Connection] = deque()
        self._closed = threading.Event()

    @contextmanager
    def lend(self) -> Iterator[Connection]:
        """Lend a connection. When the block raises, the connection is closed, which undoes what it had begun."""
        if self._closed.is_set():
            raise StoreUnavailable("the store was closed; open it again")
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._database.connect()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        if self._closed.is_set():
            self.close()

    @contextmanager
    def lend_to_write(self) -> Iterator[Connection]:
        """Lend a connection that has begun a writing transaction; the block commits, or it is undone.

        The threads of this process take turns, without asking the database for it.
        """
        timeout = self._database.timeout
        if not self._turn.acquire(timeout=timeout):
            raise StoreUnavailable(f"another thread has been writing for {timeout:g} seconds; try again later")
        try:
            with self.lend() as connection:
                connection.begin_writing()
                yield connection
        finally:
            self._turn.release()

    def close(self) -> None:
        """Close the idle connections now, and the lent ones when they come back."""
        self._closed.set()
        while True:
            try:
                self._idle.pop().close()
            except IndexError:
                return
