"""Tracks of the catalog as weak dislikes, for listeners who say what they like and hardly what they dislike."""

from dataclasses import replace
from typing import Final

import numpy as np
from palate.plugins.learner import Dataset

__all__ = ["with_negatives"]

_FEW: Final = 0.5
"""Dislikes are few below this share of the likes."""


def with_negatives(dataset: Dataset, weight: float, seed: int) -> Dataset:
    """Add tracks of the background as dislikes of a small weight, as many as there are likes, where dislikes are few.

    Where there are enough dislikes the dataset is returned as it is: there such tracks help nobody. Calibration looks
    at real labels alone and takes out what they do to the share of likes.

    Args:
        dataset: The labels.
        weight: What a track of the catalog counts for; 0 adds none.
        seed: For the draw.

    Source:
        Elkan and Noto, *Learning classifiers from only positive and unlabeled data*, KDD 2008.
    """
    likes = dataset.weights[dataset.labels].sum()
    count = min(int(dataset.labels.sum()), len(dataset.background))
    if weight == 0 or count == 0 or dataset.weights.sum() - likes >= _FEW * likes:
        return dataset
    drawn = np.random.default_rng(seed).choice(len(dataset.background), count, replace=False)
    return replace(
        dataset,
        features=np.concatenate([dataset.features, dataset.background[drawn]]),
        labels=np.concatenate([dataset.labels, np.zeros(count, dtype=np.bool_)]),
        weights=np.concatenate([dataset.weights, np.full(count, weight)]),
    )
