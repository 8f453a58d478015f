"""The learner for a handful of labels."""

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
from palate.plugins.learner import Dataset
from palate.testing.learner import make_dataset
from palate_strategies.learners.logistic import Logistic, LogisticConfig
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression


def linear(dataset: Dataset) -> Dataset:
    """Return the dataset with labels that depend on danceability alone."""
    return replace(dataset, labels=dataset.features[:, 0] > 0)


def test_products_of_features_come_in_where_they_win() -> None:
    """A listener of middling energy needs a square; one of danceability does not."""
    learner, dataset = Logistic(LogisticConfig()), make_dataset(300)
    assert (True, False) == (learner.fit(dataset, 0).second_order, learner.fit(linear(dataset), 0).second_order)


def test_without_products_it_is_what_skl2onnx_makes_of_the_regression() -> None:
    """The linear graph agrees with the one that the general converter writes for the same regression."""
    dataset = replace(make_dataset(100), directions=np.empty((0, 9)))
    learner = Logistic(LogisticConfig(second_order_variance=0))
    ours = onnxruntime.InferenceSession(learner.fit(dataset, 0).to_onnx(1, 0), providers=["CPUExecutionProvider"])
    regression = LogisticRegression(C=LogisticConfig().variance, solver="newton-cholesky")
    regression.fit(dataset.features.astype(np.float64), dataset.labels)
    converted = to_onnx(regression, dataset.features[:1], options={"zipmap": False}, target_opset=17)
    theirs = onnxruntime.InferenceSession(converted.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = theirs.run(["probabilities"], {"X": dataset.background})[0][:, 1]
    assert pytest.approx(expected, abs=1e-6) == ours.run(None, {"features": dataset.background})[0]


def test_weights_are_those_that_the_log_odds_are_made_of() -> None:
    """With products and without, the quadratic form gives what the model predicts."""
    for dataset in (make_dataset(300), linear(make_dataset(300))):
        model = Logistic(LogisticConfig()).fit(dataset, 0)
        straight, products, constant = model.weights()
        rows = dataset.background.astype(np.float64)
        by_hand = rows @ straight + np.einsum("ni,ij,nj->n", rows, products, rows) + constant
        assert pytest.approx(by_hand, abs=1e-9) == model.logits(dataset.background)
        assert model.second_order == bool(products.any())


def test_weights_lean_towards_the_directions() -> None:
    """With a handful of labels, a direction that is right about danceability moves its weight further."""
    dataset = linear(make_dataset(10))
    learner = Logistic(LogisticConfig(second_order_variance=0))
    track = np.eye(1, 9, dtype=np.float32)
    blank = np.zeros((1, 9), np.float32)

    def weight(directions: np.ndarray) -> float:
        fitted = learner.fit(replace(dataset, directions=directions), 0)
        return float((fitted.logits(track) - fitted.logits(blank))[0])

    assert weight(np.eye(1, 9)) > 1.2 * weight(np.empty((0, 9)))


def test_the_length_of_a_direction_says_nothing() -> None:
    """Directions are scaled to length 1, and one of length 0 is left out."""
    dataset, learner = make_dataset(40), Logistic(LogisticConfig())
    short, long = (
        learner.fit(replace(dataset, directions=directions), 0).logits(dataset.background)
        for directions in (np.eye(1, 9), np.array([100 * np.eye(9)[0], np.zeros(9)]))
    )
    assert pytest.approx(short) == long


def test_a_variance_of_nothing_is_refused() -> None:
    """A prior without variance would leave no weight to learn."""
    with pytest.raises(ValueError, match="variance must be at least 1e-06 and finite, not 0"):
        LogisticConfig(variance=0)
