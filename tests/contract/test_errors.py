"""The one table of errors, in the code and in the docs."""

import base64
from urllib.parse import quote

import grpc
import palate.errors
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from palate.errors import InvalidField, NotFound, PalateError, StrategyDeclined, StrategyFailed
from palate.rpc.errors import TABLE, status_of


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InvalidField("requests[3].track_id", "is required"), BadRequest),
        (NotFound("track", "x"), ErrorInfo),
        (StrategyFailed("ranking", "1.0", "it broke"), ErrorInfo),
        (StrategyDeclined("logistic", "1.0", "no model"), ErrorInfo),
        (palate.errors.Overloaded("busy"), RetryInfo),
        (palate.errors.StoreUnavailable("locked"), RetryInfo),
        (palate.errors.Unauthenticated("who?"), ErrorInfo),
        (palate.errors.PermissionDenied("no"), ErrorInfo),
    ],
)
def test_an_error_carries_its_details_and_the_request_id(error: PalateError, expected: type) -> None:
    """A client can act on the details without reading the sentence."""
    status = status_of(error, "r-1")
    detail, request = expected(), RequestInfo()
    assert status.details[0].Unpack(detail)
    assert status.details[1].Unpack(request)
    assert "r-1" == request.request_id
    assert TABLE[type(error)].code.value[0] == status.code


def test_a_defect_ends_as_internal_and_tells_nothing_of_the_inside() -> None:
    """What is not in the table is a mistake of the server's; its text stays in the log."""
    status = status_of(KeyError("secret"), "r-1")
    assert grpc.StatusCode.INTERNAL.value[0] == status.code
    assert "secret" not in status.message
    assert "r-1" in status.message


@pytest.mark.parametrize("letter", ["x", "\U0001f600", "\0"])
def test_details_never_grow_beyond_what_trailers_carry(letter: str) -> None:
    """A status whose trailers are above 8 KiB would be dropped by gRPC."""
    status = status_of(NotFound("track", letter * 100_000), "r" * 64)
    assert 8192 > len(quote(status.message)) + len(base64.b64encode(status.SerializeToString()))
