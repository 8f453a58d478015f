"""What goes wrong with a call, named by the reaction that it asks for.

    CallFailed               anything else: look at its code
    ├── InvalidField         correct the request
    ├── NotFound             name something that exists
    ├── StrategyFailed       ask without naming the strategy
    ├── StrategyDeclined     ask without naming the strategy
    ├── Overloaded           try again later
    ├── Unavailable          try again later: the server cannot reach its store, or is stopping
    │   └── Unreachable      start the server or name another: nobody answered
    ├── TimedOut             allow more time
    ├── Unauthenticated      send a token
    └── PermissionDenied     ask for the role

They are the errors of `palate.errors` as they look from the other side of the wire. `translated` is the one place
where gRPC's errors become these.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar, cast

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from grpc_status import rpc_status

from palate.errors import PalateError

__all__ = [
    "CallFailed",
    "ErrorDetails",
    "InvalidField",
    "NotFound",
    "Overloaded",
    "PermissionDenied",
    "StrategyDeclined",
    "StrategyFailed",
    "TimedOut",
    "Unauthenticated",
    "Unavailable",
    "Unreachable",
    "translated",
]

Detail = TypeVar("Detail", bound=Message)


@dataclass(frozen=True, slots=True)
class ErrorDetails:
    """What the server tells about an error beside its sentence.

    Attributes:
        request_id: Names the call in the server's log. Empty when no palate server answered.
        retry_delay: Seconds to wait before trying again; None when trying again does not help.
        reason: What happened, such as ``"TRACK_NOT_FOUND"``. May be empty.
        metadata: The names that belong to the reason.
        violations: Path and description of each malformed field.
    """

    request_id: str = ""
    retry_delay: float | None = None
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: tuple[tuple[str, str], ...] = ()


class CallFailed(PalateError):
    """A call did not succeed.

    Args:
        message: What happened, in a sentence.
        code: The gRPC status.
        details: What the server tells beside it.
    """

    def __init__(self, message: str, code: grpc.StatusCode, details: ErrorDetails) -> None:
        super().__init__(message)
        self.code = code
        self.details = details


class InvalidField(CallFailed):
    """A field of the request is malformed."""

    @property
    def path(self) -> str:
        """The field's path, such as ``requests[3].track_id``."""
        return self.details.violations[0][0] if self.details.violations else ""


class NotFound(CallFailed):
    """Something that was named does not exist."""

    @property
    def kind(self) -> str:
        """What was looked for, such as ``"track"``; empty when the server does not say."""
        return self.details.reason.removesuffix("_NOT_FOUND").lower()

    @property
    def name(self) -> str:
        """The name that was not found."""
        return self.details.metadata.get("name", "")


class StrategyFailed(CallFailed):
    """A strategy that the request named, or every stage, failed or ran out of time."""

    @property
    def strategy(self) -> str:
        """The strategy's name."""
        return self.details.metadata.get("strategy", "")


class StrategyDeclined(CallFailed):
    """The strategy that the request named has nothing to say of the listener."""

    @property
    def strategy(self) -> str:
        """The strategy's name."""
        return self.details.metadata.get("strategy", "")


class Overloaded(CallFailed):
    """The server had too many calls in flight, and still had after the retries."""


class Unavailable(CallFailed):
    """The server cannot reach its store or is stopping, and nothing else came of the retries."""


class Unreachable(Unavailable):
    """No palate server answers at the address."""


class TimedOut(CallFailed):
    """The answer did not come in time; feedback may or may not have been recorded."""


class Unauthenticated(CallFailed):
    """The call carries no token, or a wrong one."""


class PermissionDenied(CallFailed):
    """The token's role may not call the method."""


_ERRORS: Final[Mapping[grpc.StatusCode, type[CallFailed]]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidField,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: TimedOut,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
}


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Raise what gRPC raises inside as the error that it stands for.

    Args:
        address: The address that was called, for the message.
    """
    try:
        yield
    except grpc.RpcError as error:
        raise _error(error, address) from error


def _error(error: grpc.RpcError, address: str) -> CallFailed:
    code: grpc.StatusCode = error.code()
    details = _details(error)
    message = error.details() or code.name
    if code is grpc.StatusCode.UNAVAILABLE and not details.request_id:
        return Unreachable(f"no palate server answers at {address}: {message}", code, details)
    if details.reason == "STRATEGY_FAILED":
        return StrategyFailed(message, code, details)
    if details.reason == "STRATEGY_DECLINED":
        return StrategyDeclined(message, code, details)
    return _ERRORS.get(code, CallFailed)(message, code, details)


def _details(error: grpc.RpcError) -> ErrorDetails:
    status = rpc_status.from_call(cast(grpc.Call, error))  # what a call raises is the call itself
    packed = status.details if status else ()
    info = _unpacked(packed, ErrorInfo())
    retry = _unpacked(packed, RetryInfo())
    return ErrorDetails(
        request_id=_unpacked(packed, RequestInfo()).request_id,
        retry_delay=retry.retry_delay.ToTimedelta().total_seconds() if retry.HasField("retry_delay") else None,
        reason=info.reason,
        metadata=dict(info.metadata),
        violations=tuple((item.field, item.description) for item in _unpacked(packed, BadRequest()).field_violations),
    )


def _unpacked(packed: Iterable[Any], detail: Detail) -> Detail:
    """Return the detail of one type, or an empty one."""
    for wrapper in packed:
        if wrapper.Unpack(detail):
            break
    return detail
