"""The models over SQL."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from palate.errors import NotFound
from palate.store.connections import Connections
from palate.store.model_contract import ModelRecord, ModelState, ServingVersion, TrainingRun
from palate.store.model_rows import record_value, run_value
from palate.store.model_statements import ModelStatements
from palate.store.model_transaction import InService, ModelTransaction
from palate.store.rows import Row
from palate.store.statements import Statements

__all__ = ["KEPT_OTHERS", "KEPT_RETIRED", "SqlModels"]

KEPT_RETIRED: Final = 4
"""How many retired models of a taste keep their artifacts, so that it can be rolled back to them."""

KEPT_OTHERS: Final = 1
"""How many rejected or broken models of a taste keep their artifacts, so that they can be looked into."""

_GREATEST: Final = "\U0010ffff"
"""Sorts behind every version and run_id."""


class SqlModels:
    """A `palate.store.model_contract.ModelStore` in a SQL database whose tables are up to date.

    Besides what serves, each taste keeps the artifacts of its last `KEPT_RETIRED` retired and `KEPT_OTHERS` other
    models, and those that are pinned. The records of the others stay, with size and hash.

    Args:
        connections: The connections of the store.
        profiles: The statements about profiles.
        statements: The statements about models.
    """

    def __init__(self, connections: Connections, profiles: Statements, statements: ModelStatements) -> None:
        self._connections = connections
        self._profiles = profiles
        self._statements = statements

    def serving_versions(self, user_id: str) -> Mapping[str, ServingVersion]:
        """Return what serves each taste of a listener, by taste_id. One read."""
        rows = self._read(self._statements.serving_versions, user_id=user_id)
        return {row[0]: ServingVersion(*row) for row in rows}

    def artifact(self, version: str) -> bytes | None:
        """Return a model's ONNX file, or None when there is no such model or its file is no longer kept."""
        rows = self._read(self._statements.artifact, version=version)
        return bytes(rows[0][0]) if rows else None

    def record(self, version: str) -> ModelRecord | None:
        """Return what is known of a model, or None."""
        rows = self._read(self._statements.record, version=version)
        return record_value(rows[0]) if rows else None

    def records(
        self, user_id: str = "", taste_id: str | None = None, before: str = "", limit: int = 100
    ) -> Sequence[ModelRecord]:
        """Return models, greatest version first: of one listener or all, of one taste or all, below a version."""
        if taste_id is None:
            sql = self._statements.records_of_user if user_id else self._statements.records
        else:
            sql = self._statements.records_of_user_and_taste if user_id else self._statements.records_of_taste
        rows = self._read(sql, user_id=user_id, taste_id=taste_id, before=before or _GREATEST, limit=limit)
        return [record_value(row) for row in rows]

    def publish(self, record: ModelRecord, artifact: bytes, run: TrainingRun) -> str:
        """Write a model in state SERVING with its run, let it serve, and retire the one before, in one step."""
        with self._transaction() as transaction:
            if lost := transaction.lost_profile(run):
                return lost
            serving = transaction.in_service(record.user_id, record.taste_id)
            obstacle = transaction.lost_taste(record) or _defence(serving, record)
            state = ModelState.REJECTED if obstacle else ModelState.SERVING
            record, run = replace(record, state=state, reason=obstacle), replace(run, reason=obstacle)
            _add(transaction, record, artifact, run)
            if not obstacle:
                transaction.replace(serving, record, serving.fallback if serving else "")
            _drop_old_artifacts(transaction, record)
        return obstacle

    def reject(self, record: ModelRecord, artifact: bytes, run: TrainingRun) -> None:
        """Keep a model that did not win, in state REJECTED with its reason, with its run."""
        with self._transaction() as transaction:
            if not transaction.lost_profile(run):
                rejected = replace(record, state=ModelState.REJECTED)
                _add(transaction, rejected, artifact, replace(run, reason=run.reason or record.reason))
                _drop_old_artifacts(transaction, record)

    def log_run(self, run: TrainingRun) -> None:
        """Keep a run without a model."""
        with self._transaction() as transaction:
            if not transaction.lost_profile(run):
                transaction.add_run(run)

    def withdraw(self, run: TrainingRun) -> str:
        """Take what serves the run's taste out of service, with the run, in one step."""
        with self._transaction() as transaction:
            if lost := transaction.lost_profile(run):
                return lost
            serving = transaction.in_service(run.user_id, run.taste_id)
            obstacle = _staying(serving, run)
            transaction.add_run(replace(run, reason=obstacle or run.reason))
            if not obstacle:
                transaction.withdraw(run.user_id, run.taste_id)
        return obstacle

    def mark_broken(self, version: str, reason: str) -> None:
        """Say that a published model could not be loaded; its serving version stays until it is replaced."""
        with self._transaction() as transaction:
            transaction.mark_broken(version, reason)

    def rollback(self, user_id: str, taste_id: str, version: str = "") -> ModelRecord:
        """Let a retired model serve a taste again, the one that served before when no version is named."""
        with self._transaction() as transaction:
            serving = transaction.in_service(user_id, taste_id)
            retired = [kept.version for kept in transaction.kept_artifacts(user_id, taste_id) if kept.retired]
            wanted = version or _next_at_most(serving.previous if serving else _GREATEST, retired)
            if not wanted:
                raise NotFound(
                    "model", f"{user_id}/{taste_id or '(common)'}", "cannot be rolled back: no earlier one is kept"
                )
            record = transaction.record(wanted)
            if record is None or (record.user_id, record.taste_id) != (user_id, taste_id):
                raise NotFound("model", wanted)
            if record.state is not ModelState.SERVING:
                _refuse_what_cannot_serve(record, retired, transaction.lost_taste(record))
                earlier = [other for other in retired if other < wanted]
                transaction.replace(serving, record, earlier[0] if earlier else "")
        return replace(record, state=ModelState.SERVING)

    def pin(self, version: str, *, pinned: bool) -> ModelRecord:
        """Let training not replace a model, or let it again. NotFound when there is no such model."""
        with self._transaction() as transaction:
            record = transaction.record(version)
            if record is None:
                raise NotFound("model", version)
            transaction.pin(version, pinned=pinned)
        return replace(record, pinned=pinned)

    def runs(self, user_id: str = "", before: str = "", limit: int = 100) -> Sequence[TrainingRun]:
        """Return training runs, greatest run_id first: of one listener or all, below a run_id."""
        sql = self._statements.runs_of_user if user_id else self._statements.runs
        rows = self._read(sql, user_id=user_id, before=before or _GREATEST, limit=limit)
        return [run_value(row) for row in rows]

    def last_runs(self, user_id: str) -> Mapping[str, TrainingRun]:
        """Return the last run of each taste of a listener, by taste_id."""
        runs = [run_value(row) for row in self._read(self._statements.last_runs, user_id=user_id)]
        return {run.taste_id: run for run in runs}

    def _read(self, sql: str, **parameters: object) -> list[Row]:
        with self._connections.lend() as connection:
            return connection.execute(sql, parameters)

    @contextmanager
    def _transaction(self) -> Iterator[ModelTransaction]:
        """Open a writing transaction. Durable when the block ends; undone when it raises."""
        with self._connections.lend_to_write() as connection:
            yield ModelTransaction(connection, self._profiles, self._statements)
            connection.commit()


def _defence(serving: InService | None, challenger: ModelRecord) -> str:
    """Say why training may not replace the model in service, or return an empty string.

    Of two trainers at once the one with later labels wins, and with the same labels the later model, in whatever
    order they come to publish.
    """
    if serving is None:
        return ""
    if serving.pinned:
        return _pinned(serving)
    newer = (serving.labels_revision, serving.version) > (challenger.labels_revision, challenger.version)
    return _quicker(serving) if newer else ""


def _staying(serving: InService | None, run: TrainingRun) -> str:
    """Say why what serves may not be taken out of service, or return an empty string."""
    if serving is None:
        return "no model serves the taste"
    if serving.pinned:
        return _pinned(serving)
    return _quicker(serving) if serving.labels_revision > run.labels_revision else ""


def _pinned(serving: InService) -> str:
    return f"the model in service, {serving.version}, is pinned"


def _quicker(serving: InService) -> str:
    return f"another training was quicker: the model in service, {serving.version}, is newer"


def _add(transaction: ModelTransaction, record: ModelRecord, artifact: bytes, run: TrainingRun) -> None:
    transaction.add(record)
    transaction.add_artifact(record, artifact)
    transaction.add_run(replace(run, model_version=record.version))


def _drop_old_artifacts(transaction: ModelTransaction, record: ModelRecord) -> None:
    """Delete the artifacts of a model's taste that are no longer kept."""
    serving = transaction.in_service(record.user_id, record.taste_id)
    needed = {serving.version, serving.previous} if serving else set()
    kept = [artifact for artifact in transaction.kept_artifacts(record.user_id, record.taste_id) if not artifact.pinned]
    retired = [artifact.version for artifact in kept if artifact.retired]
    others = [artifact.version for artifact in kept if not artifact.retired and artifact.version not in needed]
    transaction.drop_artifacts({*retired[KEPT_RETIRED:], *others[KEPT_OTHERS:]} - needed)


def _next_at_most(version: str, versions: Sequence[str]) -> str:
    """Return the first of some versions, greatest first, that is not above a version; or an empty string."""
    return next((other for other in versions if other <= version), "")


def _refuse_what_cannot_serve(record: ModelRecord, kept: Sequence[str], lost_taste: str) -> None:
    """Raise NotFound for a model that cannot be rolled back to, saying why."""
    why = lost_taste and f"cannot be rolled back to: {lost_taste}"
    if record.state is not ModelState.RETIRED:
        why = f"is {record.state.name.lower()}; only one that served before can be rolled back to"
    elif record.version not in kept:
        why = f"cannot be rolled back to: a taste keeps the files of its last {KEPT_RETIRED} retired models only"
    if why:
        raise NotFound("model", record.version, why)
