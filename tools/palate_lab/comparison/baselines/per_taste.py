"""Keeping tastes apart, and sharing slots among them, each alone and both together."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from palate.catalog.snapshot import Catalog
from palate.plugins.strategy import Rows

from palate_lab.comparison.baselines.contract import History, Recommender, best_first, eligible_rows

__all__ = ["Assign", "PerTaste", "SharedSlots", "by_cluster"]

Assign = Callable[[Rows], NDArray[np.int64]]
"""Returns the taste that each row belongs to, int64 ``(n,)``."""

_NOWHERE: Final = -np.inf


def by_cluster(catalog: Catalog) -> Assign:
    """Return what assigns each track to the taste of its genre cluster."""
    return lambda rows: catalog.cluster[rows].astype(np.int64)


class PerTaste:
    """Asks a recommender for each taste of its own, with that taste's likes and dislikes alone.

    Args:
        catalog: The catalog.
        base: The recommender.
        assign: Which taste a rated track counts for; that of its genre cluster when None.
        shared_slots: Whether tastes take turns in the slate, or the highest scores of all make it up.
    """

    def __init__(
        self, catalog: Catalog, base: Recommender, assign: Assign | None = None, *, shared_slots: bool = True
    ) -> None:
        self._base = base
        self._assign = assign or by_cluster(catalog)
        self._shared_slots = shared_slots
        self._eligible = eligible_rows(catalog)

    def recommend(self, history: History, count: int, rng: np.random.Generator) -> Rows:
        """Return the best of every taste in turns, or the best of all."""
        rows = np.setdiff1d(self._eligible, history.rows, assume_unique=True)
        scores = self._by_taste(history, rows)
        if len(scores) == 0:
            return self._base.recommend(history, count, rng)
        if not self._shared_slots:
            return best_first(rows, scores.max(axis=0), count)
        return _in_turns([best_first(rows, line, count) for line in scores], count)

    def scores(self, history: History, rows: Rows) -> NDArray[np.float64]:
        """Return the score of each row by the taste that scores it highest."""
        scores = self._by_taste(history, rows)
        return scores.max(axis=0) if len(scores) else self._base.scores(history, rows)

    def _by_taste(self, history: History, rows: Rows) -> NDArray[np.float64]:
        """Return each taste's scores, ``(tastes, n)``; tastes without likes have none."""
        assigned = self._assign(history.rows)
        tastes = np.unique(assigned[history.liked])
        return np.array([self._base.scores(history.part(assigned == taste), rows) for taste in tastes])


class SharedSlots:
    """Ranks with one recommender for all tastes, and has the tastes take turns in the slate.

    Args:
        catalog: The catalog.
        base: The recommender.
        assign: Which taste a track counts for; that of its genre cluster when None.
    """

    def __init__(self, catalog: Catalog, base: Recommender, assign: Assign | None = None) -> None:
        self._base = base
        self._assign = assign or by_cluster(catalog)
        self._eligible = eligible_rows(catalog)

    def recommend(self, history: History, count: int, rng: np.random.Generator) -> Rows:
        """Return the best tracks of the clusters that have likes, in turns."""
        liked = np.unique(self._assign(history.likes))
        if len(liked) == 0:
            return self._base.recommend(history, count, rng)
        rows = np.setdiff1d(self._eligible, history.rows, assume_unique=True)
        assigned, scores = self._assign(rows), self._base.scores(history, rows)
        return _in_turns([best_first(rows[own], scores[own], count) for own in assigned == liked[:, None]], count)

    def scores(self, history: History, rows: Rows) -> NDArray[np.float64]:
        """Return the recommender's own scores."""
        return self._base.scores(history, rows)


def _in_turns(queues: Sequence[Rows], count: int) -> Rows:
    """Take the first of each queue, then the second of each, without repeats."""
    return np.fromiter(_turns(queues, count), dtype=np.int32)


def _turns(queues: Sequence[Rows], count: int) -> Iterator[int]:
    seen: set[int] = set()
    waiting = [iter(queue.tolist()) for queue in queues]
    while waiting:
        for queue in list(waiting):
            row = next((row for row in queue if row not in seen), None)
            if row is None:
                waiting.remove(queue)
                continue
            seen.add(row)
            yield row
            if len(seen) == count:
                return
