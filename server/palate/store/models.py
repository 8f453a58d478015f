"""The models over SQL."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Final, NamedTuple

from palate.domain.profile import Taste
from palate.errors import NotFound
from palate.store.contract import Header, Metric, ModelRecord, ModelState, ServingVersion, TrainingRun
from palate.store.database import Connection, Row
from palate.store.sql import ConnectionPool, compiled, decoding
from palate.store.statements import Statements

__all__ = ["OTHER_ARTIFACTS", "RETIRED_ARTIFACTS", "SqlModels"]

RETIRED_ARTIFACTS: Final = 4
"""How many retired models of a taste retain their artifacts, so that it can be rolled back to them."""

OTHER_ARTIFACTS: Final = 1
"""How many rejected or broken models of a taste retain their artifacts, so that they can be examined."""

_GREATEST: Final = "\U0010ffff"
"""Sorts behind every version and run_id."""

_RECORD: Final = tuple(field.name for field in fields(ModelRecord))
_RUN: Final = tuple(field.name for field in fields(TrainingRun))


class SqlModels:
    """A `palate.store.contract.ModelStore` in a SQL database whose tables are up to date.

    Besides what serves, each taste retains the artifacts of its last `RETIRED_ARTIFACTS` retired and
    `OTHER_ARTIFACTS` other models, and those that are pinned. The records of the others stay, with size and hash.

    Args:
        pool: Connections to the database.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._statements = compiled(pool.database.dialect)

    def serving_versions(self, user_id: str) -> Mapping[str, ServingVersion]:
        """Return what serves each taste of a listener, by taste_id. One read."""
        rows = self._pool.read(self._statements.serving_versions, {"user_id": user_id})
        return {row[0]: ServingVersion(*row) for row in rows}

    def artifact(self, version: str) -> bytes | None:
        """Return a model's ONNX file, or None when there is no such model or its file was deleted."""
        rows = self._pool.read(self._statements.artifact, {"version": version})
        return bytes(rows[0][0]) if rows else None

    def record(self, version: str) -> ModelRecord | None:
        """Return what is known of a model, or None."""
        rows = self._pool.read(self._statements.record, {"version": version})
        return _record(rows[0]) if rows else None

    def records(
        self, user_id: str = "", taste_id: str | None = None, before: str = "", limit: int = 100
    ) -> Sequence[ModelRecord]:
        """Return models, greatest version first: of one listener or all, of one taste or all, below a version."""
        if taste_id is None:
            sql = self._statements.records_of_user if user_id else self._statements.records
        else:
            sql = self._statements.records_of_user_and_taste if user_id else self._statements.records_of_taste
        wanted = {"user_id": user_id, "taste_id": taste_id, "before": before or _GREATEST, "limit": limit}
        return [_record(row) for row in self._pool.read(sql, wanted)]

    def publish(self, record: ModelRecord, artifact: bytes, run: TrainingRun) -> str:
        """Write a model in state SERVING with its run, let it serve, and retire the one before, in one step."""
        with self._transaction() as transaction:
            if lost := transaction.lost_profile(run):
                return lost
            serving = transaction.serving(record.user_id, record.taste_id)
            refusal = transaction.lost_taste(record) or _may_not_replace(serving, record)
            state = ModelState.REJECTED if refusal else ModelState.SERVING
            transaction.add(replace(record, state=state, reason=refusal), artifact, replace(run, reason=refusal))
            if not refusal:
                transaction.serve(record, serving.fallback if serving else "")
            transaction.delete_old_artifacts(record)
        return refusal

    def reject(self, record: ModelRecord, artifact: bytes, run: TrainingRun) -> None:
        """Write a model that did not win, in state REJECTED with its reason, with its run."""
        with self._transaction() as transaction:
            if not transaction.lost_profile(run):
                rejected = replace(record, state=ModelState.REJECTED)
                transaction.add(rejected, artifact, replace(run, reason=run.reason or record.reason))
                transaction.delete_old_artifacts(record)

    def log_run(self, run: TrainingRun) -> None:
        """Write a run without a model."""
        with self._transaction() as transaction:
            if not transaction.lost_profile(run):
                transaction.add_run(run)

    def withdraw(self, run: TrainingRun) -> str:
        """Let no model serve the run's taste any longer, and write the run, in one step."""
        with self._transaction() as transaction:
            if lost := transaction.lost_profile(run):
                return lost
            refusal = _may_not_withdraw(transaction.serving(run.user_id, run.taste_id), run)
            transaction.add_run(replace(run, reason=refusal or run.reason))
            if not refusal:
                transaction.withdraw(run)
        return refusal

    def mark_broken(self, version: str, reason: str) -> None:
        """Say that a published model could not be loaded; its serving version stays until it is replaced."""
        with self._pool.transaction() as connection:
            connection.execute(self._statements.mark_broken, {"version": version, "reason": _storable(reason)})

    def rollback(self, user_id: str, taste_id: str, version: str = "") -> ModelRecord:
        """Let a retired model serve a taste again, the one that served before when no version is named."""
        with self._transaction() as transaction:
            serving = transaction.serving(user_id, taste_id)
            retired = [stored.version for stored in transaction.artifacts(user_id, taste_id) if stored.retired]
            wanted = version or _next_at_most(serving.previous if serving else _GREATEST, retired)
            if not wanted:
                raise NotFound(
                    "model", f"{user_id}/{taste_id or '(common)'}", "cannot be rolled back: there is no earlier one"
                )
            record = transaction.record(wanted)
            if record is None or (record.user_id, record.taste_id) != (user_id, taste_id):
                raise NotFound("model", wanted)
            if record.state is not ModelState.SERVING:
                _refuse_what_cannot_serve(record, retired, transaction.lost_taste(record))
                transaction.serve(record, next((other for other in retired if other < wanted), ""))
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
        wanted = {"user_id": user_id, "before": before or _GREATEST, "limit": limit}
        return [TrainingRun(*row) for row in self._pool.read(sql, wanted)]

    def last_runs(self, user_id: str) -> Mapping[str, TrainingRun]:
        """Return the last run of each taste of a listener, by taste_id."""
        runs = [TrainingRun(*row) for row in self._pool.read(self._statements.last_runs, {"user_id": user_id})]
        return {run.taste_id: run for run in runs}

    @contextmanager
    def _transaction(self) -> Iterator["_ModelTransaction"]:
        """Open a writing transaction. Durable when the block ends; undone when it raises."""
        with self._pool.transaction() as connection:
            yield _ModelTransaction(connection, self._statements)


class _Serving(NamedTuple):
    """The model that serves a taste, as far as replacing it needs it."""

    version: str
    previous: str
    state: int
    labels_revision: int
    pinned: bool

    @property
    def fallback(self) -> str:
        """The version to serve when a successor cannot be loaded; or empty."""
        return self.previous if self.state == ModelState.BROKEN else self.version


class _StoredArtifact(NamedTuple):
    """A model whose artifact is stored."""

    version: str
    state: int
    pinned: bool

    @property
    def retired(self) -> bool:
        return self.state == ModelState.RETIRED


class _ModelTransaction:
    """Reads and writes models on a connection that has begun a writing transaction."""

    def __init__(self, connection: Connection, statements: Statements) -> None:
        self._execute = connection.execute
        self._statements = statements

    def record(self, version: str) -> ModelRecord | None:
        """Return what is known of a model, or None."""
        rows = self._execute(self._statements.record, {"version": version})
        return _record(rows[0]) if rows else None

    def serving(self, user_id: str, taste_id: str) -> _Serving | None:
        """Return what serves a taste, or None."""
        rows = self._execute(self._statements.serving, {"user_id": user_id, "taste_id": taste_id})
        return _Serving(*rows[0]) if rows else None

    def artifacts(self, user_id: str, taste_id: str) -> Sequence[_StoredArtifact]:
        """Return the models of a taste whose artifacts are stored, greatest version first."""
        rows = self._execute(self._statements.artifacts_of_taste, {"user_id": user_id, "taste_id": taste_id})
        return [_StoredArtifact(*row) for row in rows]

    def lost_profile(self, run: TrainingRun) -> str:
        """Say that the profile that a run was about is gone, or return an empty string.

        Another generation, or one with fewer events than the run saw, is another profile.
        """
        rows = self._execute(self._statements.header, {"user_id": run.user_id})
        if not rows:
            return "the profile was deleted meanwhile"
        header = Header(*rows[0])
        if header.generation != run.generation or header.revision < run.labels_revision:
            return "the profile was deleted and created again meanwhile"
        return ""

    def lost_taste(self, record: ModelRecord) -> str:
        """Say that the taste that a model was trained on is gone, or return an empty string."""
        if not record.taste_id:
            return ""
        key = {"user_id": record.user_id, "taste_id": record.taste_id}
        rows = self._execute(self._statements.taste, key)
        if not rows:
            return f"the taste {record.taste_id!r} was deleted meanwhile"
        with decoding(f"the taste {record.taste_id!r} of {record.user_id!r}", "run `palate profile rebuild USER`"):
            opened = Taste.from_bytes(rows[0][0]).opened
        if opened > record.labels_revision:
            return f"the taste {record.taste_id!r} was deleted and opened again meanwhile"
        return ""

    def add(self, record: ModelRecord, artifact: bytes, run: TrainingRun) -> None:
        """Write a record, its artifact and its run. ValueError when there is one of that version or run_id."""
        self._execute(self._statements.put_record, _record_parameters(record))
        key = {"version": record.version, "user_id": record.user_id, "taste_id": record.taste_id}
        self._execute(self._statements.put_artifact, key | {"onnx": artifact})
        self.add_run(replace(run, model_version=record.version))

    def add_run(self, run: TrainingRun) -> None:
        """Write a run. ValueError when there is one of that run_id."""
        columns = {name: getattr(run, name) for name in _RUN}
        self._execute(self._statements.put_run, columns | {"reason": _storable(run.reason)})

    def serve(self, record: ModelRecord, previous: str) -> None:
        """Retire the model that serves a taste, unless it is broken, and let another one serve."""
        key = {"user_id": record.user_id, "taste_id": record.taste_id}
        self._execute(self._statements.retire, key)
        self._execute(self._statements.put_serving_version, key | {"version": record.version, "previous": previous})
        self._execute(self._statements.serve, {"version": record.version})
        self._execute(self._statements.count_swap, {"user_id": record.user_id})

    def withdraw(self, run: TrainingRun) -> None:
        """Retire the model that serves a run's taste, unless it is broken, and let none serve."""
        sql = self._statements
        for statement in (sql.retire, sql.count_withdrawal, sql.delete_serving_version):
            self._execute(statement, {"user_id": run.user_id, "taste_id": run.taste_id})

    def pin(self, version: str, *, pinned: bool) -> None:
        """Write whether a model is pinned."""
        self._execute(self._statements.pin, {"version": version, "pinned": pinned})

    def delete_old_artifacts(self, record: ModelRecord) -> None:
        """Delete those artifacts of a model's taste that are not to be retained."""
        serving = self.serving(record.user_id, record.taste_id)
        needed = {serving.version, serving.previous} if serving else set()
        stored = [artifact for artifact in self.artifacts(record.user_id, record.taste_id) if not artifact.pinned]
        retired = [artifact.version for artifact in stored if artifact.retired]
        others = [artifact.version for artifact in stored if not artifact.retired and artifact.version not in needed]
        for version in {*retired[RETIRED_ARTIFACTS:], *others[OTHER_ARTIFACTS:]} - needed:
            self._execute(self._statements.delete_artifact, {"version": version})


def _may_not_replace(serving: _Serving | None, challenger: ModelRecord) -> str:
    """Say why training may not replace the model that serves, or return an empty string.

    Of two trainers at once the one with later labels wins, and with the same labels the later model, in whatever
    order they publish.
    """
    if serving is None:
        return ""
    if serving.pinned:
        return _pinned(serving)
    newer = (serving.labels_revision, serving.version) > (challenger.labels_revision, challenger.version)
    return _newer(serving) if newer else ""


def _may_not_withdraw(serving: _Serving | None, run: TrainingRun) -> str:
    """Say why the model that serves may not be withdrawn, or return an empty string."""
    if serving is None:
        return "no model serves the taste"
    if serving.pinned:
        return _pinned(serving)
    return _newer(serving) if serving.labels_revision > run.labels_revision else ""


def _pinned(serving: _Serving) -> str:
    return f"the serving model, {serving.version}, is pinned"


def _newer(serving: _Serving) -> str:
    return f"another trainer was quicker: the serving model, {serving.version}, is newer"


def _next_at_most(version: str, versions: Sequence[str]) -> str:
    """Return the first of some versions, greatest first, that is not above a version; or an empty string."""
    return next((other for other in versions if other <= version), "")


def _refuse_what_cannot_serve(record: ModelRecord, retired: Sequence[str], lost_taste: str) -> None:
    """Raise NotFound for a model that cannot be rolled back to, saying why."""
    why = lost_taste and f"cannot be rolled back to: {lost_taste}"
    if record.state is not ModelState.RETIRED:
        why = f"is {record.state.name.lower()}; only one that served before can be rolled back to"
    elif record.version not in retired:
        why = (
            f"cannot be rolled back to: its file was deleted; a taste retains those of its last {RETIRED_ARTIFACTS} "
            f"retired models"
        )
    if why:
        raise NotFound("model", record.version, why)


def _record(row: Row) -> ModelRecord:
    """Read a row of the table `models`."""
    columns = dict(zip(_RECORD, row, strict=True))
    remedy = "restore a backup, or delete its row of the table `models`"
    with decoding(f"the stored record of model {columns['version']!r}", remedy):
        metrics = tuple(Metric(*metric) for metric in json.loads(columns["metrics"]))
        state, pinned = ModelState(columns["state"]), bool(columns["pinned"])
        return ModelRecord(**columns | {"metrics": metrics, "state": state, "pinned": pinned})


def _record_parameters(record: ModelRecord) -> dict[str, object]:
    """Return the parameters of `Statements.put_record`."""
    columns = {name: getattr(record, name) for name in _RECORD}
    metrics = [[metric.name, metric.value, metric.ranking_value, metric.serving_value] for metric in record.metrics]
    text = json.dumps(metrics, ensure_ascii=False)
    return columns | {"metrics": text, "state": int(record.state), "reason": _storable(record.reason)}


def _storable(reason: str) -> str:
    """Make a NUL character visible, which a library's error may quote and not every database takes."""
    return reason.replace("\0", "\N{SYMBOL FOR NULL}")
