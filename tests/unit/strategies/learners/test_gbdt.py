"""Boosted trees beside the network."""

import numpy as np
import pytest
from palate.testing.learner import make_dataset
from palate_strategies.learners.gbdt import Gbdt, GbdtConfig


def test_trees_split_below_forty_labels() -> None:
    """LightGBM's defaults would leave thirty labels in one leaf."""
    fitted = Gbdt(GbdtConfig()).fit(make_dataset(30), 0)
    assert len(fitted.boundaries()) > 0


def test_early_stopping_takes_fewer_trees_where_there_is_less_to_learn() -> None:
    """Labels by chance stop the trees much sooner than labels with a reason."""
    learner, dataset = Gbdt(GbdtConfig()), make_dataset(200)
    meant = learner.fit(dataset, 0).booster.num_trees()
    dataset.labels[:] = np.random.default_rng(0).random(200) < 0.5
    assert learner.fit(dataset, 0).booster.num_trees() < meant / 2


def test_a_single_like_is_enough_to_fit() -> None:
    """There are no folds with one like; the liked track still comes out above the others."""
    dataset = make_dataset(30)
    dataset.labels[:] = np.arange(30) == 0
    assert 0 == Gbdt(GbdtConfig()).fit(dataset, 0).logits(dataset.features).argmax()


def test_of_a_hundred_thousand_labels_trees_are_fitted_to_as_many_as_the_limit_allows() -> None:
    """The others are thinned out, and what comes out still knows what the listener likes."""
    dataset, config = make_dataset(100_000), GbdtConfig(label_share=1.0)
    fitted = Gbdt(config).fit(dataset, 0)
    trees = fitted.booster.dump_model()["tree_info"]
    assert {config.label_limit} == {tree["tree_structure"]["internal_count"] for tree in trees}
    chosen = slice(2_000)
    logits, liked = fitted.logits(dataset.features[chosen]), dataset.labels[chosen]
    assert logits[liked].mean() > 1 + logits[~liked].mean()


def test_a_share_above_one_is_refused() -> None:
    """The configuration is checked when it is made."""
    with pytest.raises(ValueError, match="trees_share must be at least 0 and at most 1, not 2"):
        GbdtConfig(trees_share=2)
