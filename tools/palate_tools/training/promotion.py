"""Promotion: which model challenges the one that serves, the champion, and whether it replaces it.

Held-out figures of a few labels are mostly noise. So every comparison starts from what the same comparison has shown
on other listeners: a mean gain a label, which counts for as much as `PRIOR_LABELS` labels. The listener's own labels
are added, and soon outweigh it. ``docs/training.md`` has the measurements.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from palate.store.contract import Metric

from palate_tools.training.calibration import Line
from palate_tools.training.cross_validation import Evaluation, correction_gain
from palate_tools.training.fitting import Candidates, CrossValidated, TrainingFailed
from palate_tools.training.resources import LoadedLearner, Resources

__all__ = ["PRIOR_LABELS", "Baseline", "Challenger", "Champion", "Decision", "Promotion", "best_learner", "decide"]

PRIOR_LABELS: Final = 100.0
"""How many of the listener's own labels the prior gain counts for."""

GAIN_OF_PREFERRED: Final = 0.03
"""How much better than the others the preferred learner is expected to be, in nats a label."""

GAIN_OVER_RANKING: Final = 0.015
"""What a model gains over ranking on other listeners, in nats a label; see docs/training.md."""

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
class Baseline:
    """What a model must beat.

    Attributes:
        name: What it is, in words.
        evaluation: How it did on the same folds.
        prior_gain: How much better a model is expected to be, in nats a label.
    """

    name: str
    evaluation: Evaluation
    prior_gain: float


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a model is promoted, and why not."""

    promote: bool
    reason: str


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


def best_learner(evaluations: Mapping[str, Evaluation], weights: NDArray[np.float64]) -> str:
    """Choose among learners by their held-out loss.

    The first one is chosen unless another's gain over it, summed over the labels, is above `PRIOR_LABELS` times
    `GAIN_OF_PREFERRED` and above one standard error, so that noise on few labels does not choose.

    Args:
        evaluations: By name, the preferred one first; at least one.
        weights: float64 ``(n,)``, of the labels.

    Source:
        The one-standard-error rule: Breiman et al., *Classification and Regression Trees*, 1984, section 3.4.3.
    """
    preferred, *others = evaluations
    best, largest = preferred, PRIOR_LABELS * GAIN_OF_PREFERRED
    for name in others:
        gain, error = _gain(evaluations[name], evaluations[preferred], weights)
        if gain > max(error, largest):
            best, largest = name, gain
    return best


def decide(model: Evaluation, baselines: Sequence[Baseline], weights: NDArray[np.float64]) -> Decision:
    """Promote a model that beats every baseline on held-out labels.

    A baseline is beaten when the summed gain over it, with the prior's, is above 0:
    ``sum(weight * (loss of the baseline - loss of the model)) + PRIOR_LABELS * prior_gain > 0``.
    """
    for baseline in baselines:
        gain, _ = _gain(model, baseline.evaluation, weights)
        if not gain + PRIOR_LABELS * baseline.prior_gain > 0:
            return Decision(promote=False, reason=_lost(model, baseline, weights))
    return Decision(promote=True, reason="")


def _gain(model: Evaluation, other: Evaluation, weights: NDArray[np.float64]) -> tuple[float, float]:
    """Return the gain over another, summed over the labels, in nats, and its standard error."""
    gains = other.losses - model.losses
    deviations = gains - np.average(gains, weights=weights)
    return float(weights @ gains), math.sqrt(float(np.square(weights) @ np.square(deviations)))


def _lost(model: Evaluation, baseline: Baseline, weights: NDArray[np.float64]) -> str:
    """Say by how much a baseline was not beaten: the log-losses, whatever the AUC is."""
    losses = f"log-loss {model.log_loss:.4f} against {baseline.evaluation.log_loss:.4f}"
    if model.log_loss >= baseline.evaluation.log_loss:
        return f"does not beat {baseline.name} on held-out feedback: {losses}"
    wanted = -PRIOR_LABELS * baseline.prior_gain / weights.sum()
    return f"does not beat {baseline.name} by enough on held-out feedback: {losses}; it has to be {wanted:.4f} lower"
