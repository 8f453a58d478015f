"""Metrics of one listener's slates.

A ranking is an array of distinct rows, best first; relevant rows are those that the listener is known to like.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from palate.plugins.strategy import Rows
from scipy.special import rel_entr
from sklearn.metrics import ndcg_score

__all__ = [
    "catalog_coverage",
    "dislikes_shown",
    "expected_calibration_error",
    "genre_calibration",
    "intra_list_diversity",
    "labels_until_useful",
    "like_rate",
    "ndcg_at",
    "novelty",
    "recall_at",
    "recall_by_taste",
    "regret",
    "tastes_starved",
    "worst_taste_recall",
]

_CALIBRATION_SMOOTHING: Final = 0.01


def recall_at(ranking: Rows, relevant: Rows, k: int) -> float:
    """Return the share of the relevant rows among the first `k`, in [0, 1]; NaN when none is relevant."""
    return float(np.isin(relevant, ranking[:k]).mean()) if len(relevant) else float("nan")


def recall_by_taste(ranking: Rows, relevant: Mapping[str, Rows], k: int) -> dict[str, float]:
    """Return the recall at `k` of each taste that has relevant rows."""
    return {taste: recall_at(ranking, rows, k) for taste, rows in relevant.items() if len(rows)}


def worst_taste_recall(ranking: Rows, relevant: Mapping[str, Rows], k: int) -> float:
    """Return the lowest recall at `k` of any taste; NaN when no taste has relevant rows."""
    return min(recall_by_taste(ranking, relevant, k).values(), default=float("nan"))


def tastes_starved(ranking: Rows, relevant: Mapping[str, Rows], k: int) -> int:
    """Return how many tastes with relevant rows have none of them among the first `k`."""
    return sum(recall == 0 for recall in recall_by_taste(ranking, relevant, k).values())


def ndcg_at(ranking: Rows, relevant: Rows, k: int) -> float:
    """Return the normalised discounted cumulative gain at `k` with gains of 1 and 0; NaN when none is relevant.

    Source:
        Järvelin and Kekäläinen, *Cumulated gain-based evaluation of IR techniques*, 2002; computed by
        `sklearn.metrics.ndcg_score`.
    """
    if len(relevant) == 0:
        return float("nan")
    shown = ranking[:k]
    missed = np.setdiff1d(relevant, shown)
    gains = np.zeros(k + len(missed) + 1)
    gains[: len(shown)] = np.isin(shown, relevant)
    gains[k : k + len(missed)] = 1  # what is missed stands behind everything that could be shown
    return float(ndcg_score([gains], [-np.arange(len(gains))], k=k))


def like_rate(liked: ArrayLike) -> float:
    """Return the share of likes among the ratings on what was shown; NaN without any."""
    ratings = np.asarray(liked, dtype=np.float64)
    return float(ratings.mean()) if len(ratings) else float("nan")


def dislikes_shown(liked: ArrayLike) -> int:
    """Return how many of the ratings on what was shown are dislikes."""
    return int(np.sum(~np.asarray(liked, dtype=np.bool_)))


def regret(best: ArrayLike, shown: ArrayLike) -> NDArray[np.float64]:
    """Return the cumulative regret after each turn, float64 ``(turns,)``.

    Args:
        best: True chance of a like of what an oracle would have shown, ``(turns,)``, or ``(turns, slots)``.
        shown: The same of what was shown.
    """
    lost = np.asarray(best, dtype=np.float64) - np.asarray(shown, dtype=np.float64)
    return np.cumsum(lost.reshape(len(lost), -1).sum(axis=1))


def labels_until_useful(liked: ArrayLike, window: int, threshold: float) -> float:
    """Return after how many labels the last `window` of them have a like rate above the threshold; inf when never.

    Args:
        liked: bool ``(n,)``, the ratings in the order given.
        window: How many labels are looked at together.
        threshold: The like rate to exceed.
    """
    totals = np.cumsum(np.concatenate([[0], np.asarray(liked, dtype=np.int64)]))
    useful = np.flatnonzero(totals[window:] - totals[:-window] > threshold * window)
    return float(useful[0] + window) if len(useful) else float("inf")


def expected_calibration_error(chances: ArrayLike, liked: ArrayLike, bins: int = 10) -> float:
    """Return how far predicted chances are from the share of likes, in the mean over bins of equal width.

    Source:
        Naeini, Cooper and Hauskrecht, *Obtaining well calibrated probabilities using Bayesian binning*, AAAI 2015.
    """
    predicted, happened = np.asarray(chances, dtype=np.float64), np.asarray(liked, dtype=np.float64)
    place = np.minimum((predicted * bins).astype(np.intp), bins - 1)
    gaps = np.bincount(place, predicted - happened, minlength=bins)
    return float(np.abs(gaps).sum() / len(predicted)) if len(predicted) else float("nan")


def genre_calibration(history: Mapping[str, float], slate: Mapping[str, float]) -> float:
    """Return how far a slate's genres are from those of a listener's likes: a Kullback-Leibler divergence in nats.

    0 is a slate in the listener's own proportions. The slate's distribution is mixed with 1 % of the history's, so
    that a missing genre costs much and not everything.

    Args:
        history: Share of each genre in the likes, adding up to 1.
        slate: Share of each genre in the slate, adding up to 1.

    Source:
        Steck, *Calibrated recommendations*, RecSys 2018.
    """
    wanted = np.array(list(history.values()))
    shown = np.array([slate.get(genre, 0.0) for genre in history])
    mixed = (1 - _CALIBRATION_SMOOTHING) * shown + _CALIBRATION_SMOOTHING * wanted
    return float(rel_entr(wanted, mixed).sum())


def intra_list_diversity(vectors: NDArray[np.float32]) -> float:
    """Return the mean of 1 - cosine over all pairs of a slate, in [0, 2]; NaN for fewer than two.

    Args:
        vectors: ``(n, dimensions)`` of length 1.

    Source:
        Smyth and McClave, *Similarity vs. diversity*, ICCBR 2001; Ziegler et al., *Improving recommendation lists
        through topic diversification*, WWW 2005.
    """
    count = len(vectors)
    if count < 2:  # noqa: PLR2004 - a pair
        return float("nan")
    total = np.square(vectors.sum(axis=0, dtype=np.float64)).sum() - np.square(vectors, dtype=np.float64).sum()
    return float(1 - total / (count * (count - 1)))


def novelty(popularity: NDArray[np.uint8], rows: Rows) -> float:
    """Return the mean self-information of a slate in bits; NaN for an empty one.

    A track's probability is its share of the catalog's popularity, with 1 added to each.

    Args:
        popularity: uint8 ``(tracks,)``, of the whole catalog.
        rows: The slate.

    Source:
        Zhou et al., *Solving the apparent diversity-accuracy dilemma of recommender systems*, PNAS 2010.
    """
    if len(rows) == 0:
        return float("nan")
    weight = popularity.astype(np.float64) + 1
    return float(-np.log2(weight[rows] / weight.sum()).mean())


def catalog_coverage(slates: Iterable[Rows], tracks: int) -> float:
    """Return the share of a catalog that occurs in the slates of all listeners together, in [0, 1].

    Source:
        Herlocker et al., *Evaluating collaborative filtering recommender systems*, 2004.
    """
    shown: Sequence[Rows] = list(slates)
    return len(np.unique(np.concatenate(shown))) / tracks if shown else 0.0
