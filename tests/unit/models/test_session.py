"""A model that is loaded and answers."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from palate.models.artifact import UnusableModel
from palate.models.session import ServedModel
from palate.plugins.strategy import TasteModel

Make = Callable[..., ServedModel]
ROWS = np.random.default_rng(2).normal(size=(2000, 9)).astype(np.float32)


def expected(rows: np.ndarray, bias: float) -> np.ndarray:
    """Return the logistic regression of the tests' files by hand."""
    return 1 / (1 + np.exp(-(rows.astype(np.float64) @ np.linspace(-1, 1, 9) + bias)))


def thread_count() -> int:
    """Return how many threads the process has, those of libraries too."""
    return len(list(Path("/proc/self/task").iterdir()))


def set_bias(values: list[float]) -> Callable[[onnx.ModelProto], object]:
    """Return an edit that replaces the bias."""
    tensor = numpy_helper.from_array(np.array(values, dtype=np.float32), "bias")
    return lambda model: model.graph.initializer[1].CopyFrom(tensor)


def answer_log_odds(model: onnx.ModelProto) -> None:
    """Leave the sigmoid out."""
    model.graph.node[2].input[0] = "column"


def answer_a_sum(model: onnx.ModelProto) -> None:
    """Return one value whatever the number of rows, though the output is declared as one for each."""
    del model.graph.node[2:]
    model.graph.node.append(helper.make_node("ReduceSum", ["probabilities"], ["sum"], keepdims=0))
    model.graph.node.append(helper.make_node("Reshape", ["sum", "last"], ["probability"]))


def gaussian_units(model: onnx.ModelProto) -> None:
    """Make it a network of two Gaussian units, one at the origin and one a step along every feature.

    ``exp(-|x - c|² / 9)`` is written as ``exp(-|x|² / 9) exp(2/9 x·c) exp(-|c|² / 9)``.
    """
    constants = {
        "centres": np.stack([np.zeros(9), np.full(9, 2 / 9)], axis=1),
        "weights": np.array([1.0, -np.exp(-1.0)]),
        "columns": np.array([1]),
        "width": np.array(-1 / 9),
    }
    nodes = [
        helper.make_node("Cast", ["features"], ["x"], to=TensorProto.DOUBLE),
        helper.make_node("MatMul", ["x", "centres"], ["towards"]),
        helper.make_node("Exp", ["towards"], ["units"]),
        helper.make_node("MatMul", ["units", "weights"], ["summed"]),
        helper.make_node("Mul", ["x", "x"], ["squares"]),
        helper.make_node("ReduceSum", ["squares", "columns"], ["length"], keepdims=0),
        helper.make_node("Mul", ["length", "width"], ["exponent"]),
        helper.make_node("Exp", ["exponent"], ["common"]),
        helper.make_node("Mul", ["summed", "common"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["double"]),
        helper.make_node("Cast", ["double"], ["probability"], to=TensorProto.FLOAT),
    ]
    model.graph.ClearField("node")
    model.graph.ClearField("initializer")
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(numpy_helper.from_array(values, name) for name, values in constants.items())


def test_it_answers_with_the_probabilities_of_its_graph(make_model: Make) -> None:
    """One for each row, whatever the number of rows."""
    model: TasteModel = make_model(bias=0.5, version="v3", learner="neural", cluster_offsets={"jazz": 0.5})
    for count in (0, 1, 7, 2000):
        answer = model.probabilities(ROWS[:count])
        assert (np.dtype(np.float32), (count,)) == (answer.dtype, answer.shape)
        np.testing.assert_allclose(expected(ROWS[:count], 0.5), answer, atol=1e-6)
    known = (model.version, model.learner, model.ranking_slope, model.ranking_intercept)
    assert ("v3", "neural", 2.0, -1.0) == known
    assert {"jazz": 0.5} == model.cluster_offsets


def test_its_offsets_cannot_be_changed(make_model: Make) -> None:
    """Every answer with the model, and every strategy, shares them."""
    offsets: Any = make_model(cluster_offsets={"jazz": 0.5}).cluster_offsets
    with pytest.raises(TypeError):
        offsets["jazz"] = 1.0


def test_networks_of_gaussian_units_serve_on(make_model: Make) -> None:
    """Stores hold models that were exported when units were Gaussian."""
    at_origin, at_step = (np.exp(-((ROWS.astype(np.float64) - place) ** 2).sum(axis=1) / 9) for place in (0, 1))
    answer = make_model(edit=gaussian_units).probabilities(ROWS)
    np.testing.assert_allclose(1 / (1 + np.exp(at_step - at_origin)), answer, atol=1e-6)


def test_rows_may_lie_in_memory_as_they_like(make_model: Make) -> None:
    """Columns of a larger array, and rows in reverse, give the same."""
    wide = np.zeros((2000, 20), dtype=np.float32)
    wide[:, 3:12] = ROWS
    np.testing.assert_array_equal(make_model().probabilities(ROWS)[::-1], make_model().probabilities(wide[::-1, 3:12]))


def test_threads_may_ask_at_once(make_model: Make) -> None:
    """They get what they would get alone."""
    model = make_model()
    alone = model.probabilities(ROWS)
    with ThreadPoolExecutor(8) as pool:
        for answer in pool.map(lambda _: model.probabilities(ROWS), range(40)):
            np.testing.assert_array_equal(alone, answer)


def test_sessions_take_no_threads(make_model: Make) -> None:
    """One default session takes a thread pool of its own: thousands halt the process."""
    make_model()
    before = thread_count()
    kept = [make_model() for _ in range(30)]
    for model in kept:
        model.probabilities(ROWS)
    assert thread_count() - before < len(kept), "other tests' threads may come and go, but not one for each session"


@pytest.mark.parametrize(
    ("reason", "edit"),
    [
        ("cannot run", set_bias([1.0, 2.0])),
        ("cannot run", lambda model: model.graph.node.pop()),
        ("not a probability", set_bias([float("nan")])),
        ("not a probability", answer_log_odds),
        ("not a probability", answer_a_sum),
    ],
    ids=["shapes that do not fit", "no output made", "not a number", "log-odds", "one value for all rows"],
)
def test_a_file_that_looks_sound_but_does_not_answer_is_refused(
    make_model: Make, reason: str, edit: Callable[[onnx.ModelProto], object]
) -> None:
    """Each is run once before it serves."""
    with pytest.raises(UnusableModel, match=reason):
        make_model(edit=edit)
