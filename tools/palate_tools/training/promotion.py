"""Promotion: for each taste, a challenger for the model that serves, the champion, and whether it replaces it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from palate.store.contract import Metric

from palate_tools.training.calibration import Line
from palate_tools.training.cross_validation import Evaluation, correction_gain
from palate_tools.training.decision import Baseline, Decision, best_learner, decide
from palate_tools.training.fitting import Candidates, CrossValidated, TrainingFailed
from palate_tools.training.resources import LoadedLearner, Resources

__all__ = ["Challenger", "Champion", "Promotion"]

GAIN_OVER_RANKING: Final = 0.015
"""What a model gains over ranking on other listeners, in nats a label; see docs/research/training.md."""

GAIN_OVER_CHAMPION: Final = 0.005
"""What a model gains over the one before it, which has seen fewer labels."""

GAIN_OF_OWN: Final = -0.01
"""What a taste's own model gains over what serves the taste without it: it must show that it is worth having."""


@dataclass(frozen=True, slots=True)
class Champion:
    """The model that serves a taste.

    Attributes:
        version: Its version.
        learner: The learner that trained it.
        labels_revision: The profile's revision up to which it has seen labels.
    """

    version: str
    learner: str
    labels_revision: int


@dataclass(frozen=True, slots=True)
class Challenger:
    """The best candidate for a taste, before it is fitted to all labels.

    Attributes:
        taste_id: The taste; empty for the common model.
        learner: The learner.
        weights: float64 ``(n,)``, of the labels.
        validated: What it says of held-out labels; calibrates it.
        ranking_line: Turns ranking's scores into log-odds.
        evaluation: How it did on held-out labels.
        ranking: How ranking did.
        champion: How the champion did, if there is one that can be evaluated.
        decision: Whether it is promoted.
        withdraw: Whether the champion does worse than what would serve without it.
    """

    taste_id: str
    learner: LoadedLearner
    weights: NDArray[np.float64]
    validated: CrossValidated
    ranking_line: Line
    evaluation: Evaluation
    ranking: Evaluation
    champion: Evaluation | None
    decision: Decision
    withdraw: bool

    @property
    def label_count(self) -> int:
        """On how many labels the model is trained."""
        return int((self.weights > 0).sum())

    def metrics(self) -> tuple[Metric, ...]:
        """Return AUC and log-loss on held-out labels, as the store records them."""
        new, ranking, champion = self.evaluation, self.ranking, self.champion
        return (
            Metric("auc", new.auc, ranking.auc, champion.auc if champion else math.nan),
            Metric("log_loss", new.log_loss, ranking.log_loss, champion.log_loss if champion else math.nan),
        )


class Promotion:
    """Chooses the challengers of one listener's tastes and decides on them.

    In every method a *scope*, float64 ``(n,)``, is 1 for the labels that a model is evaluated on: those of the tastes
    that it is to serve whose track the catalog has.

    Args:
        resources: What to work with.
        candidates: The listener's candidates.
        champions: What serves, by taste_id.
    """

    def __init__(self, resources: Resources, candidates: Candidates, champions: Mapping[str, Champion]) -> None:
        self._resources = resources
        self._candidates = candidates
        self._champions = champions

    def common(self) -> Challenger:
        """Return the challenger for the common model, which is trained on all labels alike."""
        candidates = self._candidates
        learner = self._choose(candidates.known)
        weights = np.ones(len(candidates.labels))
        return self._challenger("", learner, candidates.learners[learner], weights, candidates.known, [])

    def common_suffices(self, taste_id: str, common: Challenger) -> bool:
        """Return whether the common model serves a taste so well that one of its own need not be tried.

        It does where it serves, no model of the taste does, and a correction for the taste would gain nothing.
        """
        if taste_id in self._champions or not self._common_serves(common):
            return False
        candidates, labels = self._candidates, self._candidates.labels
        own = (labels.tastes == taste_id) & (candidates.known > 0)
        logits = candidates.learners[common.learner.name].logits.mean(axis=0)
        return correction_gain(logits[own], labels.features[own], labels.liked[own], candidates.seed) <= 0

    def own(self, taste_id: str, common: Challenger) -> Challenger:
        """Return the challenger for a taste's own model, in which labels of other tastes have a smaller weight.

        Its learner is the one whose common model does best on the taste's labels. It has to beat what serves the taste
        without it.

        Raises:
            TrainingFailed: When the learner raises.
        """
        candidates = self._candidates
        own = candidates.labels.tastes == taste_id
        scope = own * candidates.known
        weights = np.where(own, 1.0, self._resources.config.other_weight)
        learner = self._choose(scope)
        validated = candidates.cross_validate(self._resources.learners[learner], weights)
        without = self._baseline("ranking", candidates.ranking, GAIN_OF_OWN, scope)
        if self._common_serves(common):
            without = self._baseline("the common model", candidates.learners[common.learner.name], GAIN_OF_OWN, scope)
        return self._challenger(taste_id, learner, validated, weights, scope, [without])

    def _challenger(
        self,
        taste_id: str,
        learner: str,
        validated: CrossValidated,
        weights: NDArray[np.float64],
        scope: NDArray[np.float64],
        baselines: Sequence[Baseline],
    ) -> Challenger:
        """Compare a model with what it must beat: the baselines, ranking, and the champion."""
        ranking = self._baseline("ranking", self._candidates.ranking, GAIN_OVER_RANKING, scope)
        baselines = [*baselines, ranking]
        evaluation = self._candidates.evaluate(validated, scope)
        champion = self._champion(taste_id, weights, scope)
        defending = [] if champion is None else [Baseline("the serving model", champion, GAIN_OVER_CHAMPION)]
        return Challenger(
            taste_id=taste_id,
            learner=self._resources.learners[learner],
            weights=weights,
            validated=validated,
            ranking_line=self._candidates.ranking.line,
            evaluation=evaluation,
            ranking=ranking.evaluation,
            champion=champion,
            decision=decide(evaluation, [*baselines, *defending], scope),
            withdraw=champion is not None and not decide(champion, baselines, scope).promote,
        )

    def _champion(self, taste_id: str, weights: NDArray[np.float64], scope: NDArray[np.float64]) -> Evaluation | None:
        """Evaluate the champion by its learner, fitted to those labels of the folds that the champion has seen."""
        model = self._champions.get(taste_id)
        learner = self._resources.learners.get(model.learner) if model is not None else None
        if model is None or learner is None or not self._candidates.can_train_on(model.labels_revision):
            return None
        seen = model.labels_revision
        try:
            if taste_id:
                validated = self._candidates.cross_validate(learner, weights, seen)
            else:
                validated = self._candidates.cross_validate_common(learner, seen)
        except TrainingFailed:
            return None
        return self._candidates.evaluate(validated, scope)

    def _common_serves(self, common: Challenger) -> bool:
        return common.decision.promote or ("" in self._champions and not common.withdraw)

    def _choose(self, scope: NDArray[np.float64]) -> str:
        candidates = self._candidates
        return best_learner(
            {name: candidates.evaluate(each, scope) for name, each in candidates.learners.items()}, scope
        )

    def _baseline(
        self, name: str, validated: CrossValidated, prior_gain: float, scope: NDArray[np.float64]
    ) -> Baseline:
        return Baseline(name, self._candidates.evaluate(validated, scope), prior_gain)
