"""What all learners do around a fit: check their configuration, prepare the labels, keep to one thread."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, wraps
from math import inf
from typing import ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray
from palate.plugins.learner import Dataset
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import ThreadpoolController

__all__ = ["Folds", "folds_of", "require_between", "require_both_kinds", "single_threaded", "thinned"]

P = ParamSpec("P")
R = TypeVar("R")

Folds = list[tuple[NDArray[np.int64], NDArray[np.int64]]]
"""Rows to fit to and rows to test on, fold by fold."""


def require_both_kinds(dataset: Dataset) -> None:
    """Raise ValueError when there are no likes or no dislikes."""
    if dataset.labels.all() or not dataset.labels.any():
        kind = "dislikes" if dataset.labels.any() else "likes"
        raise ValueError(f"the labels hold no {kind}: a model needs likes and dislikes; collect more feedback first")


def thinned(dataset: Dataset, limit: int, seed: int) -> Dataset:
    """Return at most `limit` labels, chosen by chance, so that the time of a fit is bounded.

    The rarer kind is kept whole as far as it fits into half of the limit. The weights of those that stay make up
    for those that go, so that the share of likes stays what it was.
    """
    if len(dataset.labels) <= limit:
        return dataset
    kinds = [np.flatnonzero(dataset.labels), np.flatnonzero(~dataset.labels)]
    rarer, other = sorted(kinds, key=len)
    kept = min(len(rarer), limit // 2)
    weights = dataset.weights.copy()
    generator = np.random.default_rng(seed)
    chosen = []
    for rows, size in ((rarer, kept), (other, limit - kept)):
        chosen.append(generator.choice(rows, size, replace=False))
        weights[rows] *= len(rows) / size
    rows = np.sort(np.concatenate(chosen))
    return replace(dataset, features=dataset.features[rows], labels=dataset.labels[rows], weights=weights[rows])


def folds_of(labels: NDArray[np.bool_], count: int, seed: int) -> Folds:
    """Divide labels into folds with the same share of likes; none where a kind has a single label.

    Args:
        labels: bool ``(n,)``.
        count: How many folds there are when each kind has at least that many labels; otherwise there are fewer.
        seed: For the order of the labels.
    """
    splits = min(count, int(labels.sum()), int((~labels).sum()))
    if splits < 2:  # noqa: PLR2004 -- one fold would leave nothing to fit to
        return []
    return list(StratifiedKFold(splits, shuffle=True, random_state=seed).split(labels, labels))


def require_between(config: object, *fields: str, least: float, most: float = inf) -> None:
    """Raise ValueError when a field of a configuration is below `least`, above `most` or infinite."""
    for field in fields:
        value = getattr(config, field)
        if not (least <= value <= most and value < inf):
            limits = f"at least {least}" + (f" and at most {most}" if most < inf else " and finite")
            raise ValueError(f"{field} must be {limits}, not {value}")


def single_threaded(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function run without helping threads.

    The models are so small that threads cost more than they bring, the trainer fits several at once, and sums that
    are shared among threads come out differently from run to run.
    """

    @wraps(function)
    def alone(*args: P.args, **kwargs: P.kwargs) -> R:
        with _controller().limit(limits=1):
            return function(*args, **kwargs)

    return alone


@cache
def _controller() -> ThreadpoolController:
    """Look for the libraries once: it takes milliseconds."""
    return ThreadpoolController()
