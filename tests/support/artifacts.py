"""Files of models, sound ones and others."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from palate.models.artifact import METADATA_KEY, Metadata
from palate.models.session import ServedModel
from palate.plugins.learner import IR_VERSION, OPSET

WEIGHTS = np.linspace(-1, 1, 9, dtype=np.float32)
MakeFile = Callable[..., bytes]
MakeModel = Callable[..., ServedModel]


def _metadata(**fields: Any) -> Metadata:
    known = {
        "version": "v1",
        "user_id": "ana",
        "taste_id": "metal",
        "learner": "logistic",
        "feature_map": "0123456789abcdef",
        "labels_revision": 12,
        "label_count": 11,
        "ranking_slope": 2.0,
        "ranking_intercept": -1.0,
        "metrics": {"auc": 0.75, "log_loss": float("inf")},
        "libraries": {"onnx": onnx.__version__},
    }
    return Metadata(**(known | fields))  # type: ignore[arg-type]  # of whatever types the fields have


@pytest.fixture(scope="session")
def make_metadata() -> Callable[..., Metadata]:
    """Return a function that makes metadata; fields of it can be given."""
    return _metadata


@pytest.fixture(scope="session")
def make_file() -> MakeFile:
    """Return a function that makes the file of a logistic regression.

    `bias` moves its log-odds, `edit` may change the ``onnx.ModelProto`` before it is written; other arguments are
    fields of its metadata.
    """

    def make(bias: float = 0.0, edit: Callable[[onnx.ModelProto], object] = lambda _: None, **fields: Any) -> bytes:
        model = _logistic(bias)
        helper.set_model_props(model, {METADATA_KEY: _metadata(**fields).to_json()})
        edit(model)
        content: bytes = model.SerializeToString()
        return content

    return make


@pytest.fixture(scope="session")
def make_model(make_file: MakeFile) -> MakeModel:
    """Return a function that loads what `make_file` makes."""

    def make(**arguments: Any) -> ServedModel:
        content = make_file(**arguments)
        return ServedModel.load(content, sha256(content).hexdigest())

    return make


def _logistic(bias: float) -> onnx.ModelProto:
    nodes = [
        helper.make_node("Gemm", ["features", "weights", "bias"], ["column"]),
        helper.make_node("Sigmoid", ["column"], ["probabilities"]),
        helper.make_node("Squeeze", ["probabilities", "last"], ["probability"]),
    ]
    constants = {
        "weights": WEIGHTS.reshape(9, 1),
        "bias": np.array([bias], dtype=np.float32),
        "last": np.array([1]),
    }
    graph = helper.make_graph(
        nodes,
        "logistic",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 9])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    return helper.make_model(graph, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)])
