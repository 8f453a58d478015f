"""Labels before a fit."""

import numpy as np
import pytest
from palate.testing.learner import make_dataset
from palate_strategies.learners.fitting import folds_of, thinned


def test_labels_up_to_the_limit_stay_as_they_are() -> None:
    """Nothing is thinned out that fits."""
    dataset = make_dataset(100)
    assert dataset is thinned(dataset, 100, seed=0)


def test_thinning_keeps_the_rarer_kind_and_the_share_of_likes() -> None:
    """Of 1,000 labels with 30 likes, 200 stay: all likes, and dislikes that weigh as much as there were."""
    dataset = make_dataset(1000)
    dataset.labels[:] = np.arange(1000) < 30
    kept = thinned(dataset, 200, seed=0)
    assert (200, 30) == (len(kept.labels), kept.labels.sum())
    assert pytest.approx((30, 970)) == (kept.weights[kept.labels].sum(), kept.weights[~kept.labels].sum())


def test_every_label_is_held_out_once() -> None:
    """The folds divide the labels, and each has likes."""
    labels = np.arange(40) < 10
    tested = [held_out for _, held_out in folds_of(labels, 5, seed=0)]
    assert list(range(40)) == sorted(np.concatenate(tested))
    assert [2] * 5 == [labels[held_out].sum() for held_out in tested]


def test_there_are_as_many_folds_as_the_rarer_kind_allows() -> None:
    """Three likes make three folds, and a single one none."""
    assert [3, 0] == [len(folds_of(np.arange(40) < likes, 5, seed=0)) for likes in (3, 1)]
