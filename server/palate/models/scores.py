"""What models have said of the tracks that they are asked about again and again.

A taste's candidates stay the same until its profile changes, and a model says the same of them for as long as it
serves. So a swap of one taste's model costs the run of that model alone, and a like in one taste no run of the others'.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from palate.lru import LruCache
from palate.models.session import ServedModel

__all__ = ["RememberedModel", "ScoreCache", "score_cache"]

_FEW: Final = 64
"""Up to so many rows it is quicker to run a model than to look for what it said."""
_BYTES_PER_ANSWER: Final = 600
"""What an answer takes beside its values: its key, its place, and the array's own fields."""

ScoreCache: TypeAlias = LruCache[tuple[str, bytes], NDArray[np.float32]]
"""Probabilities by the model's version and the SHA-256 of the features that it was asked about."""


def score_cache(max_bytes: int) -> ScoreCache:
    """Make a cache of so many bytes."""
    return LruCache(max_bytes, lambda answer: answer.nbytes + _BYTES_PER_ANSWER)


class RememberedModel:
    """A model whose answers are kept; keeps `palate.strategy.contract.TasteModel`.

    Args:
        model: The model.
        answers: Where they are kept, those of all models together.

    Attributes:
        version: The model's version.
        recipe: The recipe that trained it.
        ranking_slope: See `palate.strategy.contract.TasteModel`.
        ranking_intercept: See `palate.strategy.contract.TasteModel`.
        cluster_offsets: See `palate.strategy.contract.TasteModel`.
    """

    def __init__(self, model: ServedModel, answers: ScoreCache) -> None:
        self.version = model.version
        self.recipe = model.recipe
        self.ranking_slope = model.ranking_slope
        self.ranking_intercept = model.ranking_intercept
        self.cluster_offsets: Mapping[str, float] = model.cluster_offsets
        self._model = model
        self._answers = answers

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the calibrated probability of a like for normal scores ``(n, 9)``, float32 ``(n,)``; no offsets.

        The array is read-only where it is kept.
        """
        if len(features) <= _FEW:
            return self._model.probabilities(features)
        key = self.version, sha256(np.ascontiguousarray(features).data).digest()
        answer = self._answers.get(key)
        if answer is None:
            answer = self._model.probabilities(features)
            answer.flags.writeable = False
            self._answers.keep(key, answer)
        return answer
