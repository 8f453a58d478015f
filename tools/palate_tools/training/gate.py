"""The gate: which learner is chosen, and whether its model is published.

Held-out figures of a few labels are mostly noise, so that every comparison starts from what the comparison has
shown on other listeners: a mean gain per label, worth as much as `PRIOR_LABELS` labels of evidence. What the
listener's own labels say is added, and soon outweighs it. ``docs/training.md`` has the measurements.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from palate_tools.training.crossval import Judged

__all__ = ["PRIOR_LABELS", "Decision", "Rival", "best_learner", "decide"]

PRIOR_LABELS: Final = 100.0
"""How many of the listener's own labels the prior gain counts for."""


GAIN_OF_PREFERRED: Final = 0.03
"""How much better than the others the preferred learner is expected to be, in nats a label."""


@dataclass(frozen=True, slots=True)
class Rival:
    """What a model must beat.

    Attributes:
        name: What it is, in words.
        judged: How it did on the same folds.
        prior_gain: How much better a new model is expected to be, in nats a label.
    """

    name: str
    judged: Judged
    prior_gain: float


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a model is published, and why."""

    publish: bool
    reason: str


def best_learner(candidates: Mapping[str, Judged], weights: NDArray[np.float64]) -> str:
    """Choose among learners by their held-out loss.

    The first one stands unless another's gain over it, summed over the labels, is above `PRIOR_LABELS` times
    `GAIN_OF_PREFERRED` and above one standard error, so that noise on few labels does not choose.

    Args:
        candidates: By name, the one to prefer first; at least one.
        weights: float64 ``(n,)``, of the labels.

    Source:
        The one-standard-error rule: Breiman et al., *Classification and Regression Trees*, 1984, section 3.4.3.
    """
    preferred, *others = candidates
    best, largest = preferred, PRIOR_LABELS * GAIN_OF_PREFERRED
    for name in others:
        gain, error = _gain(candidates[name], candidates[preferred], weights)
        if gain > max(error, largest):
            best, largest = name, gain
    return best


def decide(model: Judged, rivals: Sequence[Rival], weights: NDArray[np.float64]) -> Decision:
    """Publish a model that beats every rival on held-out labels.

    A rival is beaten when the summed gain over it, with the prior's, is above 0:
    ``sum(weight * (loss of the rival - loss of the model)) + PRIOR_LABELS * prior_gain > 0``.
    """
    for rival in rivals:
        gain, _ = _gain(model, rival.judged, weights)
        if not gain + PRIOR_LABELS * rival.prior_gain > 0:
            return Decision(publish=False, reason=_lost(model, rival, weights))
    return Decision(publish=True, reason="")


def _gain(model: Judged, other: Judged, weights: NDArray[np.float64]) -> tuple[float, float]:
    """Return the gain over another, summed over the labels, in nats, and its standard error."""
    gains = other.losses - model.losses
    deviations = gains - np.average(gains, weights=weights)
    return float(weights @ gains), math.sqrt(float(np.square(weights) @ np.square(deviations)))


def _lost(model: Judged, rival: Rival, weights: NDArray[np.float64]) -> str:
    """Say by what a rival was not beaten: the log-losses, whatever the AUC is."""
    losses = f"log-loss {model.log_loss:.4f} against {rival.judged.log_loss:.4f}"
    if model.log_loss >= rival.judged.log_loss:
        return f"does not beat {rival.name} on held-out feedback: {losses}"
    wanted = -PRIOR_LABELS * rival.prior_gain / weights.sum()
    return f"does not beat {rival.name} by enough on held-out feedback: {losses}; it has to be {wanted:.4f} lower"
