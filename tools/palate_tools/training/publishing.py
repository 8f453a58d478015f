"""From a candidate to the store: exported, verified, written with its run."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib.metadata import version as version_of
from typing import Final, TypeVar

import structlog
from palate.errors import StoreUnavailable
from palate.models.artifact import Metadata
from palate.plugins.learner import FittedModel
from palate.store.contract import Header, Metric, ModelRecord, ModelState, TrainingRun

from palate_tools.training.crossval import Judged
from palate_tools.training.examination import Candidate, TrainingFailed
from palate_tools.training.labels import Labels
from palate_tools.training.report import Figures, Outcome, TasteReport
from palate_tools.training.verification import ExportMismatch, verify_export, with_metadata
from palate_tools.training.versions import new_run_id, new_version
from palate_tools.training.workshop import Workshop

__all__ = ["Publisher", "report_on"]

T = TypeVar("T")
_ATTEMPTS: Final = 5
_FIRST_WAIT_SECONDS: Final = 0.2
_LIBRARIES: Final = ("palate", "numpy", "onnx", "scikit-learn", "lightgbm")
_WITHDRAWN: Final = "the model in service was withdrawn: it does worse on held-out feedback than what serves without it"
_log = structlog.get_logger(__name__)


class Publisher:
    """Writes what came of one listener's training.

    Every write is one transaction, tried again where the store is locked for too long. A trainer that is killed
    leaves either all of it or nothing.

    Args:
        workshop: Has catalog and store.
        labels: What was trained on.
        header: That of their profile: one that was deleted since then and begun anew gets nothing of it.
        started_at: When training began, in microseconds since 1970-01-01 UTC.
        dry_run: Whether nothing is to be written.
    """

    def __init__(self, workshop: Workshop, labels: Labels, header: Header, started_at: int, *, dry_run: bool) -> None:
        self._workshop = workshop
        self._labels = labels
        self._header = header
        self._dry_run = dry_run
        self._started_at = started_at

    def publish(self, candidate: Candidate, fitted: FittedModel, label_count: int) -> TasteReport:
        """Export and verify a model, and publish it or keep it out as was decided.

        Raises:
            TrainingFailed: When the export is not what was fitted.
            StoreUnavailable: When the store stays locked.
        """
        record, artifact = self._export(candidate, fitted, label_count)
        report = report_on(self._labels, candidate)
        if self._dry_run:
            return _withdrawn(report) if candidate.withdraw and not candidate.decision.publish else report
        report = replace(report, version=record.version)
        models = self._workshop.store.models
        run = self._run(candidate.taste_id, record.version, record.reason)
        if candidate.decision.publish:
            refused = _persistently(lambda: models.publish(record, artifact, run))
            return replace(report, outcome=Outcome.REJECTED, reason=refused) if refused else report
        _persistently(lambda: models.reject(record, artifact, run))
        return self._withdraw(candidate, report) if candidate.withdraw else report

    def log(self, taste_id: str, reason: str) -> None:
        """Keep on record why there is no model."""
        if not self._dry_run:
            run = self._run(taste_id, "", reason)
            _persistently(lambda: self._workshop.store.models.log_run(run))

    def _withdraw(self, candidate: Candidate, report: TasteReport) -> TasteReport:
        """Take a model out of service that does worse than what serves without it."""
        run = self._run(candidate.taste_id, "", _WITHDRAWN)
        refused = _persistently(lambda: self._workshop.store.models.withdraw(run))
        return report if refused else _withdrawn(report)

    def _export(self, candidate: Candidate, fitted: FittedModel, label_count: int) -> tuple[ModelRecord, bytes]:
        catalog, profile = self._workshop.catalog, self._labels.profile
        record = ModelRecord(
            version=new_version(catalog.feature_map.fingerprint),
            user_id=profile.user_id,
            taste_id=candidate.taste_id,
            learner=candidate.learner.name,
            state=ModelState.SERVING if candidate.decision.publish else ModelState.REJECTED,
            reason=candidate.decision.reason,
            metrics=_metrics(candidate),
            label_count=label_count,
            labels_revision=profile.revision,
            size_bytes=0,
            sha256="",
            created_at=_now(),
        )
        line = candidate.line
        try:
            graph = fitted.to_onnx(line.slope, line.intercept)
            artifact = with_metadata(graph, self._metadata(candidate, record))
            verify_export(fitted, artifact, line.slope, line.intercept, catalog.normalized)
        except (ExportMismatch, ValueError) as error:
            _log.error("export failed", learner=record.learner, user_id=record.user_id, reason=str(error))
            raise TrainingFailed(f"the export of learner {record.learner!r} is not what was fitted: {error}") from error
        digest = hashlib.sha256(artifact).hexdigest()
        return replace(record, size_bytes=len(artifact), sha256=digest), artifact

    def _metadata(self, candidate: Candidate, record: ModelRecord) -> Metadata:
        return Metadata(
            version=record.version,
            user_id=record.user_id,
            taste_id=record.taste_id,
            learner=record.learner,
            feature_map=self._workshop.catalog.feature_map.fingerprint,
            labels_revision=record.labels_revision,
            label_count=record.label_count,
            ranking_slope=candidate.ranking_line.slope,
            ranking_intercept=candidate.ranking_line.intercept,
            metrics={metric.name: metric.value for metric in record.metrics if metric.value == metric.value},
            cluster_offsets=candidate.offsets,
            libraries=_libraries() | {candidate.learner.distribution: candidate.learner.version},
        )

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
            ended_at=_now(),
            generation=self._header.generation,
        )


def report_on(labels: Labels, candidate: Candidate) -> TasteReport:
    """Say what was decided of a candidate."""
    likes, dislikes = labels.counts(candidate.taste_id)
    return TasteReport(
        user_id=labels.profile.user_id,
        taste_id=candidate.taste_id,
        outcome=Outcome.PUBLISHED if candidate.decision.publish else Outcome.REJECTED,
        reason=candidate.decision.reason,
        likes=likes,
        dislikes=dislikes,
        learner=candidate.learner.name,
        model=_figures(candidate.judged),
        serving=_figures(candidate.serving),
        ranking=_figures(candidate.ranking),
    )


@cache
def _libraries() -> dict[str, str]:
    """Return the versions of the libraries that models are made with."""
    return {name: version_of(name) for name in _LIBRARIES}


def _withdrawn(report: TasteReport) -> TasteReport:
    return replace(report, outcome=Outcome.WITHDRAWN, reason=f"{report.reason}; {_WITHDRAWN}")


def _figures(judged: Judged | None) -> Figures:
    return Figures() if judged is None else Figures(judged.auc, judged.log_loss)


def _metrics(candidate: Candidate) -> tuple[Metric, ...]:
    new, ranking, serving = (_figures(one) for one in (candidate.judged, candidate.ranking, candidate.serving))
    return (
        Metric("auc", new.auc, ranking.auc, serving.auc),
        Metric("log_loss", new.log_loss, ranking.log_loss, serving.log_loss),
    )


def _persistently(write: Callable[[], T]) -> T:
    """Try a write again a few times, ever later, where the store cannot take it.

    Raises:
        StoreUnavailable: When it never could; nothing was written.
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


def _now() -> int:
    return time.time_ns() // 1000
