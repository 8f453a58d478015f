"""Intervals around means, differences and ratios over listeners who were all served by both sides."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import bootstrap

__all__ = ["Interval", "caveat", "mean_interval", "paired_difference", "paired_ratio"]

_RESAMPLES: Final = 2_000
_ENOUGH: Final = 24
"""Listeners from which intervals say something; no figures in the guides are of fewer."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and its bootstrap interval.

    Attributes:
        value: The figure over all listeners.
        low: The lower end.
        high: The upper end.
    """

    value: float
    low: float
    high: float

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval is above 0."""
        return self.low > 0

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def caveat(listeners: int) -> str:
    """Say how little intervals over a few listeners are worth; empty where they are worth something."""
    if listeners >= _ENOUGH:
        return ""
    return f"Intervals over so few listeners ({listeners}) say little: take {_ENOUGH} or more with --listeners."


def mean_interval(values: ArrayLike, seed: int, confidence: float = 0.95) -> Interval:
    """Return the mean over listeners with its interval, by the bias-corrected and accelerated bootstrap.

    Listeners whose value is not a number are left out. Of a single listener, or of equal ones, the interval is the
    value itself: there is nothing to resample.

    Args:
        values: float ``(listeners,)``.
        seed: Of the resamples.
        confidence: The interval's level.

    Source:
        Efron, *Better bootstrap confidence intervals*, 1987; computed by `scipy.stats.bootstrap`.
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    if len(known) == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    mean = float(known.mean())
    if np.ptp(known) == 0:
        return Interval(mean, mean, mean)
    found = bootstrap(
        (known,),
        np.mean,
        n_resamples=_RESAMPLES,
        confidence_level=confidence,
        method="BCa",
        rng=np.random.default_rng(seed),
    )
    return Interval(mean, float(found.confidence_interval.low), float(found.confidence_interval.high))


def paired_difference(ours: ArrayLike, theirs: ArrayLike, seed: int, confidence: float = 0.95) -> Interval:
    """Return the mean difference, listener by listener, with its interval; see `mean_interval`."""
    return mean_interval(np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64), seed, confidence)


def paired_ratio(ours: ArrayLike, theirs: ArrayLike, seed: int, confidence: float = 0.95) -> Interval:
    """Return the ratio of both means with its percentile interval, listeners drawn with both their values.

    It is infinite where the others' mean is 0, and not a number where both are.

    Args:
        ours: float ``(listeners,)``.
        theirs: float ``(listeners,)``, of the same listeners in the same order.
        seed: Of the resamples.
        confidence: The interval's level.
    """
    pairs = np.stack([np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)])
    pairs = pairs[:, ~np.isnan(pairs).any(axis=0)]
    if pairs.shape[1] == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    drawn = np.random.default_rng(seed).integers(pairs.shape[1], size=(_RESAMPLES, pairs.shape[1]))
    ratios = _ratio_of_means(*pairs[:, drawn])  # scipy.stats.bootstrap takes no ratio that may be infinite
    ends = (1 - confidence) / 2, (1 + confidence) / 2
    low, high = np.nanquantile(ratios, ends, method="nearest") if not np.isnan(ratios).all() else ratios[:2]
    return Interval(float(_ratio_of_means(*pairs)), float(low), float(high))


def _ratio_of_means(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: NDArray[np.float64] = np.divide(ours.mean(axis=-1), theirs.mean(axis=-1))
    return ratio
