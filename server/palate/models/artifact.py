"""What an ONNX file must be to serve: its metadata, its input and output, its operators."""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from pydantic import TypeAdapter

from palate.domain.track import FEATURES
from palate.models.onnx_file import EXTERNAL, FLOAT, read_model
from palate.plugins.learner import INPUT, IR_VERSION, OPSET, OUTPUT

__all__ = [
    "ALLOWED_OPERATORS",
    "MAX_OFFSET",
    "METADATA_KEY",
    "Metadata",
    "UnusableModel",
    "verify",
]

ALLOWED_OPERATORS: Final = frozenset(
    {
        *("Add", "Cast", "Concat", "Constant", "Div", "Exp", "Flatten", "Gemm", "Identity", "MatMul", "Mul", "Neg"),
        *("Pow", "ReduceSum", "Reshape", "Sigmoid", "Sqrt", "Squeeze", "Sub", "Tanh", "Unsqueeze"),
        *("LinearClassifier", "LinearRegressor", "Normalizer", "Scaler", "TreeEnsembleRegressor"),
    }
)
"""Operators that a graph may use: none reads files, loops or holds graphs of its own."""

MAX_OFFSET: Final = 20.0
"""How far from 0 an offset of a cluster may lie, in log-odds: as good as certain, and far from any overflow."""

METADATA_KEY: Final = "palate"
"""Where the file's metadata holds what `Metadata` describes, as JSON."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a model's file says of itself.

    Attributes:
        version: The model's version.
        user_id: The listener.
        taste_id: The taste; empty for the common model.
        learner: The learner that trained it.
        feature_map: Fingerprint of the map that made the normal scores; the file fits no other.
        features: The order of the input's columns.
        labels_revision: The profile's revision up to which its labels reach.
        label_count: On how many labels it was trained.
        ranking_slope: Turns a ranking score into log-odds; see `palate.plugins.strategy.TasteModel`.
        ranking_intercept: See `ranking_slope`.
        metrics: By name, what it was judged by.
        libraries: By name, the versions of the libraries that made it.
        cluster_offsets: See `palate.plugins.strategy.TasteModel`; empty in files that know none.
    """

    version: str
    user_id: str
    taste_id: str
    learner: str
    feature_map: str
    labels_revision: int
    label_count: int
    ranking_slope: float
    ranking_intercept: float
    metrics: dict[str, float]
    libraries: dict[str, str]
    features: tuple[str, ...] = FEATURES
    cluster_offsets: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> "Metadata":
        """Read what `to_json` wrote, or a version before that said "recipe" for learner. ValueError otherwise."""
        values = json.loads(text)
        if isinstance(values, dict) and "recipe" in values:
            values["learner"] = values.pop("recipe")
        return _METADATA.validate_json(json.dumps(values), strict=True)


_METADATA: Final = TypeAdapter(Metadata)


class UnusableModel(Exception):
    """A model's file is not what it must be; the message says in what. Callers of the server never see it."""


def verify(data: bytes, sha256: str) -> Metadata:
    """Check everything about a model's file that can be seen without running it.

    Args:
        data: The file.
        sha256: What its SHA-256 must be, in hexadecimal digits.

    Returns:
        What the file says of itself.

    Raises:
        UnusableModel: For other bytes than those that were published, and for a graph that takes, returns or does
            something else than this module says.
    """
    if hashlib.sha256(data).hexdigest() != sha256:
        raise UnusableModel(f"its {len(data)} bytes are not those that were published: the SHA-256 differs")
    try:
        model = read_model(data)
    except ValueError as error:
        raise UnusableModel(f"it is no ONNX file: {error}") from error
    for flaw in _flaws(model):
        raise UnusableModel(flaw)
    return _metadata(model)


def _flaws(model: Any) -> Iterator[str]:
    """Say what is wrong with a model, one thing after the other."""
    if model.ir_version != IR_VERSION:
        yield f"its IR version is {model.ir_version}, not {IR_VERSION}"
    versions = {_domain(opset.domain): opset.version for opset in model.opset_import}
    if versions.get("") != OPSET:
        yield f"its opset is {versions.get('')}, not {OPSET}"
    if model.functions or model.training_info:
        yield "it has functions or training graphs of its own"
    yield from _node_flaws(model.graph.node)
    attributes = [attribute for node in model.graph.node for attribute in node.attribute]
    if any(a.HasField("g") or a.graphs for a in attributes):
        yield "a node holds a graph of its own"
    if model.graph.sparse_initializer or any(a.HasField("sparse_tensor") or a.sparse_tensors for a in attributes):
        yield "it holds sparse tensors"
    tensors = [*model.graph.initializer, *(tensor for a in attributes for tensor in (a.t, *a.tensors))]
    if any(tensor.data_location == EXTERNAL or tensor.external_data for tensor in tensors):
        yield "it keeps tensors in other files"
    yield from _value_flaws("input", model.graph.input, INPUT, rank=2, width=len(FEATURES))
    yield from _value_flaws("output", model.graph.output, OUTPUT, rank=1)


def _domain(name: str) -> str:
    """Return a domain's canonical name: the default one has two."""
    return "" if name == "ai.onnx" else name


def _node_flaws(nodes: Iterable[Any]) -> Iterator[str]:
    for node in nodes:
        if _domain(node.domain) not in _DOMAINS or node.op_type not in ALLOWED_OPERATORS:
            yield f"it uses the operator {node.op_type!r} of the domain {node.domain or 'ai.onnx'!r}, not allowed here"


def _value_flaws(kind: str, values: Sequence[Any], name: str, rank: int, width: int | None = None) -> Iterator[str]:
    """Say how a graph's inputs or outputs differ from a single float32 ``(n,)``, or ``(n, width)``."""
    if [value.name for value in values] != [name]:
        yield f"its {kind}s are {[value.name for value in values]}, not {[name]}"
        return
    tensor = values[0].type.tensor_type
    sizes = [dimension.dim_value if dimension.HasField("dim_value") else None for dimension in tensor.shape.dim]
    if tensor.elem_type != FLOAT:
        yield f"its {kind} has the element type {tensor.elem_type}, not {FLOAT} (float32)"
    if sizes != [None, width][:rank]:
        yield f"its {kind} has the shape {sizes}, not {[None, width][:rank]}"


def _metadata(model: Any) -> Metadata:
    """Return a model's metadata. UnusableModel when there is none or when it contradicts itself."""
    texts = [entry.value for entry in model.metadata_props if entry.key == METADATA_KEY]
    if len(texts) != 1:
        raise UnusableModel(f"it has {len(texts)} entries of metadata named {METADATA_KEY!r}, not one")
    try:
        metadata = Metadata.from_json(texts[0])
    except ValueError as error:
        raise UnusableModel(f"its metadata cannot be read: {error}") from error
    if metadata.features != FEATURES:
        raise UnusableModel(f"its columns are {metadata.features}, not {FEATURES}")
    if not (math.isfinite(metadata.ranking_slope) and math.isfinite(metadata.ranking_intercept)):
        raise UnusableModel("its ranking_slope or ranking_intercept is not finite")
    for cluster_id, offset in metadata.cluster_offsets.items():
        if not (cluster_id and abs(offset) <= MAX_OFFSET):
            raise UnusableModel(f"its offset of the cluster {cluster_id!r} is {offset}, not within {MAX_OFFSET} of 0")
    return metadata


_DOMAINS: Final = frozenset({"", "ai.onnx.ml"})
