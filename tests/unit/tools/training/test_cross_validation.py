"""Cross-validation on folds that all share, and what a correction of the common model gains."""

from collections.abc import Callable
from typing import cast

import numpy as np
import pytest
from palate.catalog.snapshot import Catalog
from palate.plugins.learner import Dataset, Learner
from palate.store.contract import Store
from palate_tools.training.cross_validation import (
    correction_gain,
    evaluate,
    held_out_by_learner,
    held_out_by_strategy,
    log_losses,
    make_folds,
    seed_of,
)
from palate_tools.training.dataset import Labels
from palate_tools.training.resources import Resources

NOBODY = np.empty((0, 9))


class Memory:
    """A model that knows the labels that it was fitted to by heart, and nothing else."""

    def __init__(self, dataset: Dataset) -> None:
        self._labels = {row.tobytes(): like for row, like in zip(dataset.features, dataset.labels, strict=True)}

    def logits(
        self, features: np.ndarray[tuple[int, int], np.dtype[np.float32]]
    ) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Return the labels."""
        return np.array([self._labels.get(row.tobytes(), 0.5) for row in features], dtype=np.float64)


class Memorizes:
    """A learner that memorizes."""

    def fit(self, dataset: Dataset, seed: int) -> Memory:  # noqa: ARG002 - the contract's signature
        """Memorize."""
        return Memory(dataset)


@pytest.fixture
def labels(tell: Callable[..., None], store: Store, catalog: Catalog) -> Labels:
    """Return the labels of a listener of two tastes."""
    tell("ana", 60)
    stored = store.profile("ana")
    assert stored is not None
    return Labels.of(stored[0], catalog, 1000)


def test_every_label_is_predicted_by_a_model_that_has_not_seen_it(labels: Labels) -> None:
    """A learner that knows its labels by heart knows nothing of those held out."""
    folds = make_folds(labels.liked, 5, 2, seed=1)
    everything = np.ones(len(labels))
    learner = cast("Learner", Memorizes())  # its models are never exported
    held_out = held_out_by_learner(
        learner, lambda train: labels.dataset(train, everything, labels.features[:0], NOBODY), labels, folds, 0
    )
    assert (2, 60) == held_out.shape
    assert [0.5] == np.unique(held_out).tolist()
    assert 0.5 == evaluate(held_out, held_out, labels.liked, everything).auc


def test_ranking_is_asked_as_if_the_label_had_not_been_given(
    labels: Labels, resources: Callable[..., Resources]
) -> None:
    """Its scores of a label depend on the labels of the other folds alone."""
    opened = resources()
    context = labels.context(np.arange(60), opened.catalog)
    strategy = opened.strategy_without_models(labels.profile, labels.rows[:1], context)
    folds = make_folds(labels.liked, 5, 1, seed=1)
    [scores] = held_out_by_strategy(strategy, opened.catalog, labels, folds)
    train, held = folds.repeats[0][0]
    profile = labels.profile_of(train)
    assert (
        pytest.approx(strategy.score(profile, labels.rows[held], labels.context(train, opened.catalog)).values)
        == scores[held]
    )
    assert len(train) == sum(taste.liked.count + taste.disliked.count for taste in profile.tastes.values())


def test_folds_keep_the_kinds_in_proportion_and_are_the_same_every_time() -> None:
    """With fewer labels of a kind than folds there are fewer folds."""
    liked = np.arange(20) < 3
    folds = make_folds(liked, 5, 2, seed=7)
    assert [3, 3] == [len(splits) for splits in folds.repeats]
    assert all(1 == liked[held].sum() for splits in folds.repeats for _, held in splits)
    again = make_folds(liked, 5, 2, seed=7)
    assert all(
        held.tolist() == other.tolist()
        for splits, others in zip(folds.repeats, again.repeats, strict=True)
        for (_, held), (_, other) in zip(splits, others, strict=True)
    )


def test_seeds_depend_on_their_parts_alone() -> None:
    """And differ between listeners and revisions."""
    assert seed_of("ana", 1) == seed_of("ana", 1)
    assert 3 == len({seed_of("ana", 1), seed_of("ana", 2), seed_of("ben", 1)})


@pytest.mark.parametrize(("turn", "gains"), [(1.0, False), (-1.0, True)])
def test_a_correction_gains_only_where_a_taste_differs(turn: float, gains: bool) -> None:
    """Where the common model is right, nothing is left to correct."""
    generator = np.random.default_rng(2)
    features = generator.normal(size=(80, 9)).astype(np.float32)
    truth = 2 * features[:, 1].astype(np.float64)
    liked = generator.random(80) < 1 / (1 + np.exp(-truth))
    assert gains is (correction_gain(turn * truth, features, liked, 0) > 0)


def test_losses_are_finite_however_sure_the_model_was() -> None:
    """A loss is the negative logarithm of the probability of what was said."""
    losses = log_losses(np.array([0.0, 800.0, -800.0]), np.array([True, True, True]))
    assert pytest.approx([np.log(2), 0, 800]) == losses
