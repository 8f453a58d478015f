"""Why tracks were chosen: the liked track that sounds most alike, and the features that say most for them."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from palate.domain.track import FEATURES
from palate.plugins.strategy import CatalogIndex, Choice, Reason, ReasonKind, Rows

__all__ = ["nearest_liked", "popularity_choice", "strongest_features"]

_NEAREST_AMONG: Final = 512
_STRONGEST: Final = 3


def nearest_liked(
    rows: Rows, liked: Rows, normalized: NDArray[np.float32], weights: NDArray[np.float32]
) -> list[int] | list[None]:
    """Return for each row the liked one with the highest weighted cosine, or None without likes.

    Args:
        rows: The rows.
        liked: Rows of standing likes; the last 512 are looked at.
        normalized: The catalog's normal scores.
        weights: Of each feature in the cosine, float32 ``(9,)``.
    """
    liked = liked[-_NEAREST_AMONG:]
    if len(liked) == 0:
        return [None] * len(rows)
    likes = normalized.take(liked, axis=0)
    lengths = np.sqrt(np.square(likes) @ weights)
    lengths[lengths == 0] = 1
    cosines = (normalized.take(rows, axis=0) * weights) @ likes.T / lengths  # times the row's own length, equal for all
    nearest: list[int] = liked[cosines.argmax(axis=1)].tolist()
    return nearest


def strongest_features(shares: NDArray[np.float32]) -> list[tuple[tuple[str, float], ...]]:
    """Return for each row of shares, ``(n, 9)``, the features with the largest ones above 0, at most three."""
    ranked = np.argsort(-shares, axis=1)[:, :_STRONGEST]
    values = shares[np.arange(len(shares))[:, np.newaxis], ranked].tolist()
    return [
        tuple((FEATURES[number], share) for number, share in zip(*row, strict=True) if share > 0)
        for row in zip(ranked.tolist(), values, strict=True)
    ]


def popularity_choice(row: int, kind: ReasonKind, catalog: CatalogIndex) -> Choice:
    """Make a choice of a row for which nothing but its popularity speaks."""
    share = int(catalog.popularity[row]) / 100
    return Choice(row, share, Reason(kind, parts={"popularity": share}))
