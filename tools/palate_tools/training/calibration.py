"""From scores to calibrated log-odds."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

__all__ = ["Line", "fit_line", "fit_score_line", "log_losses"]

_SLOPE_PRECISION: Final = 4.0
_INTERCEPT_PRECISION: Final = 1.0


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


def log_losses(logits: NDArray[np.float64], liked: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return each label's loss in nats, float64 ``(n,)``."""
    losses: NDArray[np.float64] = np.logaddexp(0, np.where(liked, -logits, logits))
    return losses
