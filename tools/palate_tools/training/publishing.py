"""Publishing: a model goes into the store with its run, to serve or as rejected, in one transaction."""

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeVar

import structlog
from palate.errors import StoreUnavailable
from palate.plugins.learner import FittedModel
from palate.store.contract import Header, ModelRecord, ModelState, TrainingRun

from palate_tools.training.dataset import Labels
from palate_tools.training.export import export_model
from palate_tools.training.promotion import Challenger
from palate_tools.training.report import Figures, Outcome, TasteReport
from palate_tools.training.resources import Resources

__all__ = ["Publisher", "made_for", "new_run_id", "new_version"]

T = TypeVar("T")
_TIME_DIGITS: Final = 14
_MAP_DIGITS: Final = 8
_RANDOM_BYTES: Final = 4
_ATTEMPTS: Final = 5
_FIRST_WAIT_SECONDS: Final = 0.2
_WITHDRAWN: Final = "the serving model was withdrawn: it does worse on held-out feedback than what serves without it"
_log = structlog.get_logger(__name__)


class Publisher:
    """Writes what came of one listener's training.

    Every write is one transaction, tried again where the store is locked for too long. A trainer that is killed
    leaves either all of it or nothing.

    Args:
        resources: Has catalog and store.
        labels: What was trained on.
        header: That of their profile: a profile that was deleted and created again since then gets no model.
        started_at: When training began, in microseconds since 1970-01-01 UTC.
        dry_run: Whether to write nothing.
    """

    def __init__(self, resources: Resources, labels: Labels, header: Header, started_at: int, *, dry_run: bool) -> None:
        self._catalog = resources.catalog
        self._models = resources.store.models
        self._labels = labels
        self._header = header
        self._started_at = started_at
        self._dry_run = dry_run

    def publish(self, challenger: Challenger, fitted: FittedModel) -> TasteReport:
        """Export and verify a model, and publish or reject it as was decided.

        Raises:
            TrainingFailed: When the export does not answer as the model does.
            StoreUnavailable: When the store stays locked.
        """
        record, artifact = self._exported(challenger, fitted)
        report = self._report(challenger)
        promote, withdraw = challenger.decision.promote, challenger.withdraw and not challenger.decision.promote
        if self._dry_run:
            return _withdrawn(report) if withdraw else report
        report = replace(report, version=record.version)
        run = self._run(challenger.taste_id, record.version, record.reason)
        if promote:
            refused = _persistently(lambda: self._models.publish(record, artifact, run))
            return replace(report, outcome=Outcome.REJECTED, reason=refused) if refused else report
        _persistently(lambda: self._models.reject(record, artifact, run))
        return self._withdraw(challenger.taste_id, report) if withdraw else report

    def log(self, taste_id: str, reason: str) -> None:
        """Record why there is no model."""
        if not self._dry_run:
            run = self._run(taste_id, "", reason)
            _persistently(lambda: self._models.log_run(run))

    def _withdraw(self, taste_id: str, report: TasteReport) -> TasteReport:
        """Stop serving a model that does worse than what serves without it."""
        run = self._run(taste_id, "", _WITHDRAWN)
        refused = _persistently(lambda: self._models.withdraw(run))
        return report if refused else _withdrawn(report)

    def _exported(self, challenger: Challenger, fitted: FittedModel) -> tuple[ModelRecord, bytes]:
        version = new_version(self._catalog.feature_map.fingerprint)
        artifact, metadata = export_model(fitted, challenger, version, self._labels.profile, self._catalog)
        record = ModelRecord(
            version=version,
            user_id=metadata.user_id,
            taste_id=metadata.taste_id,
            learner=metadata.learner,
            state=ModelState.SERVING if challenger.decision.promote else ModelState.REJECTED,
            reason=challenger.decision.reason,
            metrics=challenger.metrics(),
            label_count=metadata.label_count,
            labels_revision=metadata.labels_revision,
            size_bytes=len(artifact),
            sha256=hashlib.sha256(artifact).hexdigest(),
            created_at=_microseconds(),
        )
        return record, artifact

    def _run(self, taste_id: str, version: str, reason: str) -> TrainingRun:
        profile = self._labels.profile
        return TrainingRun(
            run_id=new_run_id(),
            user_id=profile.user_id,
            taste_id=taste_id,
            model_version=version,
            reason=reason,
            labels_revision=profile.revision,
            started_at=self._started_at,
            ended_at=_microseconds(),
            generation=self._header.generation,
        )

    def _report(self, challenger: Challenger) -> TasteReport:
        likes, dislikes = self._labels.counts(challenger.taste_id)
        new, ranking, champion = (
            Figures() if evaluation is None else Figures(evaluation.auc, evaluation.log_loss)
            for evaluation in (challenger.evaluation, challenger.ranking, challenger.champion)
        )
        return TasteReport(
            user_id=self._labels.profile.user_id,
            taste_id=challenger.taste_id,
            outcome=Outcome.PUBLISHED if challenger.decision.promote else Outcome.REJECTED,
            reason=challenger.decision.reason,
            likes=likes,
            dislikes=dislikes,
            learner=challenger.learner.name,
            model=new,
            serving=champion,
            ranking=ranking,
        )


def new_version(fingerprint: str) -> str:
    """Return a new model version: hexadecimal digits of the time, of the feature map's fingerprint, and random ones.

    Later versions are greater, and two trainers never make the same one.
    """
    return f"{_time_digits()}-{fingerprint[:_MAP_DIGITS]}-{secrets.token_hex(_RANDOM_BYTES)}"


def new_run_id() -> str:
    """Return a new run_id: hexadecimal digits of the time, and random ones. Later ones are greater."""
    return f"{_time_digits()}-{secrets.token_hex(_RANDOM_BYTES)}"


def made_for(version: str, fingerprint: str) -> bool:
    """Return whether `new_version` made a version for the feature map of this fingerprint."""
    return version.split("-")[1:2] == [fingerprint[:_MAP_DIGITS]]


def _withdrawn(report: TasteReport) -> TasteReport:
    return replace(report, outcome=Outcome.WITHDRAWN, reason=f"{report.reason}; {_WITHDRAWN}")


def _persistently(write: Callable[[], T]) -> T:
    """Try a write several times, after growing waits, while the store is unavailable.

    Raises:
        StoreUnavailable: When it stays so; nothing was written.
    """
    wait = _FIRST_WAIT_SECONDS
    for _ in range(_ATTEMPTS - 1):
        try:
            return write()
        except StoreUnavailable as error:
            _log.warning("the store is not available; trying again", seconds=wait, reason=str(error))
            time.sleep(wait)
            wait *= 2
    return write()


def _time_digits() -> str:
    return f"{_microseconds():0{_TIME_DIGITS}x}"


def _microseconds() -> int:
    return time.time_ns() // 1000
