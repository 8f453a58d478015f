"""Trains one listener: the common model, which serves every taste without a model of its own, and the tastes' own."""

import time
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from palate.domain import Profile
from palate.errors import NotFound, StoreUnavailable
from palate.serving.profiles import load_profile
from palate.store.contract import Header, ModelStore
from palate.suggestion import suggestion
from palate_strategies.learners.fitting import single_threaded

from palate_tools.tables import counted
from palate_tools.training.dataset import Labels
from palate_tools.training.fitting import Candidates, TrainingFailed
from palate_tools.training.promotion import Challenger, Champion, Promotion
from palate_tools.training.publishing import Publisher
from palate_tools.training.report import ListenerReport, Outcome, TasteReport
from palate_tools.training.resources import Resources

__all__ = ["train_listener"]

_COMMON: Final = ""


@single_threaded
def train_listener(
    resources: Resources,
    user_id: str,
    common: NDArray[np.float64],
    *,
    tastes: tuple[str, ...] = (),
    dry_run: bool = False,
) -> ListenerReport:
    """Train a listener's models and publish those that win.

    Args:
        resources: What to work with.
        user_id: The listener.
        common: float64 ``(k, 9)``, directions that other listeners share; k may be 0.
        tastes: Only these tastes' own models; all models when empty.
        dry_run: Whether to write nothing.

    Raises:
        NotFound: When there is no such listener, or one of the tastes is not there.
    """
    started_at = time.time_ns() // 1000
    profile, header = _load(resources, user_id, tastes)
    labels = Labels.of(profile, resources.catalog, resources.config.max_labels)
    training = _Training(resources, labels, Publisher(resources, labels, header, started_at, dry_run=dry_run))
    try:
        return ListenerReport(user_id, tuple(training.run(common, tastes)))
    except StoreUnavailable as error:
        reason = f"{error}; nothing was lost, the next run trains again"
        return ListenerReport(user_id, (training.report(_COMMON, Outcome.FAILED, reason),))


def _load(resources: Resources, user_id: str, tastes: tuple[str, ...]) -> tuple[Profile, Header]:
    """Load a profile as the server does, and check that it has the tastes."""
    loaded = load_profile(resources.store, resources.catalog.feature_map, user_id)
    if loaded is None:
        raise NotFound("profile", user_id)
    profile, _ = loaded
    for taste_id in tastes:
        if taste_id not in profile.tastes:
            raise NotFound("taste", taste_id, f"is none of {user_id}'s{suggestion(taste_id, profile.tastes)}")
    return loaded


class _Training:
    """The training of one listener, from labels to reports."""

    def __init__(self, resources: Resources, labels: Labels, publisher: Publisher) -> None:
        self._resources = resources
        self._labels = labels
        self._publisher = publisher

    def run(self, common: NDArray[np.float64], tastes: tuple[str, ...]) -> list[TasteReport]:
        """Train everything, or the given tastes' own models alone.

        The common model is written last. Its run makes the listener no longer due: when a trainer is killed before,
        the next one trains everything again.
        """
        lacking = self._lacking()
        if lacking:
            self._publisher.log(_COMMON, lacking)
            return [self.report(_COMMON, Outcome.TOO_LITTLE_DATA, lacking)]
        champions = _champions(self._resources.store.models, self._labels.profile.user_id)
        try:
            candidates = Candidates(self._resources, self._labels, common)
        except TrainingFailed as error:
            return [self._failed(_COMMON, str(error))]
        promotion = Promotion(self._resources, candidates, champions)
        challenger = promotion.common()
        reports = [
            self._train_taste(taste_id, challenger, candidates, promotion)
            for taste_id in tastes or sorted(self._labels.profile.tastes)
        ]
        return reports if tastes else [self._publish(challenger, candidates), *reports]

    def report(self, taste_id: str, outcome: Outcome, reason: str) -> TasteReport:
        """Report a taste for which there is no model."""
        likes, dislikes = self._labels.counts(taste_id)
        return TasteReport(self._labels.profile.user_id, taste_id, outcome, reason, likes, dislikes)

    def _lacking(self) -> str:
        """Say what the listener lacks to be trained; empty when nothing."""
        config, labels = self._resources.config, self._labels
        likes, dislikes = labels.counts(known=True)
        if likes + dislikes < config.min_labels or min(likes, dislikes) < config.min_of_each:
            return (
                f"{counted(likes, 'like')} and {counted(dislikes, 'dislike')} of tracks in the catalog; training "
                f"begins at {config.min_labels} together, {config.min_of_each} of each"
            )
        if not self._resources.learners_for(labels.profile):
            return f"confidence {labels.profile.confidence:.2f}; no learner's stage admits the profile yet"
        return ""

    def _train_taste(
        self, taste_id: str, common: Challenger, candidates: Candidates, promotion: Promotion
    ) -> TasteReport:
        """Train a taste's own model, where it has enough labels and they tell more than the common model knows."""
        config = self._resources.config
        likes, dislikes = self._labels.counts(taste_id, known=True)
        if likes < config.taste_min_likes or dislikes < config.taste_min_dislikes:
            reason = (
                f"a taste's own model begins at {counted(config.taste_min_likes, 'like')} and "
                f"{counted(config.taste_min_dislikes, 'dislike')}; until then the common model or ranking serves it"
            )
            return self.report(taste_id, Outcome.TOO_LITTLE_DATA, reason)
        if promotion.common_suffices(taste_id, common):
            return self.report(taste_id, Outcome.COMMON, "its labels say nothing that the common model does not know")
        try:
            challenger = promotion.own(taste_id, common)
        except TrainingFailed as error:
            return self._failed(taste_id, str(error))
        return self._publish(challenger, candidates)

    def _publish(self, challenger: Challenger, candidates: Candidates) -> TasteReport:
        """Fit a challenger to all labels and publish it, or reject it as was decided."""
        try:
            return self._publisher.publish(challenger, candidates.fit(challenger.learner, challenger.weights))
        except TrainingFailed as error:
            return self._failed(challenger.taste_id, str(error))

    def _failed(self, taste_id: str, reason: str) -> TasteReport:
        self._publisher.log(taste_id, reason)
        return self.report(taste_id, Outcome.FAILED, reason)


def _champions(models: ModelStore, user_id: str) -> Mapping[str, Champion]:
    """Return the models that serve a listener, by taste_id."""
    records = {taste_id: models.record(each.version) for taste_id, each in models.serving_versions(user_id).items()}
    return {
        taste_id: Champion(record.version, record.learner, record.labels_revision)
        for taste_id, record in records.items()
        if record is not None
    }
