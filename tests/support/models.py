"""Model records, runs and publications for tests."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

from palate.domain.profile import EventKind
from palate.store.contract import Metric, ModelRecord, ModelState, Store, TrainingRun

from support.factories import record

__all__ = ["like", "make_artifact", "make_record", "make_run", "publish", "reject"]


def make_artifact(version: str, size: int = 100) -> bytes:
    """Return bytes that depend on the version; no ONNX file, which the store does not care about."""
    return (sha256(version.encode()).digest() * (size // 32 + 1))[:size]


def make_record(version: str, **fields: Any) -> ModelRecord:
    """Return the record of that artifact: a model of ana's metal, trained on her first label."""
    artifact = make_artifact(version)
    made = ModelRecord(
        version=version,
        user_id="ana",
        taste_id="metal",
        learner="logistic",
        state=ModelState.SERVING,
        reason="",
        metrics=(Metric("auc", 0.75, 0.5, 0.625),),
        label_count=1,
        labels_revision=1,
        size_bytes=len(artifact),
        sha256=sha256(artifact).hexdigest(),
        created_at=3000,
    )
    return replace(made, **fields)


def make_run(store: Store, record: ModelRecord, **fields: Any) -> TrainingRun:
    """Return the run that a record came from, about the generation of the profile that the store has now."""
    header = store.header(record.user_id)
    made = TrainingRun(
        run_id=f"run {record.version}",
        user_id=record.user_id,
        taste_id=record.taste_id,
        model_version=record.version,
        reason="",
        labels_revision=record.labels_revision,
        started_at=2000,
        ended_at=3000,
        generation=header.generation if header else "",
    )
    return replace(made, **fields)


def publish(store: Store, version: str, **fields: Any) -> str:
    """Publish a model and return why it was rejected."""
    made = make_record(version, **fields)
    return store.models.publish(made, make_artifact(version), make_run(store, made))


def reject(store: Store, version: str, **fields: Any) -> None:
    """Reject a model."""
    made = make_record(version, reason="ranking is better", **fields)
    store.models.reject(made, make_artifact(version), make_run(store, made))


def like(store: Store, user_id: str = "ana", taste_id: str = "metal", recorded_at: int = 1000) -> None:
    """Record one more like in a taste."""
    with store.transaction() as transaction:
        header = transaction.header(user_id)
        track_id = f"track {header.revision if header else 0}"
        record(transaction, user_id, EventKind.LIKE, track_id, taste_id, recorded_at=recorded_at)
