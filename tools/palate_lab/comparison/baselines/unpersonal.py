"""What bounds the others: chance and popularity from below, the truth from above."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from palate.catalog.snapshot import Catalog
from palate.plugins.strategy import Rows

from palate_lab.comparison.baselines.contract import History, Ranker

__all__ = ["Oracle", "Popularity", "Random"]


class Random(Ranker):
    """Recommends by chance.

    Args:
        catalog: The catalog.
        seed: Of the scores; `recommend` draws from the generator that it is given.
    """

    def __init__(self, catalog: Catalog, seed: int = 0) -> None:
        super().__init__(catalog)
        self._seed = seed

    def recommend(self, history: History, count: int, rng: np.random.Generator) -> Rows:
        """Return rows drawn with equal chances."""
        rows = np.setdiff1d(self._eligible, history.rows, assume_unique=True)
        return rng.permutation(rows)[:count]

    def scores(self, history: History, rows: Rows) -> NDArray[np.float64]:
        """Return scores that say nothing, the same for equal histories."""
        return history.generator(self._seed).random(len(self.catalog))[rows]


class Popularity(Ranker):
    """Recommends the most popular tracks to everybody."""

    def scores(self, history: History, rows: Rows) -> NDArray[np.float64]:  # noqa: ARG002 - not personal
        """Return the popularity of each row."""
        return self.catalog.popularity[rows].astype(np.float64)


class Oracle(Ranker):
    """Recommends what a simulated listener is most likely to like: the ceiling for all others.

    Args:
        catalog: The catalog.
        chance: Returns the true chance of a like for each row, float ``(n,)``.
    """

    def __init__(self, catalog: Catalog, chance: Callable[[Rows], NDArray[np.float64]]) -> None:
        super().__init__(catalog)
        self._chance = chance

    def scores(self, history: History, rows: Rows) -> NDArray[np.float64]:  # noqa: ARG002 - knows the truth
        """Return the true chance of each row."""
        return self._chance(rows)
