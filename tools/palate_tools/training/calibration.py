"""From scores to calibrated log-odds: a line for all tracks, and an offset for each taste.

Features do not say all that makes a listener like a genre. Whoever likes metal and dislikes house, whatever either
sounds like, has a different base rate in each, which no model of the features can know. Others like what sounds a
certain way in every genre, and need no offsets. The listener's own labels tell which of the two they are.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray
from palate.models.artifact import MAX_OFFSET
from scipy.optimize import minimize
from scipy.special import expit, softmax

from palate_tools.training.cross_validation import Folds, HeldOut

__all__ = ["VARIANCES", "Line", "fit_line", "fit_offsets", "fit_score_line", "held_out_offsets"]

_SLOPE_PRECISION: Final = 4.0
_INTERCEPT_PRECISION: Final = 1.0

VARIANCES: Final = MappingProxyType({0.0: 0.8, 1.0: 0.2})
"""Variances of the offsets among a listener's tastes, in log-odds squared, each with its prior probability.

That is, four of five listeners need no offsets; ``docs/research/training.md`` has what other values measure.
"""

_STEPS: Final = 50
_PRECISION: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Line:
    """Turns a score into log-odds: ``slope * score + intercept``, with a slope of at least 0."""

    slope: float
    intercept: float

    def __call__(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the log-odds of scores."""
        return self.slope * scores + self.intercept


def fit_line(held_out: NDArray[np.float64], liked: NDArray[np.bool_], weights: NDArray[np.float64]) -> Line:
    """Calibrate log-odds that were predicted for held-out labels.

    A normal prior of standard deviation 0.5 about slope 1 and of 1 about intercept 0 keeps a few labels from
    moving the line far: with some 20 labels it counts about as much as they do.

    Args:
        held_out: float64 ``(repeats, n)``, each label's log-odds from every repetition.
        liked: bool ``(n,)``.
        weights: float64 ``(n,)``.

    Source:
        Platt, *Probabilistic outputs for support vector machines*, 1999, with a prior.
    """
    logits = held_out.ravel()
    signs = np.tile(np.where(liked, 1.0, -1.0), len(held_out))
    weights = np.tile(weights / len(held_out), len(held_out))

    def loss(line: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margins = signs * (line[0] * logits + line[1])
        pull = -weights * signs * expit(-margins)
        off = np.array([_SLOPE_PRECISION * (line[0] - 1), _INTERCEPT_PRECISION * line[1]])
        value = weights @ np.logaddexp(0, -margins) + off @ (line - [1, 0]) / 2
        return float(value), np.array([pull @ logits, pull.sum()]) + off

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, bounds=[(0, None), (None, None)], method="L-BFGS-B").x
    return Line(float(found[0]), float(found[1]))


def fit_score_line(held_out: NDArray[np.float64], liked: NDArray[np.bool_], weights: NDArray[np.float64]) -> Line:
    """Turn scores of any scale into log-odds: as `fit_line`, after bringing them to mean 0 and deviation 1."""
    mean, deviation = float(held_out.mean()), float(held_out.std())
    if deviation == 0:
        return Line(0.0, fit_line(np.zeros_like(held_out), liked, weights).intercept)
    line = fit_line((held_out - mean) / deviation, liked, weights)
    return Line(line.slope / deviation, line.intercept - line.slope * mean / deviation)


def fit_offsets(
    logits: HeldOut, liked: NDArray[np.bool_], weights: NDArray[np.float64], tastes: NDArray[np.str_]
) -> dict[str, float]:
    """Return for each taste what is to be added to the log-odds of its tracks.

    For each of `VARIANCES` that is the most probable intercept of the taste, given a normal prior of mean 0 with this
    variance; of these it is the mean, each weighted by how probable its variance is given the labels. It is hardly
    more than 0 where the common model is right about the tastes, and where there are few labels.

    Args:
        logits: float64 ``(repeats, n)``, calibrated log-odds of every label by models that have not seen it.
        liked: bool ``(n,)``.
        weights: float64 ``(n,)``; tastes whose labels all have the weight 0 are left out.
        tastes: str ``(n,)``, the taste_id of each.

    Source:
        Gelman and Hill, *Data Analysis Using Regression and Multilevel/Hierarchical Models*, 2007, chapter 14: random
        intercepts. Hoeting, Madigan, Raftery and Volinsky, *Bayesian model averaging: a tutorial*, Statistical Science,
        1999. Tierney and Kadane, *Accurate approximations for posterior moments and marginal densities*, Journal of the
        American Statistical Association, 1986: Laplace's method.
    """
    used = weights > 0
    names, place = np.unique(tastes[used], return_inverse=True)
    labels = _Labels(len(names), place, weights[used] / len(logits), liked[used], logits[:, used])
    intercepts = np.array([labels.intercepts(variance) for variance in VARIANCES])
    evidence = [labels.evidence(*pair) for pair in zip(intercepts, VARIANCES, strict=True)]
    offsets = softmax(np.log(list(VARIANCES.values())) + evidence) @ intercepts
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


@dataclass(frozen=True, slots=True)
class _Labels:
    """What offsets are fitted to.

    Attributes:
        tastes: How many tastes.
        place: intp ``(n,)``, the number of each label's taste.
        share: float64 ``(n,)``, the weight of each label in every repetition.
        liked: bool ``(n,)``.
        given: float64 ``(repeats, n)``, log-odds without offsets.
    """

    tastes: int
    place: NDArray[np.intp]
    share: NDArray[np.float64]
    liked: NDArray[np.bool_]
    given: NDArray[np.float64]

    def intercepts(self, variance: float) -> NDArray[np.float64]:
        """Return the most probable intercepts, float64 ``(tastes,)``.

        Source:
            Steps of at most 1 make Newton's method safe: Bach, *Self-concordant analysis for logistic regression*,
            Electronic Journal of Statistics, 2010.
        """
        found = np.zeros(self.tastes)
        if variance == 0:
            return found
        for _ in range(_STEPS):
            chances = expit(self.given + found[self.place])
            pull = self._sums(self.liked - chances) - found / variance
            step = np.clip(pull / (self._sums(chances * (1 - chances)) + 1 / variance), -1, 1)
            found += step
            if np.abs(step).max(initial=0.0) < _PRECISION:
                break
        return found

    def evidence(self, intercepts: NDArray[np.float64], variance: float) -> float:
        """Return the logarithm of the labels' probability given the variance, by Laplace's method.

        It is taken at the most probable intercepts. For each taste with intercept a and curvature
        ``h = sum(share * p * (1 - p))`` it is ``sum(share * log p(label)) - a**2 / 2v - log(1 + v * h) / 2``.
        """
        logits = self.given + intercepts[self.place]
        chances = expit(logits)
        losses = self.share @ np.logaddexp(0, np.where(self.liked, -logits, logits)).sum(axis=0)
        if variance == 0:
            return -float(losses)
        spread = np.log1p(variance * self._sums(chances * (1 - chances))) + np.square(intercepts) / variance
        return -float(losses + spread.sum() / 2)

    def _sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return each taste's weighted sum of ``(repeats, n)`` values."""
        sums: NDArray[np.float64] = np.bincount(self.place, self.share * values.sum(axis=0), self.tastes).astype(
            np.float64
        )
        return sums
