"""From a profile to labels, and tracks of the catalog as weak dislikes."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from palate.catalog.snapshot import Catalog
from palate.plugins.learner import Dataset
from palate.store.contract import Store
from palate_tools.training.dataset import Labels, with_negatives


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


@pytest.fixture
def labels(tell: Callable[..., None], store: Store, catalog: Catalog) -> Labels:
    """Return the labels of a listener of two tastes."""
    tell("ana", 60)
    stored = store.profile("ana")
    assert stored is not None
    return Labels.of(stored[0], catalog, 1000)


def test_all_labels_together_make_the_stored_profile(labels: Labels) -> None:
    """Tallies that are summed at once are those that were applied one by one."""
    assert dict(labels.profile.tastes) == dict(labels.profile_of(np.arange(60)).tastes)


def test_labels_are_counted_by_taste_and_by_what_the_catalog_knows(labels: Labels) -> None:
    """The numbers of the tastes add up to those of the listener."""
    likes, dislikes = labels.counts()
    by_taste = [labels.counts(taste_id) for taste_id in labels.profile.tastes]
    assert (likes, dislikes) == tuple(map(sum, zip(*by_taste, strict=True)))
    assert 60 == likes + dislikes
    gone = replace(labels, rows=np.where(labels.liked, -1, labels.rows).astype(np.int32))
    assert (0, dislikes) == gone.counts(known=True)
    assert (likes, dislikes) == gone.counts()
