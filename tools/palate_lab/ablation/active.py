"""Which tastes get slots: the rule that palate has, for baselines that keep tastes apart."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from palate.catalog.snapshot import Catalog
from palate.plugins.strategy import Rows

from palate_lab.comparison.baselines import History, Recommender, by_cluster
from palate_lab.comparison.baselines.per_taste import Assign

__all__ = ["ActiveTastes"]

_LIKES: Final = 2
"""Likes from which a taste has slots. A single like in a cluster is often a stray one."""


class ActiveTastes:
    """Tells a recommender only what was said of tastes with two likes or more.

    Where there is none, it is told everything.

    Args:
        catalog: The catalog.
        base: The recommender.
        assign: Which taste a track counts for; that of its genre cluster when None.
    """

    def __init__(self, catalog: Catalog, base: Recommender, assign: Assign | None = None) -> None:
        self._base = base
        self._assign = assign or by_cluster(catalog)

    def recommend(self, history: History, count: int, rng: np.random.Generator) -> Rows:
        """Return what the recommender recommends, without rated tracks."""
        told = self._active(history)
        rows = self._base.recommend(told, count + len(history.rows) - len(told.rows), rng)
        return rows[~np.isin(rows, history.rows)][:count]

    def scores(self, history: History, rows: Rows) -> NDArray[np.float64]:
        """Return the recommender's scores."""
        return self._base.scores(self._active(history), rows)

    def _active(self, history: History) -> History:
        tastes, places = np.unique(self._assign(history.rows), return_inverse=True)
        active = np.bincount(places, history.liked, minlength=len(tastes)) >= _LIKES
        return history.part(active[places]) if active.any() else history
