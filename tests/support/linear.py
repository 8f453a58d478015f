"""Models in plain numpy, for tests of what uses models."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from palate.domain.track import FEATURES
from palate.plugins.strategy import TasteModel
from palate.testing.catalog import Listener

__all__ = ["INTERCEPT", "SLOPE", "Linear", "served"]

SLOPE, INTERCEPT = 1.5, -0.5


@dataclass(eq=False)
class Linear:
    """A model that is a logistic regression in numpy."""

    version: str
    learner: str = "logistic"
    weights: NDArray[np.float32] = field(default_factory=lambda: np.linspace(-1, 1, 9, dtype=np.float32))
    ranking_slope: float = SLOPE
    ranking_intercept: float = INTERCEPT
    cluster_offsets: Mapping[str, float] = field(default_factory=dict)

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities."""
        assert features.shape[1:] == (len(FEATURES),)
        answer: NDArray[np.float32] = 1 / (1 + np.exp(-features @ self.weights))
        return answer.astype(np.float32)


def served(listener: Listener, models: Mapping[str, TasteModel]) -> Listener:
    """Return a listener whom models serve."""
    return replace(listener, context=replace(listener.context, models=models))
