"""What a baseline is given and answers, and what bounds all of them: chance and popularity below, the truth above."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from palate.catalog.snapshot import Catalog
from palate.plugins.strategy import Rows

__all__ = ["History", "Oracle", "Popularity", "Random", "Ranker", "Recommender", "best_first", "eligible_rows"]


@dataclass(frozen=True, slots=True)
class History:
    """What a listener has rated, oldest first.

    Attributes:
        rows: int32 ``(n,)``, distinct.
        liked: bool ``(n,)``, False for a dislike.
    """

    rows: Rows
    liked: NDArray[np.bool_]

    @classmethod
    def of_likes(cls, rows: Iterable[int]) -> Self:
        """Return the history of a listener who has only liked."""
        likes = np.fromiter(rows, dtype=np.int32)
        return cls(likes, np.ones(len(likes), dtype=np.bool_))

    @property
    def likes(self) -> Rows:
        """The liked rows."""
        return self.rows[self.liked]

    @property
    def dislikes(self) -> Rows:
        """The disliked rows."""
        return self.rows[~self.liked]

    def part(self, kept: NDArray[np.bool_]) -> "History":
        """Return the ratings of a mask, bool ``(n,)``."""
        return History(self.rows[kept], self.liked[kept])

    def generator(self, seed: int) -> np.random.Generator:
        """Return chance that is the same for equal histories and differs between others."""
        return np.random.default_rng([seed, *self.rows.tolist()])


class Recommender(Protocol):
    """A way to recommend. It keeps nothing of a listener between calls."""

    def recommend(self, history: History, count: int, rng: np.random.Generator) -> Rows:
        """Return at most `count` rows, best first, without rated ones and excluded clusters, int32 ``(count,)``."""

    def scores(self, history: History, rows: Rows) -> NDArray[np.float64]:
        """Return a score for each row, higher is better, float64 ``(n,)``; rated rows are scored like any other."""


class Ranker(ABC):
    """A recommender that shows whatever it scores highest. Equal scores keep the order of the catalog.

    Args:
        catalog: The catalog.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._eligible = eligible_rows(catalog)

    @abstractmethod
    def scores(self, history: History, rows: Rows) -> NDArray[np.float64]:
        """Return a score for each row; see `Recommender.scores`."""

    def recommend(self, history: History, count: int, rng: np.random.Generator) -> Rows:  # noqa: ARG002 - leaves nothing to chance
        """Return the rows of the highest scores; see `Recommender.recommend`."""
        rows = np.setdiff1d(self._eligible, history.rows, assume_unique=True)
        return best_first(rows, self.scores(history, rows), count)


def best_first(rows: Rows, scores: NDArray[np.float64], count: int) -> Rows:
    """Return the `count` rows of the highest scores, best first; equal scores keep their order."""
    if count < len(rows):
        least = np.partition(scores, len(rows) - count)[len(rows) - count]
        kept = scores >= least
        rows, scores = rows[kept], scores[kept]
    return rows[np.argsort(-scores, kind="stable")[:count]]


def eligible_rows(catalog: Catalog) -> Rows:
    """Return the rows of all tracks that may be recommended: those outside the excluded clusters."""
    return np.flatnonzero(~np.isin(catalog.cluster, list(catalog.excluded_clusters))).astype(np.int32)


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
