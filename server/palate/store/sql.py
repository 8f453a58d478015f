"""The feedback log and the profiles over SQL."""

import functools
import json
import secrets
import struct
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import fields
from operator import itemgetter
from typing import Final

from palate.domain.apply import Change
from palate.domain.profile import Event, EventKind, Profile, Rating, RecordedTrack, Taste, Verdict
from palate.domain.track import FEATURES
from palate.errors import StoreUnavailable
from palate.store.contract import Current, Header, ModelStore, Transaction
from palate.store.database import Connection, Database, Row, Statement
from palate.store.statements import Statements

__all__ = ["ConnectionPool", "SqlStore", "compiled", "decoding"]

_SECRET_BYTES: Final = 32
_ALL: Final = sys.maxsize

_HEADER: Final = len(fields(Header))
_EVENT: Final = _HEADER + 9
_RATING: Final = _EVENT + 6
"""Where, in a row of `Statements.current`, the header, the event and the rating end."""

_FEATURES: Final = struct.Struct(f"<{len(FEATURES)}f")
_KINDS: Final = {int(kind): kind for kind in EventKind}
_VERDICTS: Final = {int(verdict): verdict for verdict in Verdict}
_REVISION: Final = itemgetter(-1)
"""The last column of `Statements.ratings`."""

compiled: Final = functools.cache(Statements)
"""Compile all statements for a dialect, once for a process: it takes longer than to connect."""


class ConnectionPool:
    """The connections of a process. There are never more than threads that used them at the same time.

    Args:
        database: Where they connect to.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._write_lock = threading.Lock()
        self._idle: deque[Connection] = deque()
        self._closed = threading.Event()

    @property
    def database(self) -> Database:
        """Where they connect to."""
        return self._database

    def read(self, sql: str, parameters: Mapping[str, object]) -> list[Row]:
        """Execute one statement that only reads, and return its rows."""
        with self.connection() as connection:
            return connection.execute(sql, parameters)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Acquire a connection. When the block raises, it is closed, which rolls back what it had begun."""
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
    def transaction(self) -> Iterator[Connection]:
        """Acquire a connection that has begun a writing transaction. Committed when the block ends without an error.

        Threads of this process queue for a lock of their own, without asking the database for its lock.
        """
        timeout = self._database.timeout
        if not self._write_lock.acquire(timeout=timeout):
            raise StoreUnavailable(f"another thread has been writing for {timeout:g} seconds; try again later")
        try:
            with self.connection() as connection:
                connection.begin_writing()
                yield connection
                connection.commit()
        finally:
            self._write_lock.release()

    def close(self) -> None:
        """Close the idle connections now, and the others when they are released."""
        self._closed.set()
        while True:
            try:
                self._idle.pop().close()
            except IndexError:
                return


class SqlStore:
    """A `palate.store.contract.Store` in a SQL database whose tables are up to date.

    Args:
        pool: Connections to the database.
        models: The models in the same database.
    """

    def __init__(self, pool: ConnectionPool, models: ModelStore) -> None:
        self._pool = pool
        self._statements = compiled(pool.database.dialect)
        self.models = models
        self.local = pool.database.local

    def header(self, user_id: str) -> Header | None:
        """Return a profile's header, or None when it does not exist."""
        rows = self._pool.read(self._statements.header, {"user_id": user_id})
        return Header(*rows[0]) if rows else None

    def profile(self, user_id: str) -> tuple[Profile, Header] | None:
        """Return a whole profile as it is stored, with its header, read in one snapshot; or None."""
        user = {"user_id": user_id}
        with self._pool.connection() as connection:
            connection.begin_snapshot()
            header_rows = connection.execute(self._statements.header, user)
            taste_rows = connection.execute(self._statements.tastes, user) if header_rows else []
            rating_rows = connection.execute(self._statements.ratings, user) if header_rows else []
            connection.commit()
        if not header_rows:
            return None
        header = Header(*header_rows[0])
        with _decoding_profile(user_id):
            return Profile(user_id, header.revision, _tastes(taste_rows), _ratings(rating_rows)), header

    def since(self, user_id: str, after: int = 0) -> tuple[Header, Sequence[Event]] | None:
        """Return a profile's header and its events with a revision above `after`, read in one snapshot; or None."""
        rows = self._pool.read(self._statements.since, {"user_id": user_id, "after": after})
        if not rows:
            return None
        with _decoding_profile(user_id):
            events = [_event(row[_HEADER:]) for row in rows if row[_HEADER] is not None]
        return Header(*rows[0][:_HEADER]), events

    def events(self, user_id: str, after: int = 0, limit: int | None = None) -> Sequence[Event]:
        """Return a profile's events with a revision above `after`, oldest first, at most `limit`."""
        wanted = {"user_id": user_id, "after": after, "limit": _ALL if limit is None else limit}
        rows = self._pool.read(self._statements.events, wanted)
        with _decoding_profile(user_id):
            return [_event(row) for row in rows]

    def user_ids(self) -> Iterator[str]:
        """Iterate over all listeners, sorted by the code points of user_id."""
        user_id = ""
        while True:
            [(following,)] = self._pool.read(self._statements.next_user, {"after": user_id})
            if following is None:
                return
            user_id = following
            yield user_id

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open the writing transaction. Durable when the block ends; undone when it raises."""
        with self._pool.transaction() as connection:
            transaction = _SqlTransaction(connection, self._statements)
            try:
                yield transaction
                transaction.require_usable()
            finally:
                transaction.end()

    def secret(self, name: str) -> bytes:
        """Return 32 random bytes, made at the first call and stored, the same for every worker."""
        rows = self._pool.read(self._statements.secret, {"name": name})
        return bytes(rows[0][0]) if rows else self._make_secret(name)

    def close(self) -> None:
        """Close all connections. The store cannot be used afterwards."""
        self._pool.close()

    def _make_secret(self, name: str) -> bytes:
        with self._pool.transaction() as connection:
            connection.execute(self._statements.put_secret, {"name": name, "value": secrets.token_bytes(_SECRET_BYTES)})
            [(value,)] = connection.execute(self._statements.secret, {"name": name})
        return bytes(value)


class _SqlTransaction:
    """A `palate.store.contract.Transaction` on a connection that has begun one."""

    def __init__(self, connection: Connection, statements: Statements) -> None:
        self._connection = connection
        self._statements = statements
        self._failure = ""
        self._writes: list[Statement] = []

    def header(self, user_id: str) -> Header | None:
        rows = self._read(self._statements.header, {"user_id": user_id})
        return Header(*rows[0]) if rows else None

    def recorded(self, user_id: str, request_id: str) -> Event | None:
        rows = self._read(self._statements.recorded, {"user_id": user_id, "request_id": request_id})
        with _decoding_profile(user_id):
            return _event(rows[0]) if rows else None

    def current(self, user_id: str, track_id: str = "", taste_id: str = "", request_id: str = "") -> Current:
        names = {"user_id": user_id, "track_id": track_id, "taste_id": taste_id, "request_id": request_id}
        rows = self._read(self._statements.current, names)
        with _decoding_profile(user_id):
            return _current(rows)

    def events(self, user_id: str) -> Iterator[Event]:
        rows = self._read(self._statements.events, {"user_id": user_id, "after": 0, "limit": _ALL})
        with _decoding_profile(user_id):
            yield from map(_event, rows)

    def append(self, user_id: str, event: Event, change: Change, feature_map: str) -> None:
        log_line = _event_parameters(user_id, event)
        tastes = [_taste_parameters(user_id, taste) for taste in change.tastes]
        with self._writing():
            self._write(self._statements.put_event, log_line)
            for parameters in tastes:
                self._write(self._statements.put_taste, parameters)
            if change.deleted_taste:
                self._delete_taste({"user_id": user_id, "taste_id": change.deleted_taste})
            if change.rating is not None:
                self._write(self._statements.put_rating, _rating_parameters(user_id, change.rating))
            elif change.track_id:
                self._write(self._statements.delete_rating, {"user_id": user_id, "track_id": change.track_id})
            first = {"created_at": event.recorded_at, "models_revision": 0, "generation": _new_generation()}
            self._put_header(user_id, change.revision, feature_map, first)

    def replace(self, profile: Profile, feature_map: str) -> None:
        user_id = profile.user_id
        header = self.header(user_id)
        created = self._read(self._statements.created_at, {"user_id": user_id})
        models_revision = header.models_revision if header else int(self._has_runs(user_id))
        generation = header.generation if header else _new_generation()
        with self._writing():
            self._delete_profile(user_id)
            for taste in profile.tastes.values():
                self._write(self._statements.put_taste, _taste_parameters(user_id, taste))
            for rating in profile.ratings.values():
                self._write(self._statements.put_rating, _rating_parameters(user_id, rating))
            created_at = created[0][0] if created else 0
            first = {"created_at": created_at, "models_revision": models_revision, "generation": generation}
            self._put_header(user_id, profile.revision, feature_map, first)

    def replace_tastes(self, profile: Profile, feature_map: str) -> None:
        user_id = profile.user_id
        with self._writing():
            self._write(self._statements.delete_tastes, {"user_id": user_id})
            for taste in profile.tastes.values():
                self._write(self._statements.put_taste, _taste_parameters(user_id, taste))
            self._write(self._statements.put_feature_map, {"user_id": user_id, "feature_map": feature_map})

    def delete(self, user_id: str) -> bool:
        sql, user = self._statements, {"user_id": user_id}
        existed = bool(self._read(sql.header, user) or self._read(sql.created_at, user)) or self._has_runs(user_id)
        with self._writing():
            self._delete_profile(user_id)
            for deletion in (sql.delete_events, sql.delete_serving_versions, sql.delete_artifacts, sql.delete_records):
                self._write(deletion, user)
            self._write(sql.delete_runs, user)
        return existed

    def require_usable(self) -> None:
        if self._failure:
            raise StoreUnavailable(self._failure)

    def end(self) -> None:
        self._failure = self._failure or "the transaction has ended; open another one"

    def _has_runs(self, user_id: str) -> bool:
        """Return whether a listener was ever trained for; every model has a run."""
        return self._read(self._statements.first_run, {"user_id": user_id}) != [(None,)]

    def _delete_profile(self, user_id: str) -> None:
        """Delete all that follows from the log."""
        for sql in (self._statements.delete_ratings, self._statements.delete_tastes, self._statements.delete_header):
            self._write(sql, {"user_id": user_id})

    def _delete_taste(self, taste: Mapping[str, object]) -> None:
        """Delete a taste and let no model serve it."""
        sql = self._statements
        for statement in (sql.delete_taste, sql.retire, sql.count_withdrawal, sql.delete_serving_version):
            self._write(statement, taste)

    def _put_header(self, user_id: str, revision: int, feature_map: str, first: Mapping[str, object]) -> None:
        """Write a profile's header. The columns of `first` count only when there is none yet."""
        self._write(
            self._statements.put_header, {"user_id": user_id, "revision": revision, "feature_map": feature_map, **first}
        )

    def _read(self, sql: str, parameters: Mapping[str, object]) -> list[Row]:
        self.require_usable()
        try:
            return self._connection.execute(sql, parameters)
        except StoreUnavailable as exc:
            self._failure = str(exc)
            raise

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Execute the block's writes together. When one fails, so does the transaction, which may be half-written."""
        self.require_usable()
        self._writes.clear()
        try:
            yield
            self._connection.execute_all(self._writes)
        except BaseException as exc:
            self._failure = f"nothing of this transaction was written, because one of its writes failed: {exc}"
            raise

    def _write(self, sql: str, parameters: Mapping[str, object]) -> None:
        self._writes.append((sql, parameters))


@contextmanager
def decoding(what: str, remedy: str) -> Iterator[None]:
    """Turn what a damaged row raises into StoreUnavailable, saying what cannot be read and what to do."""
    try:
        yield
    except (ValueError, KeyError, TypeError, struct.error) as exc:
        raise StoreUnavailable(f"{what} cannot be read ({exc!r}); {remedy}") from exc


def _decoding_profile(user_id: str) -> AbstractContextManager[None]:
    return decoding(
        f"the stored profile of {user_id!r}",
        "stop recording for this listener and run `palate profile rebuild USER`, or restore a backup if that fails too",
    )


def _new_generation() -> str:
    return secrets.token_hex(16)


def _tastes(rows: Iterable[Row]) -> dict[str, Taste]:
    """Read rows of `Statements.tastes` into the order in which the tastes were opened."""
    tastes = sorted((Taste.from_bytes(row[0]) for row in rows), key=lambda taste: taste.opened)
    return {taste.taste_id: taste for taste in tastes}


def _taste_parameters(user_id: str, taste: Taste) -> dict[str, object]:
    return {"user_id": user_id, "taste_id": taste.taste_id, "state": taste.to_bytes()}


def _rating(row: Row) -> Rating:
    """Read a row of `Statements.ratings`."""
    track_id, kind, taste_id, features, genres, revision = row
    track = RecordedTrack(_FEATURES.unpack(features), _genres(genres))
    return Rating(track_id, _VERDICTS[kind], taste_id, track, revision)


def _ratings(rows: Iterable[Row]) -> dict[str, Rating]:
    """Read rows of `Statements.ratings` into the order of their revisions."""
    return {row[0]: _rating(row) for row in sorted(rows, key=_REVISION)}


def _rating_parameters(user_id: str, rating: Rating) -> dict[str, object]:
    return {"user_id": user_id, "track_id": rating.track_id, "revision": rating.revision}


def _event(row: Row) -> Event:
    """Read a row of `Statements.events`."""
    revision, kind, track_id, taste_id, features, genres, *identifiers = row
    track = None if features is None else RecordedTrack(_FEATURES.unpack(features), _genres(genres))
    return Event(revision, _KINDS[kind], track_id, taste_id, track, *identifiers)


def _event_parameters(user_id: str, event: Event) -> dict[str, object]:
    """Return the parameters of `Statements.put_event`."""
    track = event.track
    return {
        "user_id": user_id,
        "revision": event.revision,
        "kind": int(event.kind),
        "track_id": event.track_id,
        "taste_id": event.taste_id,
        "features": None if track is None else _FEATURES.pack(*track.features),
        "genres": None if track is None else json.dumps(track.genres, ensure_ascii=False),
        "request_id": event.request_id,
        "recommendation_id": event.recommendation_id,
        "recorded_at": event.recorded_at,
    }


@functools.lru_cache(maxsize=4096)
def _genres(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


def _current(rows: Sequence[Row]) -> Current:
    """Read all rows of `Statements.current`, which differ in their tastes only."""
    if not rows:
        return Current()
    header, event, rating = rows[0][:_HEADER], rows[0][_HEADER:_EVENT], rows[0][_EVENT:_RATING]
    return Current(
        Header(*header),
        _event(event) if event[0] is not None else None,
        _rating(rating) if rating[0] is not None else None,
        _tastes(row[_RATING:] for row in rows if row[_RATING] is not None),
    )
