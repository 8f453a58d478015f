"""The store over SQL."""

import functools
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from operator import itemgetter
from typing import Final

from sqlalchemy import Dialect

from palate.domain.apply import Change
from palate.domain.profile import Event, Profile, Rating, Taste
from palate.errors import StoreUnavailable
from palate.store.connections import Connection, Connections, Database, Statement
from palate.store.contract import Header, Standing, Transaction
from palate.store.model_contract import ModelStore
from palate.store.model_statements import ModelStatements
from palate.store.model_transaction import ModelTransaction
from palate.store.models import SqlModels
from palate.store.rows import (
    Row,
    decoding,
    event_parameters,
    event_value,
    header_value,
    rating_value,
    standing_value,
    tastes_value,
)
from palate.store.statements import Statements

__all__ = ["SqlStore"]

_SECRET_BYTES: Final = 32
_ALL: Final = sys.maxsize
_REVISION: Final = itemgetter(-1)
"""The last column of `Statements.ratings`."""
_HEADER: Final = len(fields(Header))
"""How many columns of `Statements.since` are the header's."""


@functools.cache
def _statements(dialect: Dialect) -> tuple[Statements, ModelStatements]:
    """Compile all statements for a dialect, which takes longer than to connect."""
    return Statements(dialect), ModelStatements(dialect)


class SqlStore:
    """A `palate.store.contract.Store` in a SQL database whose tables are up to date.

    Args:
        database: Where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self._statements, self._model_statements = _statements(database.dialect)
        self._connections = Connections(database)
        self.local = database.local
        self._models = SqlModels(self._connections, self._statements, self._model_statements)

    @property
    def models(self) -> ModelStore:
        """The models."""
        return self._models

    def header(self, user_id: str) -> Header | None:
        """Return a profile's header, or None when it does not exist."""
        with self._connections.lend() as connection:
            rows = connection.execute(self._statements.header, {"user_id": user_id})
        return header_value(rows[0]) if rows else None

    def profile(self, user_id: str) -> tuple[Profile, Header] | None:
        """Return a whole profile as it was folded, with its header, read in one snapshot; or None."""
        user = {"user_id": user_id}
        with self._connections.lend() as connection:
            connection.begin_snapshot()
            header_rows = connection.execute(self._statements.header, user)
            taste_rows = connection.execute(self._statements.tastes, user) if header_rows else []
            rating_rows = connection.execute(self._statements.ratings, user) if header_rows else []
            connection.commit()
        if not header_rows:
            return None
        header = header_value(header_rows[0])
        with decoding(user_id):
            return Profile(user_id, header.revision, tastes_value(taste_rows), _ratings(rating_rows)), header

    def since(self, user_id: str, after: int = 0) -> tuple[Header, Sequence[Event]] | None:
        """Return a profile's header and its events with a revision above `after`, read in one snapshot; or None."""
        with self._connections.lend() as connection:
            rows = connection.execute(self._statements.since, {"user_id": user_id, "after": after})
        if not rows:
            return None
        with decoding(user_id):
            events = [event_value(row[_HEADER:]) for row in rows if row[_HEADER] is not None]
        return header_value(rows[0][:_HEADER]), events

    def events(self, user_id: str, after: int = 0, limit: int | None = None) -> Sequence[Event]:
        """Return a profile's events with a revision above `after`, oldest first, at most `limit`."""
        wanted = {"user_id": user_id, "after": after, "limit": _ALL if limit is None else limit}
        with self._connections.lend() as connection:
            rows = connection.execute(self._statements.events, wanted)
        with decoding(user_id):
            return [event_value(row) for row in rows]

    def user_ids(self) -> Iterator[str]:
        """Iterate over all listeners, sorted by the code points of user_id."""
        user_id = ""
        while True:
            with self._connections.lend() as connection:
                [(following,)] = connection.execute(self._statements.next_user, {"after": user_id})
            if following is None:
                return
            user_id = following
            yield user_id

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open the writing transaction. Durable when the block ends; undone when it raises."""
        with self._connections.lend_to_write() as connection:
            models = ModelTransaction(connection, self._statements, self._model_statements)
            transaction = _SqlTransaction(connection, self._statements, models)
            try:
                yield transaction
                transaction.commit()
            finally:
                transaction.end()

    def secret(self, name: str) -> bytes:
        """Return 32 random bytes that are made once and kept, the same for every worker."""
        with self._connections.lend() as connection:
            rows = connection.execute(self._statements.secret, {"name": name})
        return bytes(rows[0][0]) if rows else self._make_secret(name)

    def close(self) -> None:
        """Let go of all connections. The store cannot be used afterwards."""
        self._connections.close()

    def _make_secret(self, name: str) -> bytes:
        with self._connections.lend_to_write() as connection:
            connection.execute(self._statements.put_secret, {"name": name, "value": secrets.token_bytes(_SECRET_BYTES)})
            [(value,)] = connection.execute(self._statements.secret, {"name": name})
            connection.commit()
        return bytes(value)


class _SqlTransaction:
    """A `palate.store.contract.Transaction` on a connection that has begun one."""

    def __init__(self, connection: Connection, statements: Statements, models: ModelTransaction) -> None:
        self._connection = connection
        self._statements = statements
        self._models = models
        self._obstacle = ""
        self._writes: list[Statement] = []

    def header(self, user_id: str) -> Header | None:
        rows = self._read(self._statements.header, {"user_id": user_id})
        return header_value(rows[0]) if rows else None

    def recorded(self, user_id: str, request_id: str) -> Event | None:
        rows = self._read(self._statements.recorded, {"user_id": user_id, "request_id": request_id})
        with decoding(user_id):
            return event_value(rows[0]) if rows else None

    def standing(self, user_id: str, track_id: str = "", taste_id: str = "", request_id: str = "") -> Standing:
        names = {"user_id": user_id, "track_id": track_id, "taste_id": taste_id, "request_id": request_id}
        rows = self._read(self._statements.standing, names)
        with decoding(user_id):
            return standing_value(rows)

    def events(self, user_id: str) -> Iterator[Event]:
        rows = self._read(self._statements.events, {"user_id": user_id, "after": 0, "limit": _ALL})
        with decoding(user_id):
            yield from map(event_value, rows)

    def append(self, user_id: str, event: Event, change: Change, feature_map: str) -> None:
        log_line = event_parameters(user_id, event)
        tastes = [_taste_parameters(user_id, taste) for taste in change.tastes]
        with self._writing():
            self._write(self._statements.put_event, log_line)
            for parameters in tastes:
                self._write(self._statements.put_taste, parameters)
            if change.deleted_taste:
                self._write(self._statements.delete_taste, {"user_id": user_id, "taste_id": change.deleted_taste})
                self._models.withdraw(user_id, change.deleted_taste)
            if change.rating is not None:
                self._write(self._statements.put_rating, _rating_parameters(user_id, change.rating))
            elif change.track_id:
                self._write(self._statements.delete_rating, {"user_id": user_id, "track_id": change.track_id})
            began = {"created_at": event.recorded_at, "models_revision": 0, "generation": _new_generation()}
            self._put_header(user_id, change.revision, feature_map, began)

    def replace(self, profile: Profile, feature_map: str) -> None:
        user_id = profile.user_id
        created = self._read(self._statements.created_at, {"user_id": user_id})
        header = self._read(self._statements.header, {"user_id": user_id})
        with self._writing():
            models_revision = header_value(header[0]).models_revision if header else int(self._models.knows(user_id))
            generation = header_value(header[0]).generation if header else _new_generation()
            self._delete_profile(user_id)
            for taste in profile.tastes.values():
                self._write(self._statements.put_taste, _taste_parameters(user_id, taste))
            for rating in profile.ratings.values():
                self._write(self._statements.put_rating, _rating_parameters(user_id, rating))
            created_at = created[0][0] if created else 0
            known = {"created_at": created_at, "models_revision": models_revision, "generation": generation}
            self._put_header(user_id, profile.revision, feature_map, known)

    def replace_tastes(self, profile: Profile, feature_map: str) -> None:
        user_id = profile.user_id
        with self._writing():
            self._write(self._statements.delete_tastes, {"user_id": user_id})
            for taste in profile.tastes.values():
                self._write(self._statements.put_taste, _taste_parameters(user_id, taste))
            self._write(self._statements.refold, {"user_id": user_id, "feature_map": feature_map})

    def delete(self, user_id: str) -> bool:
        user = {"user_id": user_id}
        existed = bool(self._read(self._statements.header, user) or self._read(self._statements.created_at, user))
        with self._writing():
            existed = self._models.knows(user_id) or existed
            self._write(self._statements.delete_events, user)
            self._delete_profile(user_id)
            self._models.forget(user_id)
        return existed

    def commit(self) -> None:
        self._refuse_after_an_obstacle()
        self._connection.commit()

    def end(self) -> None:
        self._obstacle = self._obstacle or "the transaction has ended; open another one"

    def _delete_profile(self, user_id: str) -> None:
        """Delete all that was folded from the log."""
        for sql in (self._statements.delete_ratings, self._statements.delete_tastes, self._statements.delete_header):
            self._write(sql, {"user_id": user_id})

    def _put_header(self, user_id: str, revision: int, feature_map: str, began: Mapping[str, object]) -> None:
        """Write a profile's header. The columns of `began` count only when there is none yet."""
        self._write(
            self._statements.put_header, {"user_id": user_id, "revision": revision, "feature_map": feature_map, **began}
        )

    def _read(self, sql: str, parameters: Mapping[str, object]) -> list[Row]:
        self._refuse_after_an_obstacle()
        try:
            return self._connection.execute(sql, parameters)
        except StoreUnavailable as exc:
            self._obstacle = str(exc)
            raise

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Let writes happen together or spoil the transaction, which may be half-written then."""
        self._refuse_after_an_obstacle()
        self._writes.clear()
        try:
            yield
            self._connection.execute_all(self._writes)
        except BaseException as exc:
            self._obstacle = f"nothing of this transaction was kept, because one of its writes failed: {exc}"
            raise

    def _write(self, sql: str, parameters: Mapping[str, object]) -> None:
        self._writes.append((sql, parameters))

    def _refuse_after_an_obstacle(self) -> None:
        if self._obstacle:
            raise StoreUnavailable(self._obstacle)


def _new_generation() -> str:
    return secrets.token_hex(16)


def _taste_parameters(user_id: str, taste: Taste) -> dict[str, object]:
    return {"user_id": user_id, "taste_id": taste.taste_id, "state": taste.to_bytes()}


def _rating_parameters(user_id: str, rating: Rating) -> dict[str, object]:
    return {"user_id": user_id, "track_id": rating.track_id, "revision": rating.revision}


def _ratings(rows: Iterable[Row]) -> dict[str, Rating]:
    """Read ratings into the order of their revisions."""
    return {row[0]: rating_value(row) for row in sorted(rows, key=_REVISION)}
