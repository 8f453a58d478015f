"""Decision: which learner is chosen, and whether a model is promoted.

Held-out figures of a few labels are mostly noise. So every comparison starts from what the same comparison has shown
on other listeners: a mean gain a label, which counts for as much as `PRIOR_LABELS` labels. The listener's own labels
are added, and soon outweigh it. ``docs/research/training.md`` has the measurements.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from palate_tools.training.cross_validation import Evaluation

__all__ = ["PRIOR_LABELS", "Baseline", "Decision", "best_learner", "decide"]

PRIOR_LABELS: Final = 100.0
"""How many of the listener's own labels the prior gain counts for."""

GAIN_OF_PREFERRED: Final = 0.03
"""How much better than the others the preferred learner is expected to be, in nats a label."""


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
