"""One model of everything that a listener rated, with tracks drawn from the catalog as further negatives."""

from abc import abstractmethod
from typing import Any, Final

import numpy as np
from lightgbm import LGBMClassifier
from numpy.typing import NDArray
from palate.plugins.strategy import Rows
from sklearn.linear_model import LogisticRegression

from palate_lab.comparison.baselines.contract import History, Ranker
from palate_lab.comparison.baselines.space import ItemSpace

__all__ = ["MergedLightGBM", "MergedLogistic"]

_SAMPLES: Final = 4
"""Unrated tracks drawn for each rating."""

_SAMPLE_SHARE: Final = 1.0
"""What all drawn tracks together weigh against all likes together."""


class _Fitted(Ranker):
    """Fits a classifier at each call.

    Most unrated tracks would not please: some of them stand in as negatives, all together as heavy as the likes, so
    that a listener who only likes can be learned from, and one who dislikes little is not taken to like the rest.

    Args:
        space: The vectors.
        seed: Of the draws of negatives.

    Source:
        Pan et al., *One-class collaborative filtering*, ICDM 2008, for sampled and down-weighted negatives.
    """

    def __init__(self, space: ItemSpace, seed: int = 0) -> None:
        super().__init__(space.catalog)
        self._space = space
        self._seed = seed

    @abstractmethod
    def _classifier(self) -> Any:
        """Return a classifier of scikit-learn's kind."""

    def scores(self, history: History, rows: Rows) -> NDArray[np.float64]:
        """Return the probability of a like; 0 for a history without likes."""
        if not history.liked.any():
            return np.zeros(len(rows))
        drawn = self._negatives(history)
        told = np.concatenate([history.rows, drawn])
        target = np.concatenate([history.liked, np.zeros(len(drawn), dtype=np.bool_)])
        weight = np.full(len(drawn), _SAMPLE_SHARE * history.liked.sum() / max(len(drawn), 1))
        model = self._classifier().fit(
            self._space.vectors[told], target, sample_weight=np.concatenate([np.ones(len(history.rows)), weight])
        )
        chances: NDArray[np.float64] = model.predict_proba(self._space.of(rows))[:, 1].astype(np.float64)
        return chances

    def _negatives(self, history: History) -> Rows:
        rows = np.setdiff1d(self._eligible, history.rows, assume_unique=True)
        count = min(_SAMPLES * len(history.rows), len(rows))
        return history.generator(self._seed).choice(rows, count, replace=False)


class MergedLogistic(_Fitted):
    """Logistic regression."""

    def _classifier(self) -> LogisticRegression:
        return LogisticRegression(C=10.0, max_iter=1000)


class MergedLightGBM(_Fitted):
    """Boosted trees, set for small data."""

    def _classifier(self) -> LGBMClassifier:
        return LGBMClassifier(
            n_estimators=100,
            max_depth=3,
            learning_rate=0.05,
            min_child_samples=5,
            n_jobs=1,
            verbosity=-1,
            random_state=self._seed,
        )
