"""Whatever is sent, the server answers with a status of its table and stays up."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from palate.service_names import SERVICES
from palate.v1 import (
    catalog_pb2,
    feedback_pb2,
    model_pb2,
    profile_pb2,
    recommendation_pb2,
    strategy_pb2,
)

CONTRACTS = (catalog_pb2, feedback_pb2, model_pb2, profile_pb2, recommendation_pb2, strategy_pb2)
ALLOWED = {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}
KNOWN = ["ana", "fallback", "ranking", "cold_start", "metal", "2jHEySxCzzODFWmPzt084L", "0R3LjmIZg8MiBlf3LdYjcD"]
TEXT = st.one_of(
    st.sampled_from(["", *KNOWN]),
    st.text(max_size=12),
    st.sampled_from(["\0", "a\0b", "x" * 128, "x" * 129, "é" * 65, "\U0001f600" * 40, "../..", "' or 1=1 --"]),
)
NUMBERS = st.one_of(st.sampled_from([0, 1, -1, 10, 100, 101, 10**9, -(2**31), 2**31 - 1]), st.integers(-5, 5))


def methods() -> list[MethodDescriptor]:
    """Return every method of the contract."""
    services = [service for contract in CONTRACTS for service in contract.DESCRIPTOR.services_by_name.values()]
    return [method for service in services for method in service.methods]


def values(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """Return values of a field's type, likely and unlikely ones."""
    if field.message_type is not None:
        return messages(field.message_type)
    by_type: dict[int, st.SearchStrategy[Any]] = {
        FieldDescriptor.CPPTYPE_STRING: TEXT,
        FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    }
    return by_type.get(field.cpp_type, NUMBERS)


def messages(descriptor: Any) -> st.SearchStrategy[Message]:
    """Return messages of a type with any of its fields set."""
    kind = message_factory.GetMessageClass(descriptor)
    fields = {
        field.name: st.lists(values(field), max_size=3) if field.is_repeated else values(field)
        for field in descriptor.fields
    }
    return st.fixed_dictionaries({}, optional=fields).map(lambda chosen: kind(**chosen))


def call(channel: grpc.Channel, method: MethodDescriptor, data: bytes) -> grpc.StatusCode:
    """Call a method with bytes and return the status."""
    name = f"/{method.containing_service.full_name}/{method.name}"
    try:
        if method.server_streaming:
            list(channel.unary_stream(name, bytes, bytes)(data, timeout=20))
        else:
            channel.unary_unary(name, bytes, bytes)(data, timeout=20)
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK


@pytest.fixture(scope="module")
def healthy(channel: grpc.Channel) -> Iterator[grpc.Channel]:
    """Return a channel to a server that must be healthy when all is over."""
    yield channel
    stub: Any = health_pb2_grpc.HealthStub(channel)
    for service in ("", *SERVICES):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service))
        assert health_pb2.HealthCheckResponse.SERVING == answer.status


def test_every_service_of_the_contract_is_tried() -> None:
    """A new service cannot be forgotten."""
    assert set(SERVICES) == {method.containing_service.full_name for method in methods()}


@pytest.mark.parametrize("method", methods(), ids=lambda method: method.full_name.removeprefix("palate.v1."))
def test_a_well_formed_message_of_any_content_gets_a_status_of_the_table(
    healthy: grpc.Channel, method: MethodDescriptor
) -> None:
    """Neither UNKNOWN nor INTERNAL, whatever the fields hold."""

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(messages(method.input_type))
    def holds(message: Message) -> None:
        assert call(healthy, method, message.SerializeToString()) in ALLOWED

    holds()


@pytest.mark.parametrize("method", methods(), ids=lambda method: method.full_name.removeprefix("palate.v1."))
def test_bytes_that_are_no_message_are_the_callers_mistake(healthy: grpc.Channel, method: MethodDescriptor) -> None:
    """Broken protobuf and strings that are not UTF-8 end as INVALID_ARGUMENT."""
    assert grpc.StatusCode.INVALID_ARGUMENT == call(healthy, method, b"\xff\xff\xff")
    if any(field.cpp_type == FieldDescriptor.CPPTYPE_STRING for field in method.input_type.fields):
        number = next(f.number for f in method.input_type.fields if f.cpp_type == FieldDescriptor.CPPTYPE_STRING)
        assert grpc.StatusCode.INVALID_ARGUMENT == call(healthy, method, bytes([number << 3 | 2, 2, 0xC3, 0x28]))
