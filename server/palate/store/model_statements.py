"""Every statement about models and training runs, compiled once for a dialect."""

from typing import Any

from sqlalchemy import Column, Dialect, LargeBinary, bindparam, cast, func, literal_column, select

from palate.store.compiled import ZERO, CompiledStatements, matches
from palate.store.model_contract import ModelState
from palate.store.schema import model_artifacts, models, profiles, serving_versions, training_runs

__all__ = ["ModelStatements"]


class ModelStatements(CompiledStatements):
    """The statements as SQL text. Records and runs come as whole rows, in the order of the tables' columns."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect)
        self._add_reads()
        self._add_lists()
        self._add_writes()
        self._add_deletions()

    def _add_reads(self) -> None:
        serving, kept = serving_versions.c, model_artifacts.c
        of_user = (
            select(serving.taste_id, serving.version, models.c.learner, models.c.sha256, serving.previous)
            .join_from(serving_versions, models, models.c.version == serving.version)
            .where(*matches(serving_versions, "user_id"))
        )
        self.serving_versions = self._sql(of_user)
        in_service = (
            select(serving.version, serving.previous, models.c.state, models.c.labels_revision, models.c.pinned)
            .join_from(serving_versions, models, models.c.version == serving.version)
            .where(*matches(serving_versions, "user_id", "taste_id"))
        )
        self.in_service = self._sql(in_service)
        self.record = self._sql(select(models).where(*matches(models, "version")))
        onnx = cast(kept.onnx, LargeBinary)  # SQLite keeps what it is given, be it text that somebody put there
        self.artifact = self._sql(select(onnx).where(*matches(model_artifacts, "version")))
        kept_artifacts = (
            select(kept.version, models.c.state, models.c.pinned)
            .join_from(model_artifacts, models, models.c.version == kept.version)
            .where(*matches(model_artifacts, "user_id", "taste_id"))
        )
        self.kept_artifacts = self._sql(kept_artifacts.order_by(kept.version.desc()))
        first_run = select(func.min(training_runs.c.run_id)).where(*matches(training_runs, "user_id"))
        self.first_run = self._sql(first_run)

    def _add_lists(self) -> None:
        self.records = self._below(select(models), models.c.version)
        self.records_of_user = self._below(select(models), models.c.version, "user_id")
        self.records_of_taste = self._below(select(models), models.c.version, "taste_id")
        self.records_of_user_and_taste = self._below(select(models), models.c.version, "user_id", "taste_id")
        self.runs = self._below(select(training_runs), training_runs.c.run_id)
        self.runs_of_user = self._below(select(training_runs), training_runs.c.run_id, "user_id")
        last = select(func.max(training_runs.c.run_id)).where(*matches(training_runs, "user_id"))
        last = last.group_by(training_runs.c.taste_id)
        self.last_runs = self._sql(select(training_runs).where(training_runs.c.run_id.in_(last)))

    def _add_writes(self) -> None:
        self.put_record = self._sql(self._insert(models))
        self.put_artifact = self._sql(self._insert(model_artifacts))
        self.put_run = self._sql(self._insert(training_runs))
        self.put_serving_version = self._sql(self._upsert(serving_versions, "version", "previous"))
        one = models.update().where(*matches(models, "version"))
        serving, retired, broken = ModelState.SERVING, ModelState.RETIRED, ModelState.BROKEN
        self.serve = self._sql(one.values(state=_number(serving)))
        self.retire = self._sql(one.where(models.c.state == _number(serving)).values(state=_number(retired)))
        self.pin = self._sql(one.values(pinned=bindparam("pinned")))
        served = models.c.state.in_([_number(serving), _number(retired)])
        self.mark_broken = self._sql(one.where(served).values(state=_number(broken), reason=bindparam("reason")))
        swap = profiles.update().values(models_revision=profiles.c.models_revision + literal_column("1"))
        self.count_swap = self._sql(swap.where(*matches(profiles, "user_id")))

    def _add_deletions(self) -> None:
        self.delete_artifact = self._sql(model_artifacts.delete().where(*matches(model_artifacts, "version")))
        self.delete_serving_version = self._sql(
            serving_versions.delete().where(*matches(serving_versions, "user_id", "taste_id"))
        )
        self.delete_serving_versions = self._sql(serving_versions.delete().where(*matches(serving_versions, "user_id")))
        self.delete_artifacts = self._sql(model_artifacts.delete().where(*matches(model_artifacts, "user_id")))
        self.delete_records = self._sql(models.delete().where(*matches(models, "user_id")))
        self.delete_runs = self._sql(training_runs.delete().where(*matches(training_runs, "user_id")))

    def _below(self, rows: Any, key: Column[str], *columns: str) -> str:
        """Return rows with a key below `before`, greatest first, at most `limit`."""
        rows = rows.where(*matches(key.table, *columns), key < bindparam("before")).order_by(key.desc())
        return self._sql(rows.limit(bindparam("limit")).offset(ZERO))


def _number(state: ModelState) -> Any:
    """Write a state out, as parameters are for what callers say."""
    return literal_column(str(int(state)))
