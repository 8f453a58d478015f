"""Trees as arrays."""

from typing import Any

import lightgbm
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType
from palate_strategies.learners.onnx_graphs import Graph
from palate_strategies.learners.trees import Forest

GENERATOR = np.random.default_rng(0)


def boosted(features: NDArray[np.floating[Any]], trees: int = 30, **parameters: Any) -> lightgbm.Booster:
    """Return trees for labels that depend on the first two features, with noise."""
    liked = features[:, 0] * features[:, 1] + 0.3 * GENERATOR.normal(size=len(features)) > 0
    settings = {"objective": "binary", "num_leaves": 15, "verbosity": -1, "num_threads": 1, "use_missing": False}
    dataset = lightgbm.Dataset(features, liked.astype(np.float32), free_raw_data=False)
    return lightgbm.train({**settings, **parameters}, dataset, num_boost_round=trees)


def native(booster: lightgbm.Booster, features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return LightGBM's own probabilities."""
    return np.asarray(booster.predict(features, num_threads=1))


def exported(booster: lightgbm.Booster, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probabilities of our export."""
    graph = Graph()
    return run(graph.finish(Forest.of(booster).add_to(graph), 1, 0), "probability", features)


def run(model: bytes, output: str, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run a graph on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    answer: NDArray[np.float32] = session.run([output], {session.get_inputs()[0].name: features})[0]
    return answer


def test_lightgbm_thresholds_trap() -> None:
    """Features of three decimals sit on thresholds: the general conversion errs on many rows, ours on none.

    LightGBM splits midway between labels, where other tracks are; the general conversion rounds that to float32.
    """
    features = (GENERATOR.random((40_000, 9)) - 0.5).round(3).astype(np.float32)
    booster = boosted(features[:500], trees=100)
    expected = native(booster, features)
    converted = convert_lightgbm(
        booster, initial_types=[("X", FloatTensorType([None, 9]))], zipmap=False, target_opset=15
    )
    theirs = run(converted.SerializeToString(), "probabilities", features)[:, 1]
    assert (np.abs(expected - theirs) > 1e-3).sum() > 100
    assert np.abs(expected - exported(booster, features)).max() < 1e-6


def test_no_row_falls_into_another_leaf_next_to_a_threshold() -> None:
    """Both sides of every threshold, one float32 apart, agree with LightGBM."""
    booster = boosted(GENERATOR.normal(size=(2000, 9)).round(3).astype(np.float32))
    boundaries = Forest.of(booster).boundaries()
    assert np.abs(native(booster, boundaries) - exported(booster, boundaries)).max() < 1e-6


def test_boundaries_reach_the_nodes_that_they_test() -> None:
    """In a single tree the two rows of a threshold fall into different leaves."""
    booster = boosted(GENERATOR.normal(size=(2000, 9)).astype(np.float32), trees=1)
    boundaries = Forest.of(booster).boundaries()
    leaves = np.asarray(booster.predict(boundaries, pred_leaf=True))[:, 0]
    assert 28 == len(boundaries)
    assert (leaves[:14] != leaves[14:]).all()


def test_numbers_next_to_zero_count_as_zero() -> None:
    """LightGBM takes numbers up to 1e-35 from 0 for 0, and splits there."""
    features = np.where(GENERATOR.random((2000, 9)) < 0.5, 0, GENERATOR.normal(size=(2000, 9))).astype(np.float32)
    booster = boosted(features)
    tiny = np.float32(1e-35)
    values = np.array([-1, -2 * tiny, -tiny, -tiny / 2, 0, tiny / 2, tiny, 2 * tiny, 1], np.float32)
    rows = GENERATOR.choice(values, (3000, 9))
    assert np.abs(native(booster, rows) - exported(booster, rows)).max() < 1e-6


def test_trees_without_splits_are_exported() -> None:
    """Labels too few to split give trees of one leaf."""
    features = GENERATOR.normal(size=(10, 9)).astype(np.float32)
    booster = boosted(features, trees=3, min_data_in_leaf=50)
    assert 0 == len(Forest.of(booster).boundaries())
    assert pytest.approx(native(booster, features), abs=1e-6) == exported(booster, features)


@pytest.mark.parametrize(
    ("parameters", "categorical", "message"),
    [
        ({"linear_tree": True}, [], "linear_tree"),
        ({"min_data_per_group": 5}, [0], "categorical"),
        ({"use_missing": True}, [], "use_missing"),
    ],
)
def test_what_would_not_be_exported_exactly_is_refused(
    parameters: dict[str, Any], categorical: list[int], message: str
) -> None:
    """Linear leaves, categorical splits and splits on missing values raise ValueError, which says what to do."""
    features = GENERATOR.integers(-3, 4, (500, 9)).astype(np.float64)
    features[:, 0] += 3
    features[::7, 3] = np.nan
    liked = (features[:, 0] % 3 == 1) ^ (features[:, 1] > 0)
    settings = {"objective": "binary", "verbosity": -1, "num_threads": 1, "use_missing": False, "cat_smooth": 1}
    dataset = lightgbm.Dataset(features, liked.astype(np.float32), categorical_feature=categorical)
    booster = lightgbm.train({**settings, **parameters}, dataset, num_boost_round=20)
    with pytest.raises(ValueError, match=message):
        Forest.of(booster)
