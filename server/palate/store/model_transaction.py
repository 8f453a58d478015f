"""What happens to models within a writing transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from palate.store.connections import Connection
from palate.store.model_contract import ModelRecord, ModelState, TrainingRun
from palate.store.model_rows import record_parameters, record_value, run_parameters, storable
from palate.store.model_statements import ModelStatements
from palate.store.rows import decoding, header_value, taste_value
from palate.store.statements import Statements

__all__ = ["InService", "KeptArtifact", "ModelTransaction"]


@dataclass(frozen=True, slots=True)
class InService:
    """The model that the serving version of a taste names, as far as moving the serving version needs it.

    Attributes:
        version: The model.
        previous: The version that served before; or empty.
        broken: Whether it could not be loaded.
        labels_revision: The profile's revision up to which its labels reach.
        pinned: Whether training may not replace it.
    """

    version: str
    previous: str
    broken: bool
    labels_revision: int
    pinned: bool

    @property
    def fallback(self) -> str:
        """The version to serve when a successor cannot be loaded; or empty."""
        return self.previous if self.broken else self.version


@dataclass(frozen=True, slots=True)
class KeptArtifact:
    """A model whose artifact is still kept, and whether it is retired and pinned."""

    version: str
    retired: bool
    pinned: bool


class ModelTransaction:
    """Reads and writes models on a connection that has begun a writing transaction.

    Args:
        connection: The connection. Whoever began the transaction commits it.
        profiles: The statements about profiles.
        statements: The statements about models.
    """

    def __init__(self, connection: Connection, profiles: Statements, statements: ModelStatements) -> None:
        self._execute = connection.execute
        self._profiles = profiles
        self._statements = statements

    def record(self, version: str) -> ModelRecord | None:
        """Return what is known of a model, or None."""
        rows = self._execute(self._statements.record, {"version": version})
        return record_value(rows[0]) if rows else None

    def in_service(self, user_id: str, taste_id: str) -> InService | None:
        """Return what serves a taste, or None."""
        rows = self._execute(self._statements.in_service, {"user_id": user_id, "taste_id": taste_id})
        if not rows:
            return None
        version, previous, state, labels_revision, pinned = rows[0]
        return InService(version, previous, state == ModelState.BROKEN, labels_revision, bool(pinned))

    def kept_artifacts(self, user_id: str, taste_id: str) -> Sequence[KeptArtifact]:
        """Return the models of a taste that still have their artifacts, greatest version first."""
        rows = self._execute(self._statements.kept_artifacts, {"user_id": user_id, "taste_id": taste_id})
        return [KeptArtifact(version, state == ModelState.RETIRED, bool(pinned)) for version, state, pinned in rows]

    def lost_profile(self, run: TrainingRun) -> str:
        """Say that the profile that a run was about is not there any more, or return an empty string.

        Another generation, or one with fewer events than the run saw, is another profile.
        """
        rows = self._execute(self._profiles.header, {"user_id": run.user_id})
        if not rows:
            return "the profile was deleted meanwhile"
        header = header_value(rows[0])
        if header.generation != run.generation or header.revision < run.labels_revision:
            return "the profile was deleted and begun anew meanwhile"
        return ""

    def lost_taste(self, record: ModelRecord) -> str:
        """Say that the taste that a model was trained on is not there any more, or return an empty string."""
        if not record.taste_id:
            return ""
        key = {"user_id": record.user_id, "taste_id": record.taste_id}
        rows = self._execute(self._profiles.taste, key)
        if not rows:
            return f"the taste {record.taste_id!r} was deleted meanwhile"
        with decoding(record.user_id):
            reopened = taste_value(rows[0]).opened > record.labels_revision
        return f"the taste {record.taste_id!r} was deleted and opened anew meanwhile" if reopened else ""

    def add(self, record: ModelRecord) -> None:
        """Write a record. ValueError when there is one of that version."""
        self._execute(self._statements.put_record, record_parameters(record))

    def add_artifact(self, record: ModelRecord, artifact: bytes) -> None:
        """Write the artifact of a record."""
        key = {"version": record.version, "user_id": record.user_id, "taste_id": record.taste_id}
        self._execute(self._statements.put_artifact, key | {"onnx": artifact})

    def add_run(self, run: TrainingRun) -> None:
        """Write a run. ValueError when there is one of that run_id."""
        self._execute(self._statements.put_run, run_parameters(run))

    def replace(self, serving: InService | None, record: ModelRecord, previous: str) -> None:
        """Let a model serve in the place of another, so that readers of the header see that something changed."""
        if serving is not None:
            self.retire(serving.version)
        key = {"user_id": record.user_id, "taste_id": record.taste_id}
        self._execute(self._statements.put_serving_version, key | {"version": record.version, "previous": previous})
        self._execute(self._statements.serve, {"version": record.version})
        self._execute(self._statements.count_swap, {"user_id": record.user_id})

    def retire(self, version: str) -> None:
        """Let a model serve no longer; one that is broken stays so."""
        self._execute(self._statements.retire, {"version": version})

    def mark_broken(self, version: str, reason: str) -> None:
        """Note that a model which serves or served cannot be loaded; the first reason stays."""
        self._execute(self._statements.mark_broken, {"version": version, "reason": storable(reason)})

    def pin(self, version: str, *, pinned: bool) -> None:
        """Write whether a model is pinned."""
        self._execute(self._statements.pin, {"version": version, "pinned": pinned})

    def drop_artifacts(self, versions: Iterable[str]) -> None:
        """Delete artifacts, not their records."""
        for version in versions:
            self._execute(self._statements.delete_artifact, {"version": version})

    def withdraw(self, user_id: str, taste_id: str) -> None:
        """Let no model serve a taste; the one that did is retired."""
        if (serving := self.in_service(user_id, taste_id)) is None:
            return
        self.retire(serving.version)
        self._execute(self._statements.delete_serving_version, {"user_id": user_id, "taste_id": taste_id})
        self._execute(self._statements.count_swap, {"user_id": user_id})

    def knows(self, user_id: str) -> bool:
        """Return whether there is any model or run of a listener; no model is without a run."""
        return self._execute(self._statements.first_run, {"user_id": user_id}) != [(None,)]

    def forget(self, user_id: str) -> None:
        """Delete all models and runs of a listener."""
        sql = self._statements
        for deletion in (sql.delete_serving_versions, sql.delete_artifacts, sql.delete_records, sql.delete_runs):
            self._execute(deletion, {"user_id": user_id})
