"""Re-ranking for diversity: what a merged recommender can do about its sameness without knowing of tastes."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from palate_lab.comparison.metrics import intra_list_diversity

__all__ = ["diversify", "trade_off_for"]

_HALVINGS: Final = 12


def diversify(
    relevance: NDArray[np.float64], vectors: NDArray[np.float32], count: int, trade_off: float
) -> NDArray[np.intp]:
    """Choose candidates by maximal marginal relevance.

    Each pick is the candidate of the highest ``trade_off * relevance - (1 - trade_off) * likeness``, where the
    likeness is the highest cosine with a candidate that was picked before.

    Args:
        relevance: float64 ``(n,)``; brought to [0, 1] first, so that it weighs against a cosine.
        vectors: float32 ``(n, dimensions)`` of length 1.
        count: How many to choose.
        trade_off: 1 for relevance alone, 0 for diversity alone.

    Returns:
        Positions of the candidates, in the order picked.

    Source:
        Carbonell and Goldstein, *The use of MMR, diversity-based reranking for reordering documents and
        producing summaries*, SIGIR 1998.
    """
    span = np.ptp(relevance)
    gain = trade_off * (relevance - relevance.min()) / (span if span > 0 else 1.0)
    likeness = np.zeros(len(relevance))
    picked: list[int] = []
    for _ in range(min(count, len(relevance))):
        marginal = gain - (1 - trade_off) * likeness
        marginal[picked] = -np.inf
        best = int(marginal.argmax())
        likeness = np.maximum(likeness, vectors @ vectors[best])
        picked.append(best)
    return np.array(picked, dtype=np.intp)


def trade_off_for(relevance: NDArray[np.float64], vectors: NDArray[np.float32], count: int, diversity: float) -> float:
    """Return the highest trade-off whose list is at least as diverse as asked for, found by halving; else 0.

    Args:
        relevance: As in `diversify`.
        vectors: As in `diversify`.
        count: As in `diversify`.
        diversity: The intra-list diversity to reach.
    """
    low, high = 0.0, 1.0
    if intra_list_diversity(vectors[diversify(relevance, vectors, count, high)]) >= diversity:
        return high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if intra_list_diversity(vectors[diversify(relevance, vectors, count, middle)]) >= diversity:
            low = middle
        else:
            high = middle
    return low
