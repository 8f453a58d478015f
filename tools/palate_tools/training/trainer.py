"""Trains one listener: the tastes' own models, and the common model that serves the other tastes."""

import time
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from palate.errors import NotFound, StoreUnavailable
from palate.store.contract import ModelStore
from palate.suggestion import suggestion
from palate_strategies.learners.threads import single_threaded

from palate_tools.tables import counted
from palate_tools.training.examination import Candidate, Examination, InService, TrainingFailed
from palate_tools.training.labels import Labels, read_profile
from palate_tools.training.publishing import Publisher
from palate_tools.training.report import ListenerReport, Outcome, TasteReport
from palate_tools.training.workshop import Workshop

__all__ = ["train_listener"]

COMMON = ""


@single_threaded
def train_listener(
    workshop: Workshop,
    user_id: str,
    common: NDArray[np.float64],
    *,
    tastes: tuple[str, ...] = (),
    dry_run: bool = False,
) -> ListenerReport:
    """Train a listener's models and publish those that win.

    The common model is written last, and its run is what makes the listener no longer due: a trainer that is
    killed before has the next run do everything again.

    Args:
        workshop: What to work with.
        user_id: The listener.
        common: float64 ``(k, 9)``, directions that other listeners share; k may be 0.
        tastes: Only these tastes' own models; all models when empty.
        dry_run: Whether to write nothing.

    Raises:
        NotFound: When there is no such listener, or one of the tastes is not there.
    """
    started_at = time.time_ns() // 1000
    stored = read_profile(workshop.store, user_id, workshop.catalog.feature_map)
    if stored is None:
        raise NotFound("profile", user_id)
    profile, header = stored
    for taste_id in tastes:
        if taste_id not in profile.tastes:
            raise NotFound("taste", taste_id, f"is none of {user_id}'s{suggestion(taste_id, profile.tastes)}")
    labels = Labels.of(profile, workshop.catalog, workshop.config.max_labels)
    training = _Training(workshop, labels, Publisher(workshop, labels, header, started_at, dry_run=dry_run))
    try:
        return ListenerReport(user_id, tuple(training.run(common, tastes)))
    except StoreUnavailable as error:
        reason = f"{error}; nothing was lost, the next run trains again"
        return ListenerReport(user_id, (training.report(COMMON, Outcome.FAILED, reason),))


class _Training:
    """The training of one listener, from labels to reports."""

    def __init__(self, workshop: Workshop, labels: Labels, publisher: Publisher) -> None:
        self._workshop = workshop
        self._labels = labels
        self._publisher = publisher

    def run(self, common: NDArray[np.float64], tastes: tuple[str, ...]) -> list[TasteReport]:
        """Train everything, or the given tastes' own models alone."""
        lacking = self._lacking()
        if lacking:
            self._publisher.log(COMMON, lacking)
            return [self.report(COMMON, Outcome.LOCKED_OUT, lacking)]
        in_service = _in_service(self._workshop.store.models, self._labels.profile.user_id)
        try:
            examination = Examination(self._workshop, self._labels, common, in_service)
            candidate = examination.common()
        except TrainingFailed as error:
            return [self._failed(COMMON, str(error))]
        reports = [
            self._own(examination, taste_id, candidate) for taste_id in tastes or sorted(self._labels.profile.tastes)
        ]
        return reports if tastes else [self._publish(examination, candidate), *reports]

    def report(self, taste_id: str, outcome: Outcome, reason: str) -> TasteReport:
        """Say what came of a taste without a model."""
        likes, dislikes = self._labels.counts(taste_id)
        return TasteReport(self._labels.profile.user_id, taste_id, outcome, reason, likes, dislikes)

    def _lacking(self) -> str:
        """Say what the listener lacks to be trained; empty when nothing."""
        config = self._workshop.config
        known = self._labels.rows >= 0
        likes, dislikes = int(self._labels.liked[known].sum()), int((~self._labels.liked[known]).sum())
        if likes + dislikes < config.min_labels or min(likes, dislikes) < config.min_of_each:
            return (
                f"{counted(likes, 'like')} and {counted(dislikes, 'dislike')} of tracks in the catalog; training "
                f"begins at {config.min_labels} together, {config.min_of_each} of each"
            )
        if not self._workshop.eligible(self._labels.profile):
            return f"confidence {self._labels.profile.confidence:.2f}; no learner's stage admits the profile yet"
        return ""

    def _own(self, examination: Examination, taste_id: str, common: Candidate) -> TasteReport:
        config = self._workshop.config
        known = (self._labels.rows >= 0) & (self._labels.tastes == taste_id)
        likes, dislikes = int(self._labels.liked[known].sum()), int((~self._labels.liked[known]).sum())
        if likes < config.taste_min_likes or dislikes < config.taste_min_dislikes:
            reason = (
                f"a taste's own model begins at {counted(config.taste_min_likes, 'like')} and "
                f"{counted(config.taste_min_dislikes, 'dislike')}; until then the common model or ranking serves it"
            )
            return self.report(taste_id, Outcome.LOCKED_OUT, reason)
        if examination.agrees(taste_id, common):
            return self.report(taste_id, Outcome.COMMON, "its labels say nothing that the common model does not know")
        try:
            candidate = examination.own(taste_id, common)
        except TrainingFailed as error:
            return self._failed(taste_id, str(error))
        return self._publish(examination, candidate)

    def _publish(self, examination: Examination, candidate: Candidate) -> TasteReport:
        try:
            return self._publisher.publish(candidate, *examination.fit(candidate))
        except TrainingFailed as error:
            return self._failed(candidate.taste_id, str(error))

    def _failed(self, taste_id: str, reason: str) -> TasteReport:
        self._publisher.log(taste_id, reason)
        return self.report(taste_id, Outcome.FAILED, reason)


def _in_service(models: ModelStore, user_id: str) -> Mapping[str, InService]:
    records = {
        taste_id: models.record(serving_version.version)
        for taste_id, serving_version in models.serving_versions(user_id).items()
    }
    return {
        taste_id: InService(record.version, record.learner, record.labels_revision)
        for taste_id, record in records.items()
        if record is not None
    }
