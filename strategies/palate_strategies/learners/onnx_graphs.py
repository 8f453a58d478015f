"""Writes ONNX graphs that agree with the models that they come from.

The graphs are written node by node. General converters compute in float32, return classes beside probabilities
and take 10 to 50 ms a model; what is needed here are a handful of nodes in float64, written in well under a
millisecond.
"""

from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from palate.domain.track import FEATURES
from palate.plugins.learner import INPUT, IR_VERSION, OPSET, OUTPUT

__all__ = ["ML_DOMAIN", "Graph"]

ML_DOMAIN: Final = "ai.onnx.ml"
"""The domain of the operators of classical machine learning."""

_ML_OPSET: Final = 3
"""The first version in which trees have float64 thresholds."""


class Graph:
    """A graph in the making: takes float32 features, computes in float64, returns calibrated probabilities.

    Attributes:
        features: Name of the features as float64 ``(n, 9)``.
    """

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._domains = {"": OPSET}
        self.features = self.node("Cast", INPUT, to=TensorProto.DOUBLE)

    def constant(self, values: NDArray[Any] | float) -> str:
        """Add a constant, float64 unless the values are whole numbers, and return its name."""
        array = np.asarray(values)
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def node(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output and return the output's name."""
        name = f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], name=name, domain=domain, **attributes))
        if domain == ML_DOMAIN:
            self._domains[domain] = _ML_OPSET
        return name

    def row_sums(self, values: str) -> str:
        """Add the sums over the columns of ``(n, m)``, shape ``(n,)``."""
        return self.node("ReduceSum", values, self.constant(np.array([1], np.int64)), keepdims=0)

    def finish(self, logit: str, slope: float, intercept: float) -> bytes:
        """Return the graph whose output is ``1 / (1 + exp(-(slope * logit + intercept)))``, serialized.

        Args:
            logit: Name of the log-odds, float64 ``(n,)``.
            slope: Of the calibration.
            intercept: Of the calibration.
        """
        scaled = self.node("Mul", logit, self.constant(float(slope)))
        calibrated = self.node("Add", scaled, self.constant(float(intercept)))
        probability = self.node("Sigmoid", calibrated)
        self._nodes.append(helper.make_node("Cast", [probability], [OUTPUT], name=OUTPUT, to=TensorProto.FLOAT))
        features = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", len(FEATURES)])
        output = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n"])
        graph = helper.make_graph(self._nodes, "palate", [features], [output], self._constants)
        opsets = [helper.make_opsetid(domain, version) for domain, version in self._domains.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="palate")
        return model.SerializeToString(deterministic=True)
