"""Likeness to what is liked, without fitting anything."""

import numpy as np
from numpy.typing import NDArray
from palate.domain.profile import PRIOR_STRENGTH
from palate.plugins.strategy import Rows
from scipy.special import expit

from palate_lab.comparison.baselines.contract import History, Ranker
from palate_lab.comparison.baselines.space import ItemSpace

__all__ = ["AverageVector", "BestScore", "MergedCentroid", "NearestLiked"]


class _InSpace(Ranker):
    """Compares vectors.

    Args:
        space: The vectors.
    """

    def __init__(self, space: ItemSpace) -> None:
        super().__init__(space.catalog)
        self._space = space


class MergedCentroid(_InSpace):
    """Cosine to the mean of all likes less ``D / (D + 4)`` of the cosine to the mean of all `D` dislikes.

    The weight is the one that palate's own ranking gives to dislikes: few of them do not turn everything around.

    Source:
        Rocchio, *Relevance feedback in information retrieval*, 1971.
    """

    def scores(self, history: History, rows: Rows) -> NDArray[np.float64]:
        """Return the weighted difference of both cosines."""
        liked, disliked = (_unit(self._space.mean(side)) for side in (history.likes, history.dislikes))
        dislikes = len(history.dislikes)
        return self._space.project(rows, liked - np.float32(dislikes / (dislikes + PRIOR_STRENGTH)) * disliked)


class NearestLiked(_InSpace):
    """The highest cosine with any like less the highest cosine with any dislike."""

    def scores(self, history: History, rows: Rows) -> NDArray[np.float64]:
        """Return the difference of both cosines."""
        liked = self._space.highest_cosine(rows, history.likes)
        return liked - self._space.highest_cosine(rows, history.dislikes)


class AverageVector(_InSpace):
    """Cosine to ``2 * mean(likes) - mean(dislikes)``: the strategy ``average_vector`` of Qdrant's recommendations.

    Source:
        Qdrant's documentation, *Explore the data*, on recommendation strategies.
    """

    def scores(self, history: History, rows: Rows) -> NDArray[np.float64]:
        """Return the cosine to the one query vector; to the mean of the likes where there are no dislikes."""
        mean = self._space.mean(history.likes)
        if len(history.dislikes):
            mean = 2 * mean - self._space.mean(history.dislikes)
        return self._space.project(rows, _unit(mean))


class BestScore(_InSpace):
    """The nearest example decides: the strategy ``best_score`` of Qdrant's recommendations.

    ``sigmoid(s)`` of the highest cosine `s` with a like, or ``-sigmoid(d)`` of the highest cosine `d` with a
    dislike where that is at least as high.

    Source:
        Qdrant's documentation, *Explore the data*, on recommendation strategies.
    """

    def scores(self, history: History, rows: Rows) -> NDArray[np.float64]:
        """Return what the nearest example says."""
        liked = self._space.highest_cosine(rows, history.likes)
        disliked = self._space.highest_cosine(rows, history.dislikes)
        says: NDArray[np.float64] = np.where(liked > disliked, expit(liked), -expit(disliked))
        return says


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale a vector to length 1; zeros stay as they are."""
    length = np.linalg.norm(vector)
    return vector / length if length > 0 else vector
