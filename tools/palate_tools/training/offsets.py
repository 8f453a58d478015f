"""Which tastes a listener likes at all: an offset of the common model for each taste.

Features do not say all that makes a listener like a genre. Whoever likes metal and dislikes house, whatever either
sounds like, has a different base rate in each, which no model of the features can know.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from palate.models.artifact import MAX_OFFSET
from scipy.special import expit

from palate_tools.training.crossval import Folds, HeldOut

__all__ = ["fit_offsets", "held_out_offsets"]

VARIANCE: Final = 0.1
"""Of the prior of an offset, in log-odds squared: the largest that costs a listener nothing who needs no offsets."""

_STEPS: Final = 50
_PRECISION: Final = 1e-9


def fit_offsets(
    logits: HeldOut, liked: NDArray[np.bool_], weights: NDArray[np.float64], tastes: NDArray[np.str_]
) -> dict[str, float]:
    """Return for each taste what is to be added to the log-odds of its tracks.

    It is the most probable intercept of the taste, given a normal prior of mean 0 and variance `VARIANCE`: 0 where
    the common model is right about the taste, and hardly more where the taste has few labels.

    Args:
        logits: float64 ``(repeats, n)``, calibrated log-odds of every label by models that have not seen it.
        liked: bool ``(n,)``.
        weights: float64 ``(n,)``; tastes whose labels all have the weight 0 are left out.
        tastes: str ``(n,)``, the taste_id of each.

    Source:
        Gelman and Hill, *Data Analysis Using Regression and Multilevel/Hierarchical Models*, 2007, chapter 14: random
        intercepts. Steps of at most 1 make Newton's method safe: Bach, *Self-concordant analysis for logistic
        regression*, Electronic Journal of Statistics, 2010.
    """
    used = weights > 0
    names, place = np.unique(tastes[used], return_inverse=True)
    share, target, given = weights[used] / len(logits), liked[used], logits[:, used]
    offsets = np.zeros(len(names))
    for _ in range(_STEPS):
        chances = expit(given + offsets[place])
        pull = _sums(place, share * (target - chances).sum(axis=0), len(names)) - offsets / VARIANCE
        curvature = _sums(place, share * (chances * (1 - chances)).sum(axis=0), len(names)) + 1 / VARIANCE
        step = np.clip(pull / curvature, -1, 1)
        offsets += step
        if np.abs(step).max(initial=0.0) < _PRECISION:
            break
    return dict(zip(names.tolist(), np.clip(offsets, -MAX_OFFSET, MAX_OFFSET).tolist(), strict=True))


def held_out_offsets(
    logits: HeldOut, liked: NDArray[np.bool_], weights: NDArray[np.float64], tastes: NDArray[np.str_], folds: Folds
) -> HeldOut:
    """Return for each label the offset of its taste that the labels of the other folds alone give.

    Args:
        logits: As for `fit_offsets`.
        liked: As for `fit_offsets`.
        weights: As for `fit_offsets`.
        tastes: As for `fit_offsets`.
        folds: Those on which the log-odds were predicted.
    """
    found = np.zeros_like(logits)
    for line, said, splits in zip(found, logits, folds.repeats, strict=True):
        for train, held in splits:
            offsets = fit_offsets(said[np.newaxis, train], liked[train], weights[train], tastes[train])
            line[held] = [offsets.get(taste_id, 0.0) for taste_id in tastes[held].tolist()]
    return found


def _sums(place: NDArray[np.intp], values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return the sum of the values of each of `count` groups."""
    sums = np.zeros(count)
    np.add.at(sums, place, values)
    return sums
