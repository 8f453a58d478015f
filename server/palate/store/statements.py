"""Every statement of the store, compiled once for a dialect.

Compiled statements go to the driver as text. Executing them through SQLAlchemy would cost several times what
SQLite takes to answer.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Dialect, Table, and_, bindparam, func, literal_column, null, select, union_all
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ClauseElement

from palate.store.schema import feedback_log, probes, profiles, ratings, secrets, tastes

__all__ = ["Statements"]

_INSERTS: Final[Mapping[str, Callable[[Table], Any]]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}

_EMPTY: Final[ColumnElement[str]] = literal_column("''")
"""Written out, so that the database sees that the partial index on request_id answers the query."""

_ZERO: Final[ColumnElement[int]] = literal_column("0")
"""Written out, because SQLite's dialect adds an offset to every limit, as a parameter of its own naming."""


class Statements:
    """The statements as SQL text with named parameters, which are called like the columns.

    Args:
        dialect: The database's dialect of SQL. Its paramstyle must be one with names.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._add_reads()
        self._add_writes()
        self._add_deletions()

    def _add_reads(self) -> None:
        log = feedback_log.c
        rated = select(log.track_id, log.kind, log.taste_id, log.features, log.genres, log.revision).join_from(
            ratings,
            feedback_log,
            and_(ratings.c.user_id == log.user_id, ratings.c.revision == log.revision),
        )
        self.header = self._sql(
            select(profiles.c.revision, profiles.c.feature_map, profiles.c.created_at).where(_is(profiles, "user_id"))
        )
        self.tastes = self._sql(select(tastes.c.state).where(_is(tastes, "user_id")))
        self.taste = self._sql(select(tastes.c.state).where(_is(tastes, "user_id"), _is(tastes, "taste_id")))
        self.ratings = self._sql(rated.where(_is(ratings, "user_id")))
        self.rating = self._sql(rated.where(_is(ratings, "user_id"), _is(ratings, "track_id")))
        event = (log.revision, log.kind, log.track_id, log.taste_id)
        identifiers = (log.request_id, log.recommendation_id, log.recorded_at)
        events = select(*event, log.features, log.genres, *identifiers).where(_is(feedback_log, "user_id"))
        after = events.where(log.revision > bindparam("after")).order_by(log.revision)
        self.events = self._sql(after.limit(bindparam("limit")).offset(_ZERO))
        recorded = select(*event, null(), null(), *identifiers).where(_is(feedback_log, "user_id"))
        self.recorded = self._sql(recorded.where(_is(feedback_log, "request_id"), log.request_id != _EMPTY))
        first = select(log.recorded_at).where(_is(feedback_log, "user_id"), log.revision == literal_column("1"))
        self.created_at = self._sql(first)
        self.next_user = self._sql(_next_user())
        self.secret = self._sql(select(secrets.c.value).where(_is(secrets, "name")))

    def _add_writes(self) -> None:
        self.put_event = self._sql(self._insert(feedback_log))
        self.put_header = self._sql(self._upsert(profiles, "revision", "feature_map"))
        self.put_taste = self._sql(self._upsert(tastes, "state"))
        self.put_rating = self._sql(self._upsert(ratings, "revision"))
        self.put_secret = self._sql(self._insert(secrets).on_conflict_do_nothing())
        self.put_probe = self._sql(self._upsert(probes, "probed_at"))

    def _add_deletions(self) -> None:
        self.delete_taste = self._sql(tastes.delete().where(_is(tastes, "user_id"), _is(tastes, "taste_id")))
        self.delete_rating = self._sql(ratings.delete().where(_is(ratings, "user_id"), _is(ratings, "track_id")))
        self.delete_tastes = self._sql(tastes.delete().where(_is(tastes, "user_id")))
        self.delete_ratings = self._sql(ratings.delete().where(_is(ratings, "user_id")))
        self.delete_events = self._sql(feedback_log.delete().where(_is(feedback_log, "user_id")))
        self.delete_header = self._sql(profiles.delete().where(_is(profiles, "user_id")))

    def _insert(self, table: Table) -> Any:
        return _INSERTS[self._dialect.name](table)

    def _upsert(self, table: Table, *columns: str) -> Any:
        """Insert a row, or set some columns of the row that has its key."""
        insert = self._insert(table)
        return insert.on_conflict_do_update(
            index_elements=list(table.primary_key.columns), set_={name: insert.excluded[name] for name in columns}
        )

    def _sql(self, statement: ClauseElement) -> str:
        return str(statement.compile(dialect=self._dialect))


def _is(table: Table, column: str) -> ColumnElement[bool]:
    """Compare a column with the parameter of its name."""
    return table.c[column] == bindparam(column)


def _next_user() -> ClauseElement:
    """Find the listener after a given one, whether the log or only the profiles know them."""
    nearest = union_all(
        *(
            select(func.min(table.c.user_id).label("user_id")).where(table.c.user_id > bindparam("after"))
            for table in (feedback_log, profiles)
        )
    ).subquery()
    return select(func.min(nearest.c.user_id))
