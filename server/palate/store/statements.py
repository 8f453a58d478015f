"""Every statement about feedback and profiles, compiled once for a dialect."""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import ColumnElement, Dialect, and_, bindparam, func, literal_column, null, select, union_all
from sqlalchemy.sql.elements import ClauseElement

from palate.store.compiled import ZERO, CompiledStatements, matches
from palate.store.schema import feedback_log, profiles, ratings, secrets, tastes

__all__ = ["Statements"]

_EMPTY: Final[ColumnElement[str]] = literal_column("''")
"""Written out, so that the database sees that the partial index on request_id answers the query."""


class Statements(CompiledStatements):
    """The statements as SQL text."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect)
        self._add_reads()
        self._add_writes()
        self._add_deletions()

    def _add_reads(self) -> None:
        log = feedback_log.c
        rated = select(*_rating(log)).join_from(
            ratings,
            feedback_log,
            and_(ratings.c.user_id == log.user_id, ratings.c.revision == log.revision),
        )
        known = profiles.c
        header = (known.revision, known.feature_map, known.created_at, known.models_revision, known.generation)
        self.header = self._sql(select(*header).where(*matches(profiles, "user_id")))
        self.tastes = self._sql(select(tastes.c.state).where(*matches(tastes, "user_id")))
        self.taste = self._sql(select(tastes.c.state).where(*matches(tastes, "user_id", "taste_id")))
        self.ratings = self._sql(rated.where(*matches(ratings, "user_id")))
        event = (log.revision, log.kind, log.track_id, log.taste_id)
        identifiers = (log.request_id, log.recommendation_id, log.recorded_at)
        events = select(*event, log.features, log.genres, *identifiers).where(*matches(feedback_log, "user_id"))
        after = events.where(log.revision > bindparam("after")).order_by(log.revision)
        later = and_(log.user_id == known.user_id, log.revision > bindparam("after"))
        since = select(*header, *event, log.features, log.genres, *identifiers)
        since = since.outerjoin_from(profiles, feedback_log, later).where(*matches(profiles, "user_id"))
        self.since = self._sql(since.order_by(log.revision))
        self.events = self._sql(after.limit(bindparam("limit")).offset(ZERO))
        recorded = select(*_event(log)).where(*matches(feedback_log, "user_id"))
        self.recorded = self._sql(recorded.where(*matches(feedback_log, "request_id"), log.request_id != _EMPTY))
        self.standing = self._sql(_standing(header))
        first = select(log.recorded_at).where(*matches(feedback_log, "user_id"), log.revision == literal_column("1"))
        self.created_at = self._sql(first)
        self.next_user = self._sql(_next_user())
        self.secret = self._sql(select(secrets.c.value).where(*matches(secrets, "name")))

    def _add_writes(self) -> None:
        self.put_event = self._sql(self._insert(feedback_log))
        self.put_header = self._sql(self._upsert(profiles, "revision", "feature_map"))
        refolded = profiles.update().values(feature_map=bindparam("feature_map"))
        self.refold = self._sql(refolded.where(*matches(profiles, "user_id")))
        self.put_taste = self._sql(self._upsert(tastes, "state"))
        self.put_rating = self._sql(self._upsert(ratings, "revision"))
        self.put_secret = self._sql(self._insert(secrets).on_conflict_do_nothing())

    def _add_deletions(self) -> None:
        self.delete_taste = self._sql(tastes.delete().where(*matches(tastes, "user_id", "taste_id")))
        self.delete_rating = self._sql(ratings.delete().where(*matches(ratings, "user_id", "track_id")))
        self.delete_tastes = self._sql(tastes.delete().where(*matches(tastes, "user_id")))
        self.delete_ratings = self._sql(ratings.delete().where(*matches(ratings, "user_id")))
        self.delete_events = self._sql(feedback_log.delete().where(*matches(feedback_log, "user_id")))
        self.delete_header = self._sql(profiles.delete().where(*matches(profiles, "user_id")))


def _event(log: Any) -> tuple[ColumnElement[Any], ...]:
    """Return the columns of an event without its evidence."""
    identifiers = log.request_id, log.recommendation_id, log.recorded_at
    return log.revision, log.kind, log.track_id, log.taste_id, null(), null(), *identifiers


def _rating(log: Any) -> tuple[ColumnElement[Any], ...]:
    """Return the columns of the verdict that an event gave."""
    return log.track_id, log.kind, log.taste_id, log.features, log.genres, log.revision


def _standing(header: Iterable[ColumnElement[Any]]) -> ClauseElement:
    """Find a header, beside the event of a request_id, the verdict on a track, and each of up to two tastes."""
    known, earlier, verdict = profiles.c, feedback_log.alias("earlier"), feedback_log.alias("verdict")
    again = and_(earlier.c.user_id == known.user_id, *matches(earlier, "request_id"), earlier.c.request_id != _EMPTY)
    rated = and_(ratings.c.user_id == known.user_id, *matches(ratings, "track_id"))
    logged = and_(verdict.c.user_id == ratings.c.user_id, verdict.c.revision == ratings.c.revision)
    either = tastes.c.taste_id.in_([bindparam("taste_id"), verdict.c.taste_id])
    touched = and_(tastes.c.user_id == known.user_id, either)
    met = profiles.outerjoin(earlier, again).outerjoin(ratings, rated).outerjoin(verdict, logged)
    columns = (*header, *_event(earlier.c), *_rating(verdict.c), tastes.c.state)
    return select(*columns).select_from(met.outerjoin(tastes, touched)).where(*matches(profiles, "user_id"))


def _next_user() -> ClauseElement:
    """Find the listener after a given one, whether the log or only the profiles know them."""
    nearest = union_all(
        *(
            select(func.min(table.c.user_id).label("user_id")).where(table.c.user_id > bindparam("after"))
            for table in (feedback_log, profiles)
        )
    ).subquery()
    return select(func.min(nearest.c.user_id))
