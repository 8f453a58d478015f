"""Which labels are told to the server, and which are held out to judge by."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from palate_tools.tables import counted
from sklearn.model_selection import train_test_split

__all__ = ["Split", "impossible_sizes", "make_splits"]


@dataclass(frozen=True, slots=True)
class Split:
    """Which labels are told and which are held out.

    Attributes:
        size: How many are told.
        seed: What drew them.
        told: Their positions, in the order in which they are told.
        held: Positions of all others.
    """

    size: int
    seed: int
    told: NDArray[np.intp]
    held: NDArray[np.intp]

    @property
    def user_id(self) -> str:
        """The listener that stands for it."""
        return f"listener-{self.size}-{self.seed}"


def make_splits(liked: NDArray[np.bool_], sizes: Sequence[int], seeds: int) -> list[Split]:
    """Draw labels of both kinds in their proportion, `seeds` times for each size; none of them impossible."""
    return [
        Split(size, seed, *train_test_split(np.arange(len(liked)), train_size=size, random_state=seed, stratify=liked))
        for size in sizes
        for seed in range(seeds)
    ]


def impossible_sizes(liked: NDArray[np.bool_], sizes: Sequence[int], least_held: int) -> dict[int, str]:
    """Say of each size that these labels are too few for why.

    Args:
        liked: bool ``(n,)``, True for a like.
        sizes: How many labels are to be told.
        least_held: How many must be held out at least.
    """
    count, likes = len(liked), int(liked.sum())
    rarer, kind = min((likes, "like"), (count - likes, "dislike"))
    reasons = {}
    for size in sizes:
        if size + least_held > count:
            reasons[size] = f"{counted(count, 'label')} are too few to tell so many and to hold out {least_held}"
        elif not 1 <= size * rarer / count <= rarer - 1:
            reasons[size] = f"too few {kind}s, {rarer} of {counted(count, 'label')}, to tell some and to hold out some"
    return reasons
