"""Tracks of the catalog as weak dislikes."""

import numpy as np
import pytest
from palate.plugins.learner import Dataset
from palate_tools.training.negatives import with_negatives


def make_dataset(likes: int, dislikes: int) -> Dataset:
    """Return that many labels, and a background whose features are all 7."""
    count = likes + dislikes
    features = np.zeros((count, 9), dtype=np.float32)
    background = np.full((500, 9), 7, dtype=np.float32)
    return Dataset(features, np.arange(count) < likes, np.ones(count), np.empty((0, 9)), background)


def test_a_listener_of_few_dislikes_gets_as_many_weak_ones_as_likes() -> None:
    """The labels stay as they are, before them."""
    dataset = make_dataset(20, 4)
    added = with_negatives(dataset, 0.1, seed=1)
    assert dataset.labels.tolist() == added.labels[:24].tolist()
    assert [False] * 20 == added.labels[24:].tolist()
    assert [0.1] * 20 == added.weights[24:].tolist()
    assert (added.features[24:] == 7).all()


@pytest.mark.parametrize(("likes", "dislikes", "weight"), [(20, 10, 0.1), (20, 4, 0.0), (0, 4, 0.1)])
def test_where_they_do_not_help_there_are_none(likes: int, dislikes: int, weight: float) -> None:
    """Enough dislikes, a weight of 0, or nothing to be weighed against."""
    dataset = make_dataset(likes, dislikes)
    assert dataset is with_negatives(dataset, weight, seed=1)
