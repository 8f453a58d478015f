"""What an ONNX file must be to serve."""

import json
from collections.abc import Callable
from hashlib import sha256
from math import nan
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from palate.domain.track import FEATURES
from palate.models.artifact import METADATA_KEY, Metadata, UnusableModel, verify
from palate.models.onnx_file import read_model

Edit = Callable[[onnx.ModelProto], object]
Make = Callable[..., bytes]


def checked(content: bytes) -> Metadata:
    """Verify a file against its own hash."""
    return verify(content, sha256(content).hexdigest())


def input_of(model: onnx.ModelProto) -> onnx.TypeProto.Tensor:
    """Return the type of the input."""
    return model.graph.input[0].type.tensor_type


def output_of(model: onnx.ModelProto) -> onnx.TypeProto.Tensor:
    """Return the type of the output."""
    return model.graph.output[0].type.tensor_type


def add_node(operator: str, domain: str = "", **attributes: Any) -> Edit:
    """Return an edit that adds a node."""
    node = helper.make_node(operator, ["features"], ["unused"], domain=domain, **attributes)
    return lambda model: model.graph.node.append(node)


def inner_graph() -> onnx.GraphProto:
    """Return a graph for a node to hold."""
    output = helper.make_tensor_value_info("c", TensorProto.FLOAT, [1])
    constant = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.ones(1, np.float32)))
    return helper.make_graph([constant], "inner", [], [output])


def set_metadata(text: str) -> Edit:
    """Return an edit that says something else in the metadata."""
    return lambda model: helper.set_model_props(model, {METADATA_KEY: text})


def external() -> onnx.TensorProto:
    """Return a tensor whose values are in another file."""
    tensor = numpy_helper.from_array(np.zeros(3, dtype=np.float32), "far")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return tensor


def sparse() -> onnx.SparseTensorProto:
    """Return a sparse tensor."""
    values, place = np.ones(1, dtype=np.float32), np.zeros(1, dtype=np.int64)
    return helper.make_sparse_tensor(numpy_helper.from_array(values, "s"), numpy_helper.from_array(place), [3])


FLAWS: dict[str, tuple[str, Edit]] = {
    "IR version": ("IR version is 9", lambda model: setattr(model, "ir_version", 9)),
    "opset": ("opset is 18", lambda model: setattr(model.opset_import[0], "version", 18)),
    "no opset": ("opset is None", lambda model: model.ClearField("opset_import")),
    "two opsets": ("opset is 18", lambda model: model.opset_import.add(domain="ai.onnx", version=18)),
    "foreign operator": ("'Log'", add_node("Log")),
    "loop": ("'Loop'", add_node("Loop", body=inner_graph())),
    "foreign domain": ("'com.microsoft'", add_node("Gemm", domain="com.microsoft")),
    "graph in an allowed node": ("graph of its own", add_node("Add", body=inner_graph())),
    "graphs in an allowed node": ("graph of its own", add_node("Add", bodies=[inner_graph()])),
    "function": ("functions", lambda model: model.functions.add(name="Gemm")),
    "training graph": ("training", lambda model: model.training_info.add()),
    "external weights": ("other files", lambda model: model.graph.initializer.append(external())),
    "external constant": ("other files", add_node("Constant", value=external())),
    "sparse weights": ("sparse", lambda model: model.graph.sparse_initializer.append(sparse())),
    "sparse constant": ("sparse", add_node("Constant", sparse_value=sparse())),
    "input width": (r"shape \[None, 8\]", lambda model: setattr(input_of(model).shape.dim[1], "dim_value", 8)),
    "any input width": (r"shape \[None, None\]", lambda model: input_of(model).shape.dim[1].Clear()),
    "one row only": (r"shape \[1, 9\]", lambda model: setattr(input_of(model).shape.dim[0], "dim_value", 1)),
    "input rank": (r"shape \[None\]", lambda model: input_of(model).shape.dim.pop()),
    "double input": ("element type 11", lambda model: setattr(input_of(model), "elem_type", TensorProto.DOUBLE)),
    "input name": ("inputs are", lambda model: setattr(model.graph.input[0], "name", "x")),
    "two inputs": ("inputs are", lambda model: model.graph.input.add(name="more")),
    "no input": ("inputs are", lambda model: model.graph.ClearField("input")),
    "output column": (r"shape \[None, None\]", lambda model: output_of(model).shape.dim.add()),
    "output of classes": ("element type 7", lambda model: setattr(output_of(model), "elem_type", TensorProto.INT64)),
    "two outputs": ("outputs are", lambda model: model.graph.output.add(name="label")),
    "no graph": ("inputs are", lambda model: model.ClearField("graph")),
    "no metadata": ("0 entries of metadata", lambda model: model.ClearField("metadata_props")),
    "metadata twice": ("2 entries", lambda model: model.metadata_props.add(key=METADATA_KEY, value="{}")),
    "metadata cut off": ("cannot be read", set_metadata('{"version": "v1"')),
    "metadata empty": ("cannot be read", set_metadata("{}")),
    "metadata a list": ("cannot be read", set_metadata("[]")),
}


def test_a_sound_file_is_accepted_with_what_it_says_of_itself(
    make_file: Make, make_metadata: Callable[..., Metadata]
) -> None:
    """All of the metadata comes back."""
    assert make_metadata(version="v7", learner="gbdt") == checked(make_file(version="v7", learner="gbdt"))


@pytest.mark.parametrize(("reason", "edit"), FLAWS.values(), ids=FLAWS)
def test_a_file_with_a_flaw_is_refused_with_its_reason(make_file: Make, reason: str, edit: Edit) -> None:
    """The reason says what is wrong, and what would be right."""
    with pytest.raises(UnusableModel, match=reason):
        checked(make_file(edit=edit))


@pytest.mark.parametrize(
    ("reason", "fields"),
    [
        ("columns", {"features": tuple(reversed(FEATURES))}),
        ("columns", {"features": FEATURES[:8]}),
        ("not finite", {"ranking_slope": nan}),
        ("not finite", {"ranking_intercept": float("inf")}),
        ("offset of the cluster 'metal' is nan", {"cluster_offsets": {"metal": nan}}),
        ("offset of the cluster 'metal' is -20.5", {"cluster_offsets": {"house": 20.0, "metal": -20.5}}),
        ("offset of the cluster ''", {"cluster_offsets": {"": 1.0}}),
        ("cannot be read", {"cluster_offsets": {"metal": "much"}}),
        ("cannot be read", {"cluster_offsets": [1.0]}),
        ("cannot be read", {"label_count": "many"}),
        ("cannot be read", {"version": 7}),
    ],
)
def test_metadata_that_cannot_be_is_refused(make_file: Make, reason: str, fields: dict[str, object]) -> None:
    """A file for other columns would answer, but wrongly."""
    with pytest.raises(UnusableModel, match=reason):
        checked(make_file(**fields))


def test_a_file_that_knows_no_offsets_has_none(make_file: Make, make_metadata: Callable[..., Metadata]) -> None:
    """Models that were published before there were any go on serving."""
    known = json.loads(make_metadata().to_json())
    del known["cluster_offsets"]
    assert {} == checked(make_file(edit=set_metadata(json.dumps(known)))).cluster_offsets


def test_a_single_wrong_bit_is_noticed(make_file: Make) -> None:
    """The hash tells bytes that were published from all others."""
    content = make_file()
    flipped = bytes([*content[:200], content[200] ^ 1, *content[201:]])
    with pytest.raises(UnusableModel, match="SHA-256"):
        verify(flipped, sha256(content).hexdigest())


def test_a_half_written_file_is_refused_wherever_it_ends(make_file: Make) -> None:
    """Even if its hash were taken of the half."""
    content = make_file()
    for length in range(len(content)):
        with pytest.raises(UnusableModel):
            checked(content[:length])


def test_noise_is_refused() -> None:
    """Whatever the bytes, the only error is the one that says so."""
    generator = np.random.default_rng(1)
    for _ in range(300):
        with pytest.raises(UnusableModel):
            checked(generator.bytes(int(generator.integers(200))))


def test_the_messages_are_those_of_the_onnx_package() -> None:
    """Every field has the number and type that the format gives it."""
    pairs: list[tuple[Any, Any]] = [(read_model(b"").DESCRIPTOR, onnx.ModelProto.DESCRIPTOR)]
    compared = set()
    while pairs:
        ours, theirs = pairs.pop()
        for field in ours.fields:
            other = theirs.fields_by_name[field.name]
            assert (field.number, field.is_repeated) == (other.number, other.is_repeated), field.full_name
            assert (field.message_type is None) == (other.message_type is None), field.full_name
            if field.full_name not in compared and field.message_type is not None:
                pairs.append((field.message_type, other.message_type))
            compared.add(field.full_name)
    assert len(compared) > 30


def test_metadata_survives_its_text(make_metadata: Callable[..., Metadata]) -> None:
    """Figures come back to the last digit, those that are not numbers too."""
    metadata = make_metadata(metrics={"auc": 0.1 + 0.2, "log_loss": -float("inf")}, user_id="日本\0")
    assert metadata == Metadata.from_json(metadata.to_json())
    assert "nan" == str(Metadata.from_json(make_metadata(metrics={"auc": nan}).to_json()).metrics["auc"])
