"""The one table from what went wrong to what the caller is told; docs/reference/errors.md shows the same."""

import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import status_pb2
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo

from palate.errors import (
    InvalidField,
    NotFound,
    Overloaded,
    PalateError,
    PermissionDenied,
    ShuttingDown,
    StoreUnavailable,
    StrategyDeclined,
    StrategyFailed,
    Unauthenticated,
)

__all__ = ["TABLE", "Row", "status_of"]

_DOMAIN: Final = "palate"
_MAX_TEXT: Final = 300
"""Characters of any text in an error: gRPC drops trailers above 8 KiB and escapes what is not ASCII."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a caller is told of one kind of error.

    Attributes:
        code: The gRPC status.
        details: Makes the details that go with it.
    """

    code: grpc.StatusCode
    details: Callable[[typing.Any], Message]


def _bad_request(error: InvalidField) -> BadRequest:
    violation = BadRequest.FieldViolation(field=_cut(error.path), description=_cut(error.description))
    return BadRequest(field_violations=[violation])


def _not_found(error: NotFound) -> ErrorInfo:
    return _info(f"{error.kind.upper()}_NOT_FOUND", name=error.name)


def _strategy_failed(error: StrategyFailed) -> ErrorInfo:
    return _info("STRATEGY_FAILED", strategy=error.strategy, version=error.version)


def _strategy_declined(error: StrategyDeclined) -> ErrorInfo:
    return _info("STRATEGY_DECLINED", strategy=error.strategy, version=error.version)


def _info(reason: str, **metadata: str) -> ErrorInfo:
    return ErrorInfo(reason=reason, domain=_DOMAIN, metadata={key: _cut(value) for key, value in metadata.items()})


def _retry(seconds: float) -> Callable[[PalateError], Message]:
    delay = Duration(nanos=int(seconds * 1_000_000_000))
    return lambda _: RetryInfo(retry_delay=delay)


TABLE: Final[Mapping[type[PalateError], Row]] = {
    InvalidField: Row(grpc.StatusCode.INVALID_ARGUMENT, _bad_request),
    NotFound: Row(grpc.StatusCode.NOT_FOUND, _not_found),
    StrategyFailed: Row(grpc.StatusCode.INTERNAL, _strategy_failed),
    StrategyDeclined: Row(grpc.StatusCode.FAILED_PRECONDITION, _strategy_declined),
    Overloaded: Row(grpc.StatusCode.RESOURCE_EXHAUSTED, _retry(0.1)),
    ShuttingDown: Row(grpc.StatusCode.UNAVAILABLE, _retry(0.5)),
    StoreUnavailable: Row(grpc.StatusCode.UNAVAILABLE, _retry(0.5)),
    Unauthenticated: Row(grpc.StatusCode.UNAUTHENTICATED, lambda _: _info("CREDENTIALS_REQUIRED")),
    PermissionDenied: Row(grpc.StatusCode.PERMISSION_DENIED, lambda _: _info("ROLE_REQUIRED", role="admin")),
}
"""Every error that a call can end with. What is not in it is a defect: INTERNAL, with the request id alone."""


def status_of(error: Exception, request_id: str) -> status_pb2.Status:
    """Return the status with details that an error ends a call with."""
    row = next((row for kind, row in TABLE.items() if isinstance(error, kind)), None)
    details: list[Message] = [RequestInfo(request_id=request_id)]
    if row is None or not isinstance(error, PalateError):
        text = f"the server made a mistake; its log tells more under request id {request_id}"
        return _status(grpc.StatusCode.INTERNAL, text, details)
    return _status(row.code, str(error), [row.details(error), *details])


def _status(code: grpc.StatusCode, message: str, details: list[Message]) -> status_pb2.Status:
    packed = []
    for detail in details:
        wrapper = Any()
        wrapper.Pack(detail)
        packed.append(wrapper)
    return status_pb2.Status(code=code.value[0], message=_cut(message), details=packed)


def _cut(text: str) -> str:
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "…"
