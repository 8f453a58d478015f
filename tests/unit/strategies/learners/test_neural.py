"""The network with a shared hidden layer."""

from dataclasses import replace

import numpy as np
import pytest
from palate.testing.learner import make_dataset
from palate_strategies.learners.neural import SCALES, Neural, NeuralConfig, NeuralModel, columns_of, trunk_of
from sklearn.linear_model import LogisticRegression


def test_listeners_of_a_catalog_share_the_hidden_layer() -> None:
    """The same background gives the same object, another one another."""
    background = make_dataset(1).background
    first, second = (trunk_of(background.copy(), 32, 1 / 9) for _ in range(2))
    assert first is second
    assert first is not trunk_of(background[:400], 32, 1 / 9)


def test_there_are_no_more_units_than_distinct_tracks() -> None:
    """A background of 500 tracks, of which 20 differ, has room for 20 units."""
    background = make_dataset(1).background
    assert (20, 9) == trunk_of(np.tile(background[:20], (25, 1)), 256, 1 / 9).centres.shape


def test_inner_products_of_whitened_units_are_the_kernel() -> None:
    """At the units' own places the whitened outputs reproduce the rational quadratic kernel."""
    trunk = trunk_of(make_dataset(1).background, 64, 1 / 9)
    whitened = trunk.units(trunk.centres.astype(np.float32)) @ trunk.whitening
    distances = (((trunk.centres[:, None] - trunk.centres) * SCALES) ** 2).sum(axis=2)
    assert pytest.approx((1 + distances / 18) ** -2, abs=1e-4) == whitened @ whitened.T


def test_folded_weights_are_those_of_the_regression() -> None:
    """The model says what scikit-learn's regression says of whitened units."""
    dataset = make_dataset(100)
    trunk = trunk_of(dataset.background, 256, 1 / 9)
    output = LogisticRegression(C=3, max_iter=1000).fit(columns_of(trunk, 0.1, dataset.features), dataset.labels)
    expected = output.decision_function(columns_of(trunk, 0.1, dataset.background))
    assert pytest.approx(expected, abs=1e-9) == NeuralModel(trunk, 0.1, output).logits(dataset.background)


def test_likings_go_on_where_no_unit_stands() -> None:
    """Far away from all tracks, who likes danceable tracks still gets the more danceable one first."""
    dataset = make_dataset(200)
    fitted = Neural(NeuralConfig()).fit(replace(dataset, labels=dataset.features[:, 0] > 0), 0)
    near, far = fitted.logits(np.array([[30, *[0] * 8], [40, *[0] * 8]], np.float32))
    assert far > near


def test_an_empty_background_is_refused() -> None:
    """Without a sample of the catalog there is nowhere to put units."""
    dataset = make_dataset(20)
    with pytest.raises(ValueError, match="background is empty"):
        Neural(NeuralConfig()).fit(replace(dataset, background=dataset.background[:0]), 0)


def test_a_network_without_units_is_refused() -> None:
    """The configuration is checked when it is made."""
    with pytest.raises(ValueError, match="units must be at least 1"):
        NeuralConfig(units=0)
