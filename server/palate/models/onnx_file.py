"""The part of the ONNX file format that a check needs to see, read without the ``onnx`` package.

A server has onnxruntime, which runs files but does not show what is in them, and protobuf. The messages are
declared here under the numbers of the format; fields that no check looks at are left out, and skipped when read.

Source:
    ``onnx/onnx.proto`` of the ONNX project.
"""

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

__all__ = ["EXTERNAL", "FLOAT", "read_model"]

FLOAT: Final = 1
"""``TensorProto.FLOAT``, the element type float32."""

EXTERNAL: Final = 1
"""``TensorProto.EXTERNAL``, the place of values in another file."""

_MESSAGES: Final[Mapping[str, Mapping[str, tuple[int, str]]]] = {
    "ModelProto": {
        "ir_version": (1, "int64"),
        "graph": (7, "GraphProto"),
        "opset_import": (8, "OperatorSetIdProto*"),
        "metadata_props": (14, "StringStringEntryProto*"),
        "training_info": (20, "Opaque*"),
        "functions": (25, "Opaque*"),
    },
    "GraphProto": {
        "node": (1, "NodeProto*"),
        "initializer": (5, "TensorProto*"),
        "input": (11, "ValueInfoProto*"),
        "output": (12, "ValueInfoProto*"),
        "sparse_initializer": (15, "Opaque*"),
    },
    "NodeProto": {"op_type": (4, "string"), "attribute": (5, "AttributeProto*"), "domain": (7, "string")},
    "AttributeProto": {
        "t": (5, "TensorProto"),
        "g": (6, "Opaque"),
        "tensors": (10, "TensorProto*"),
        "graphs": (11, "Opaque*"),
        "sparse_tensor": (22, "Opaque"),
        "sparse_tensors": (23, "Opaque*"),
    },
    "TensorProto": {"external_data": (13, "Opaque*"), "data_location": (14, "int32")},
    "ValueInfoProto": {"name": (1, "string"), "type": (2, "TypeProto")},
    "TypeProto": {"tensor_type": (1, "TensorTypeProto")},
    "TensorTypeProto": {"elem_type": (1, "int32"), "shape": (2, "TensorShapeProto")},
    "TensorShapeProto": {"dim": (1, "DimensionProto*")},
    "DimensionProto": {"dim_value": (1, "int64")},
    "OperatorSetIdProto": {"domain": (1, "string"), "version": (2, "int64")},
    "StringStringEntryProto": {"key": (1, "string"), "value": (2, "string")},
    "Opaque": {},
}
"""Fields by message, each with its number and type; a star stands for ``repeated``."""


def read_model(data: bytes) -> Any:
    """Read a file as a ``ModelProto`` with the fields above. ValueError when it is none."""
    try:
        return _MODEL.FromString(data)
    except DecodeError as error:
        raise ValueError(str(error)) from error


def _model_class() -> Any:
    """Declare the messages in a pool of their own, apart from those of the ``onnx`` package."""
    file = descriptor_pb2.FileDescriptorProto(name="palate/models/onnx_file", package="palate.onnx", syntax="proto2")
    for message, fields in _MESSAGES.items():
        declared = file.message_type.add(name=message)
        for name, (number, kind) in fields.items():
            declared.field.append(_field(name, number, kind))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("palate.onnx.ModelProto"))


def _field(name: str, number: int, kind: str) -> descriptor_pb2.FieldDescriptorProto:
    proto = descriptor_pb2.FieldDescriptorProto
    field = proto(name=name, number=number, label=proto.LABEL_REPEATED if kind[-1] == "*" else proto.LABEL_OPTIONAL)
    kind = kind.rstrip("*")
    if kind in _MESSAGES:
        field.type, field.type_name = proto.TYPE_MESSAGE, f".palate.onnx.{kind}"
    else:
        field.type = proto.Type.Value(f"TYPE_{kind.upper()}")
    return field


_MODEL: Final = _model_class()
