"""PostgreSQL: how to connect, and what its errors mean."""

import math
import select
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Self

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL, Dialect, Engine, NullPool, create_engine
from sqlalchemy import Connection as SqlalchemyConnection
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from palate.errors import ConfigError, StoreUnavailable
from palate.store.database import Row, Statement

__all__ = ["PostgresConnection", "PostgresDatabase"]

_DRIVERS: Final = ("postgresql", "postgresql+psycopg")
_NOTHING: Final[Mapping[str, object]] = {}
_TIMEOUTS: Final[Mapping[str, str | int]] = {
    "application_name": "palate",
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""What the URL may overrule. A server whose machine is gone is noticed after some ten seconds, not hours."""

_IDLE_MILLISECONDS: Final = 60_000
"""When the server ends a transaction whose client fell silent, which would hold the lock of all writers forever."""

_MIGRATION_TIMEOUT: Final = "60s"
"""How long a start waits for another one to migrate a large database."""

_LOCK: Final = "SELECT pg_advisory_xact_lock(1885432929, current_schema()::regnamespace::oid::integer)"
"""Locks out every other writer of the same schema until the transaction ends, and nothing else that uses the
database. The number spells the first four letters of "palate"."""

_BEGIN_WRITING: Final = f"BEGIN ISOLATION LEVEL READ COMMITTED; {_LOCK}"
"""Each statement must see what was committed while the lock was waited for, which a snapshot would hide."""

_BEGIN_SNAPSHOT: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_SET_UP: Final = """
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
"""
"""A commit waits for the disk even where the server's default is not to."""

_REMEDIES: Final[Mapping[str, str]] = {
    "08": "make sure that the server runs and can be reached, and that user, password and database in the URL are "
    "right; nothing has to be restarted here",
    "25006": "it is read-only; name the primary server",
    "25P03": "the transaction took too long; look at the load of this machine and of the server",
    "3F000": "create the schema that search_path names",
    "42501": "grant the user the right to read, write and create tables in the schema",
    "42P01": "its tables are missing; restore a backup or name another database",
    "53": "free space on its disk, or raise max_connections",
    "55P03": "another program holds it; wait for that program, or raise timeout in the database URL",
    "57014": "the statement was cancelled; look at the server's load and its statement_timeout",
    "57P": "the server is stopping or starting; nothing has to be restarted here",
}
"""What to do about an error, by the longest prefix of its SQLSTATE. Failures to connect come without one."""


class PostgresDatabase:
    """One schema of a PostgreSQL database, where a commit survives the loss of power.

    Args:
        parameters: What libpq connects with, by its names.
        timeout: Seconds to wait for a lock.
    """

    local: ClassVar[bool] = False
    dialect: ClassVar[Dialect] = PGDialect_psycopg()  # type: ignore[no-untyped-call] # SQLAlchemy leaves it untyped

    def __init__(self, parameters: Mapping[str, str | int], timeout: float = 2.0) -> None:
        self.timeout = timeout
        limits = f"-c lock_timeout={max(1, round(timeout * 1000))}"
        limits = f"{limits} -c idle_in_transaction_session_timeout={_IDLE_MILLISECONDS} {parameters.get('options', '')}"
        defaults = {"connect_timeout": max(2, math.ceil(timeout)), **_TIMEOUTS}
        chosen: dict[str, Any] = defaults | dict(parameters) | {"options": limits.rstrip()}
        self._name = str(parameters.get("dbname", ""))
        try:
            self._conninfo = make_conninfo(**chosen)
        except psycopg.Error:
            named = ", ".join(sorted(parameters.keys() - {"password"}))
            raise ConfigError(
                f"the database URL cannot be used: one of {named} is no connection parameter of PostgreSQL"
            ) from None

    @classmethod
    def from_url(cls, url: URL, *, create: bool, timeout: float = 2.0) -> Self:  # noqa: ARG003 - never created
        """Read ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE``; options are libpq's.

        Raises:
            ConfigError: When it says anything else.
        """
        if url.drivername not in _DRIVERS or not (url.database or "service" in url.query):
            raise ConfigError(
                "the database URL cannot be used; write postgresql://USER:PASSWORD@HOST/DATABASE, with "
                "?timeout=SECONDS or options of libpq at its end if need be"
            )
        options = {key: ",".join(value) if isinstance(value, tuple) else value for key, value in url.query.items()}
        named = {"host": url.host, "port": url.port, "user": url.username, "password": url.password}
        parameters = {"dbname": url.database, **named, **options}
        return cls({key: value for key, value in parameters.items() if value is not None}, timeout)

    def connect(self) -> "PostgresConnection":
        """Open a connection of its own. StoreUnavailable when that fails."""
        return PostgresConnection(self)

    def engine(self) -> Engine:
        """Return an engine for migrations."""
        return create_engine("postgresql+psycopg://", creator=self.open, poolclass=NullPool)

    def begin_migration(self, connection: SqlalchemyConnection) -> None:
        """Lock out every other migration and every writer until the transaction ends."""
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_MIGRATION_TIMEOUT}'")
        connection.exec_driver_sql(_LOCK)
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {max(1, round(self.timeout * 1000))}")

    def open(self, *, autocommit: bool = False) -> psycopg.Connection[Row]:
        """Open a connection of the driver."""
        raw = psycopg.connect(self._conninfo, autocommit=True)
        try:
            encoding = raw.info.parameter_status("server_encoding")
            if encoding != "UTF8":
                raise ConfigError(f"the database {self._name!r} is encoded in {encoding}; create one in UTF8")
            raw.execute(_SET_UP)
            raw.autocommit = autocommit
        except BaseException:
            raw.close()
            raise
        return raw

    def unavailable(self, error: BaseException) -> StoreUnavailable:
        """Say in one sentence what is wrong and what to do."""
        code = getattr(error, "sqlstate", None) or "08"
        known = [prefix for prefix in _REMEDIES if code.startswith(prefix)]
        remedy = _REMEDIES[max(known, key=len)] if known else "make sure that it is a database of palate"
        what = " ".join(str(error).split()) or type(error).__name__
        return StoreUnavailable(f"the database {self._name!r} cannot be used ({what}): {remedy}")


class PostgresConnection:
    """A connection whose errors are palate's. Between transactions it is replaced when the server has closed it."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database
        self._begun = False
        self._connect()

    def execute(self, sql: str, parameters: Mapping[str, object] = _NOTHING) -> list[Row]:
        """Execute one statement and return its rows.

        Raises:
            ValueError: When a row with the same key exists.
            StoreUnavailable: When the database cannot be used.
        """
        self._reconnect_if_closed()
        try:
            self._cursor.execute(sql, parameters)
            return self._cursor.fetchall() if self._cursor.description else []
        except psycopg.Error as exc:
            raise self._explained(exc) from exc

    def execute_all(self, statements: Sequence[Statement]) -> None:
        """Execute statements that return nothing, in one message. Raises as `execute` does."""
        try:
            with self._raw.pipeline():
                for sql, parameters in statements:
                    self._cursor.execute(sql, parameters)
        except psycopg.Error as exc:
            raise self._explained(exc) from exc

    def begin_snapshot(self) -> None:
        """Begin a transaction whose reads all see one state of the database."""
        self._control(_BEGIN_SNAPSHOT)
        self._begun = True

    def begin_writing(self) -> None:
        """Begin the only writing transaction, waiting for that of another process at most the timeout."""
        self._control(_BEGIN_WRITING)
        self._begun = True

    def commit(self) -> None:
        """End the transaction; durable when this returns."""
        self._control("COMMIT")
        self._begun = False

    def close(self) -> None:
        """Roll the transaction back and disconnect."""
        self._raw.close()

    def _control(self, sql: str) -> None:
        """Execute statements without parameters or rows in one message."""
        self._reconnect_if_closed()
        try:
            self._raw.execute(sql, prepare=False)
        except psycopg.Error as exc:
            raise self._database.unavailable(exc) from exc

    def _explained(self, error: psycopg.Error) -> Exception:
        """Say in palate's terms what an error means."""
        if isinstance(error, psycopg.IntegrityError):
            return ValueError(f"the store has this already: {error}")
        if error.sqlstate is None and isinstance(error, psycopg.ProgrammingError | psycopg.DataError):
            return error  # a statement or a value that never went to the server: a bug of palate
        return self._database.unavailable(error)

    def _connect(self) -> None:
        try:
            self._raw = self._database.open(autocommit=True)
        except psycopg.Error as exc:
            raise self._database.unavailable(exc) from exc
        self._cursor: psycopg.Cursor[Any] = self._raw.cursor(binary=True)
        self._poll = select.poll()
        self._poll.register(self._raw.fileno(), select.POLLIN)

    def _reconnect_if_closed(self) -> None:
        """Connect again where an idle connection has data: unasked, the server sends only that it has closed it."""
        if not self._begun and self._poll.poll(0):
            self._raw.close()
            self._connect()
