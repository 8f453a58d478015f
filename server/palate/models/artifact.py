"""What an ONNX file must be to serve: its metadata, its input and output, its operators."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from palate.catalog.tracks import FEATURES

__all__ = ["ALLOWED_OPERATORS", "INPUT", "IR_VERSION", "METADATA_KEY", "OPSET", "OUTPUT", "Metadata"]

INPUT: Final = "features"
"""Name of the only input: float32 ``(n, 9)``, normal scores in the order of `FEATURES`."""

OUTPUT: Final = "probability"
"""Name of the only output: float32 ``(n,)``, the calibrated probability of a like."""

OPSET: Final = 17
"""Version of the operators of the default domain."""

IR_VERSION: Final = 8
"""Version of the file format."""

ALLOWED_OPERATORS: Final = frozenset(
    {
        *("Add", "Cast", "Concat", "Constant", "Div", "Exp", "Flatten", "Gemm", "Identity", "MatMul", "Mul", "Neg"),
        *("Pow", "ReduceSum", "Reshape", "Sigmoid", "Sqrt", "Squeeze", "Sub", "Tanh", "Unsqueeze"),
        *("LinearClassifier", "LinearRegressor", "Normalizer", "Scaler", "TreeEnsembleRegressor"),
    }
)
"""Operators that a graph may use: none reads files, loops or holds graphs of its own."""

METADATA_KEY: Final = "palate"
"""Where the file's metadata holds what `Metadata` describes, as JSON."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a model's file says of itself.

    Attributes:
        version: The model's version.
        user_id: The listener.
        taste_id: The taste; empty for the common model.
        recipe: The recipe that trained it.
        feature_map: Fingerprint of the map that made the normal scores; the file fits no other.
        features: The order of the input's columns.
        labels_revision: The profile's revision up to which its labels reach.
        label_count: On how many labels it was trained.
        ranking_slope: Turns a ranking score into log-odds; see `palate.strategy.contract.TasteModel`.
        ranking_intercept: See `ranking_slope`.
        metrics: By name, what it was judged by.
        libraries: By name, the versions of the libraries that made it.
    """

    version: str
    user_id: str
    taste_id: str
    recipe: str
    feature_map: str
    labels_revision: int
    label_count: int
    ranking_slope: float
    ranking_intercept: float
    metrics: dict[str, float]
    libraries: dict[str, str]
    features: tuple[str, ...] = FEATURES

    def to_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote. ValueError or TypeError when it is something else."""
        fields: dict[str, Any] = json.loads(text)
        return cls(**{**fields, "features": tuple(fields["features"])})
