"""What a client finds out by asking the server itself."""

from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from palate.service_names import SERVICES


def test_reflection_names_every_service_and_describes_its_messages(channel: grpc.Channel) -> None:
    """A generic client needs no copy of the protos."""
    database: Any = ProtoReflectionDescriptorDatabase(channel)
    assert {*SERVICES, "grpc.health.v1.Health"} <= set(database.get_services())
    file = database.FindFileContainingSymbol("palate.v1.RecommendRequest")
    [request] = [message for message in file.message_type if message.name == "RecommendRequest"]
    assert "exclude_track_ids" in {field.name for field in request.field}


def test_health_is_told_for_the_server_and_for_every_service(channel: grpc.Channel) -> None:
    """An orchestrator may watch one service, and a name that is not there is NOT_FOUND."""
    stub: Any = health_pb2_grpc.HealthStub(channel)
    for service in ("", *SERVICES):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service))
        assert health_pb2.HealthCheckResponse.SERVING == answer.status
    with pytest.raises(grpc.RpcError) as caught:
        stub.Check(health_pb2.HealthCheckRequest(service="palate.v1.NoService"))
    assert grpc.StatusCode.NOT_FOUND == caught.value.code()
