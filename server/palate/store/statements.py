"""Every statement, compiled once for a dialect.

Executing statements through SQLAlchemy would take several times as long as SQLite needs to answer them, so that the
text of each goes to the driver directly.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Dialect,
    FromClause,
    LargeBinary,
    Table,
    and_,
    bindparam,
    cast,
    exists,
    func,
    literal_column,
    null,
    select,
    union_all,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ClauseElement

from palate.store.contract import ModelState
from palate.store.schema import (
    feedback_log,
    model_artifacts,
    models,
    profiles,
    ratings,
    secrets,
    serving_versions,
    tastes,
    training_runs,
)

__all__ = ["Statements"]

_INSERTS: Final[Mapping[str, Callable[[Table], Any]]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}

_EMPTY: Final[ColumnElement[str]] = literal_column("''")
"""Written out, so that the database sees that the partial index on request_id answers the query."""

_ZERO: Final[ColumnElement[int]] = literal_column("0")
"""Written out, because SQLite's dialect adds an offset to every limit, as a parameter of its own naming."""

_SERVING: Final[ColumnElement[int]] = literal_column(str(int(ModelState.SERVING)))
_RETIRED: Final[ColumnElement[int]] = literal_column(str(int(ModelState.RETIRED)))
_BROKEN: Final[ColumnElement[int]] = literal_column(str(int(ModelState.BROKEN)))


class Statements:
    """The statements as SQL text. Their parameters are named, and called like the columns.

    Models and runs are read as whole rows, in the order of their tables' columns.

    Args:
        dialect: The database's dialect of SQL. Its paramstyle must be one with names.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._add_reads_of_profiles()
        self._add_writes_of_profiles()
        self._add_reads_of_models()
        self._add_lists_of_models()
        self._add_writes_of_models()
        self._add_deletions()

    def _add_reads_of_profiles(self) -> None:
        log, profile = feedback_log.c, profiles.c
        created = (profile.created_at, profile.models_revision, profile.generation)
        header = (profile.revision, profile.feature_map, *created)
        self.header = self._sql(select(*header).where(*_matches(profiles, "user_id")))
        self.tastes = self._sql(select(tastes.c.state).where(*_matches(tastes, "user_id")))
        self.taste = self._sql(select(tastes.c.state).where(*_matches(tastes, "user_id", "taste_id")))
        rated = and_(ratings.c.user_id == log.user_id, ratings.c.revision == log.revision)
        rating = select(*_rating(log)).join_from(ratings, feedback_log, rated)
        self.ratings = self._sql(rating.where(*_matches(ratings, "user_id")))
        event = _event(log, log.features, log.genres)
        later = log.revision > bindparam("after")
        events = select(*event).where(*_matches(feedback_log, "user_id"), later).order_by(log.revision)
        self.events = self._sql(events.limit(bindparam("limit")).offset(_ZERO))
        since = select(*header, *event).outerjoin_from(
            profiles, feedback_log, and_(log.user_id == profile.user_id, later)
        )
        self.since = self._sql(since.where(*_matches(profiles, "user_id")).order_by(log.revision))
        recorded = select(*_event(log, null(), null())).where(*_matches(feedback_log, "user_id", "request_id"))
        self.recorded = self._sql(recorded.where(log.request_id != _EMPTY))
        self.current = self._sql(_current(header))
        first = select(log.recorded_at).where(*_matches(feedback_log, "user_id"), log.revision == literal_column("1"))
        self.created_at = self._sql(first)
        self.next_user = self._sql(_next_user())
        self.secret = self._sql(select(secrets.c.value).where(*_matches(secrets, "name")))

    def _add_writes_of_profiles(self) -> None:
        self.put_event = self._sql(self._insert(feedback_log))
        self.put_header = self._sql(self._upsert(profiles, "revision", "feature_map"))
        feature_map = profiles.update().values(feature_map=bindparam("feature_map"))
        self.put_feature_map = self._sql(feature_map.where(*_matches(profiles, "user_id")))
        self.put_taste = self._sql(self._upsert(tastes, "state"))
        self.put_rating = self._sql(self._upsert(ratings, "revision"))
        self.put_secret = self._sql(self._insert(secrets).on_conflict_do_nothing())

    def _add_reads_of_models(self) -> None:
        serving, artifact = serving_versions.c, model_artifacts.c
        served = models.c.version == serving.version
        of_user = select(serving.taste_id, serving.version, models.c.learner, models.c.sha256, serving.previous)
        of_user = of_user.join_from(serving_versions, models, served)
        self.serving_versions = self._sql(of_user.where(*_matches(serving_versions, "user_id")))
        of_taste = select(serving.version, serving.previous, models.c.state, models.c.labels_revision, models.c.pinned)
        of_taste = of_taste.join_from(serving_versions, models, served)
        self.serving = self._sql(of_taste.where(*_matches(serving_versions, "user_id", "taste_id")))
        self.record = self._sql(select(models).where(*_matches(models, "version")))
        onnx = cast(artifact.onnx, LargeBinary)  # SQLite stores what it is given, be it text that somebody put there
        self.artifact = self._sql(select(onnx).where(*_matches(model_artifacts, "version")))
        stored = select(artifact.version, models.c.state, models.c.pinned)
        stored = stored.join_from(model_artifacts, models, models.c.version == artifact.version)
        stored = stored.where(*_matches(model_artifacts, "user_id", "taste_id"))
        self.artifacts_of_taste = self._sql(stored.order_by(artifact.version.desc()))
        first_run = select(func.min(training_runs.c.run_id)).where(*_matches(training_runs, "user_id"))
        self.first_run = self._sql(first_run)

    def _add_lists_of_models(self) -> None:
        self.records = self._below(select(models), models.c.version)
        self.records_of_user = self._below(select(models), models.c.version, "user_id")
        self.records_of_taste = self._below(select(models), models.c.version, "taste_id")
        self.records_of_user_and_taste = self._below(select(models), models.c.version, "user_id", "taste_id")
        self.runs = self._below(select(training_runs), training_runs.c.run_id)
        self.runs_of_user = self._below(select(training_runs), training_runs.c.run_id, "user_id")
        last = select(func.max(training_runs.c.run_id)).where(*_matches(training_runs, "user_id"))
        last = last.group_by(training_runs.c.taste_id)
        self.last_runs = self._sql(select(training_runs).where(training_runs.c.run_id.in_(last)))

    def _add_writes_of_models(self) -> None:
        self.put_record = self._sql(self._insert(models))
        self.put_artifact = self._sql(self._insert(model_artifacts))
        self.put_run = self._sql(self._insert(training_runs))
        self.put_serving_version = self._sql(self._upsert(serving_versions, "version", "previous"))
        one = models.update().where(*_matches(models, "version"))
        self.serve = self._sql(one.values(state=_SERVING))
        self.pin = self._sql(one.values(pinned=bindparam("pinned")))
        published = models.c.state.in_([_SERVING, _RETIRED])
        self.mark_broken = self._sql(one.where(published).values(state=_BROKEN, reason=bindparam("reason")))
        of_taste = _matches(serving_versions, "user_id", "taste_id")
        version = select(serving_versions.c.version).where(*of_taste)
        retired = models.update().where(models.c.version.in_(version), models.c.state == _SERVING)
        self.retire = self._sql(retired.values(state=_RETIRED))
        swap = profiles.update().values(models_revision=profiles.c.models_revision + literal_column("1"))
        swap = swap.where(*_matches(profiles, "user_id"))
        self.count_swap = self._sql(swap)
        self.count_withdrawal = self._sql(swap.where(exists(version)))
        self.delete_serving_version = self._sql(serving_versions.delete().where(*of_taste))
        self.delete_artifact = self._sql(model_artifacts.delete().where(*_matches(model_artifacts, "version")))

    def _add_deletions(self) -> None:
        self.delete_taste = self._sql(tastes.delete().where(*_matches(tastes, "user_id", "taste_id")))
        self.delete_rating = self._sql(ratings.delete().where(*_matches(ratings, "user_id", "track_id")))
        self.delete_tastes = self._of_user(tastes)
        self.delete_ratings = self._of_user(ratings)
        self.delete_header = self._of_user(profiles)
        self.delete_events = self._of_user(feedback_log)
        self.delete_serving_versions = self._of_user(serving_versions)
        self.delete_artifacts = self._of_user(model_artifacts)
        self.delete_records = self._of_user(models)
        self.delete_runs = self._of_user(training_runs)

    def _insert(self, table: Table) -> Any:
        return _INSERTS[self._dialect.name](table)

    def _upsert(self, table: Table, *columns: str) -> Any:
        """Insert a row, or set some columns of the row that has its key."""
        insert = self._insert(table)
        return insert.on_conflict_do_update(
            index_elements=list(table.primary_key.columns), set_={name: insert.excluded[name] for name in columns}
        )

    def _below(self, rows: Any, key: Column[str], *columns: str) -> str:
        """Return rows with a key below `before`, greatest first, at most `limit`."""
        rows = rows.where(*_matches(key.table, *columns), key < bindparam("before")).order_by(key.desc())
        return self._sql(rows.limit(bindparam("limit")).offset(_ZERO))

    def _of_user(self, table: Table) -> str:
        """Delete all rows of a listener."""
        return self._sql(table.delete().where(*_matches(table, "user_id")))

    def _sql(self, statement: ClauseElement) -> str:
        return str(statement.compile(dialect=self._dialect))


def _matches(table: FromClause, *columns: str) -> list[ColumnElement[bool]]:
    """Compare columns with the parameters of their names."""
    return [table.c[column] == bindparam(column) for column in columns]


def _event(log: Any, features: ColumnElement[Any], genres: ColumnElement[Any]) -> tuple[ColumnElement[Any], ...]:
    """Return the columns of an event, with those of its recorded track or others instead."""
    identifiers = log.request_id, log.recommendation_id, log.recorded_at
    return log.revision, log.kind, log.track_id, log.taste_id, features, genres, *identifiers


def _rating(log: Any) -> tuple[ColumnElement[Any], ...]:
    """Return the columns of the rating that an event made."""
    return log.track_id, log.kind, log.taste_id, log.features, log.genres, log.revision


def _current(header: Iterable[ColumnElement[Any]]) -> ClauseElement:
    """Find a header, beside the event of a request_id, the rating of a track, and each of up to two tastes."""
    profile, earlier, rated = profiles.c, feedback_log.alias("earlier"), feedback_log.alias("rated")
    same = and_(earlier.c.user_id == profile.user_id, *_matches(earlier, "request_id"), earlier.c.request_id != _EMPTY)
    rating = and_(ratings.c.user_id == profile.user_id, *_matches(ratings, "track_id"))
    line = and_(rated.c.user_id == ratings.c.user_id, rated.c.revision == ratings.c.revision)
    either = tastes.c.taste_id.in_([bindparam("taste_id"), rated.c.taste_id])
    touched = and_(tastes.c.user_id == profile.user_id, either)
    found = profiles.outerjoin(earlier, same).outerjoin(ratings, rating).outerjoin(rated, line)
    columns = (*header, *_event(earlier.c, null(), null()), *_rating(rated.c), tastes.c.state)
    return select(*columns).select_from(found.outerjoin(tastes, touched)).where(*_matches(profiles, "user_id"))


def _next_user() -> ClauseElement:
    """Find the listener after a given one, whether the log or only the profiles know them."""
    nearest = union_all(
        *(
            select(func.min(table.c.user_id).label("user_id")).where(table.c.user_id > bindparam("after"))
            for table in (feedback_log, profiles)
        )
    ).subquery()
    return select(func.min(nearest.c.user_id))
