"""What every call goes through: admission, credentials, parsing, errors, the log.

One interceptor wraps the handlers of palate's own services; health and reflection pass untouched.
"""

import asyncio
import hashlib
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NoReturn, TypeAlias

import grpc
import structlog
from google.protobuf.message import DecodeError
from grpc_status import rpc_status

from palate.errors import (
    InvalidField,
    NotFound,
    Overloaded,
    PalateError,
    PermissionDenied,
    ShuttingDown,
    StoreUnavailable,
    Unauthenticated,
)
from palate.metrics import Metrics
from palate.rpc.errors import status_of

__all__ = ["CallContext", "CallInterceptor", "Token", "add_request_id"]

_OWN: Final = "/palate.v1."
_ADMIN: Final = "/palate.v1.ModelService/"
_LAST_MOMENT_SECONDS: Final = 0.3
_OK: Final = grpc.StatusCode.OK.name
CallContext: TypeAlias = grpc.aio.ServicerContext[Any, Any]
"""What gRPC knows of a call in flight."""

_log = structlog.get_logger(__name__)
_current: ContextVar["_Call"] = ContextVar("palate_call")


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token that is accepted.

    Attributes:
        name: Whom it belongs to, for the log.
        sha256: Its SHA-256 in lower-case hexadecimal digits.
        role: ``client``, or ``admin``, who may call ModelService as well.
    """

    name: str
    sha256: str
    role: str


class _Call:
    """One call in flight, with the request id that its log lines and its error carry.

    Attributes:
        method: Its full name, such as ``/palate.v1.CatalogService/GetTrack``.
        name: The last part of it.
        code: The status that it ended with; CANCELLED until it has ended otherwise.
    """

    def __init__(self, method: str, context: CallContext) -> None:
        self.method = method
        self.name = method.rpartition("/")[2]
        self.code = "CANCELLED"
        self._context = context
        self._begun = time.perf_counter()

    @cached_property
    def request_id(self) -> str:
        """The client's `x-request-id`, or one made up when it is first needed."""
        return self.metadata("x-request-id")[:64] or uuid.uuid4().hex

    @property
    def seconds(self) -> float:
        """How long it has been in flight."""
        return time.perf_counter() - self._begun

    def metadata(self, key: str) -> str:
        """Return the value of the first metadata entry of that name, or an empty string."""
        for name, value in self._context.invocation_metadata() or ():
            if name == key:
                return value if isinstance(value, str) else ""
        return ""

    async def abort(self, error: Exception) -> NoReturn:
        """End the call with the status of an error."""
        status = rpc_status.to_status(status_of(error, self.request_id))
        self.code = status.code.name
        if isinstance(error, InvalidField | NotFound):  # the caller's own business; commands look for names this way
            _log.debug("call refused", method=self.method, status=self.code, why=str(error)[:300])
        elif isinstance(error, PalateError):
            _log.info("call refused", method=self.method, status=self.code, why=str(error)[:300])
        else:
            _log.error("call broke", method=self.method, exc_info=error)
        await self._context.abort(status.code, status.details, status.trailing_metadata)
        raise AssertionError("abort returned") from error


def add_request_id(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Give a log line the request id of the call that it belongs to: a processor for structlog."""
    call = _current.get(None)
    if call is not None:
        event.setdefault("request_id", call.request_id)
    return event


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Wraps every handler of palate's services once.

    Args:
        max_concurrent_calls: How many calls may be in flight; further ones fail before any work.
        tokens: Bearer tokens that are accepted; without any, everybody may call everything.
        metrics: Counts every call.
    """

    def __init__(self, max_concurrent_calls: int, tokens: Iterable[Token], metrics: Metrics) -> None:
        self._max_concurrent_calls = max_concurrent_calls
        self._metrics = metrics
        self._tokens: Mapping[str, Token] = {token.sha256: token for token in tokens}
        self._in_flight = 0
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._wrapped: dict[str, Any] = {}

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any) -> Any:
        """Return the wrapped handler of a method, or what the server has for foreign methods."""
        method: str = handler_call_details.method
        wrapped = self._wrapped.get(method)
        if wrapped is not None:
            return wrapped
        handler = await continuation(handler_call_details)
        if handler is None or not method.startswith(_OWN):
            return handler
        wrapped = self._stream(method, handler) if handler.response_streaming else self._unary(method, handler)
        self._wrapped[method] = wrapped
        return wrapped

    async def drain(self, seconds: float) -> None:
        """Refuse new calls, and wait until those in flight are over, at most so many seconds.

        It waits a moment in any case: what clients sent before they could know is refused in words then, where
        the end of the server would only cut it off.
        """
        self._draining = True
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.sleep(_LAST_MOMENT_SECONDS)
                await self._idle.wait()

    def _unary(self, method: str, handler: Any) -> Any:
        async def answer(data: bytes, context: CallContext) -> bytes:
            call = _Call(method, context)
            _current.set(call)
            try:
                with self._admitted(call):
                    response = await handler.unary_unary(_parsed(handler, data), context)
                    answer = response if isinstance(response, bytes) else handler.response_serializer(response)
                    call.code = _OK
                    return answer
            except Exception as error:  # noqa: BLE001 - the table says what the caller is told
                await self._abort(call, error)
            finally:
                self._end(call)

        return grpc.unary_unary_rpc_method_handler(answer)

    def _stream(self, method: str, handler: Any) -> Any:
        async def answer(data: bytes, context: CallContext) -> AsyncIterator[bytes]:
            call = _Call(method, context)
            _current.set(call)
            try:
                with self._admitted(call):
                    async for response in handler.unary_stream(_parsed(handler, data), context):
                        yield handler.response_serializer(response)
                    call.code = _OK
            except Exception as error:  # noqa: BLE001 - the table says what the caller is told
                await self._abort(call, error)
            finally:
                self._end(call)

        return grpc.unary_stream_rpc_method_handler(answer)

    async def _abort(self, call: _Call, error: Exception) -> NoReturn:
        if isinstance(error, StoreUnavailable):
            self._metrics.store_unavailable.inc()
        await call.abort(error)

    def _end(self, call: _Call) -> None:
        seconds = call.seconds
        self._metrics.calls.labels(call.name, call.code).inc()
        self._metrics.call_seconds.labels(call.name).observe(seconds)
        _log.debug("call", method=call.method, milliseconds=seconds * 1e3)

    @contextmanager
    def _admitted(self, call: _Call) -> Iterator[None]:
        if self._draining:
            self._metrics.calls_refused.labels("draining").inc()
            raise ShuttingDown("the server is stopping; try again, on another one where there is one")
        if self._in_flight >= self._max_concurrent_calls:
            self._metrics.calls_refused.labels("overloaded").inc()
            raise Overloaded(f"{self._in_flight} calls are in flight already; try again in a moment")
        self._in_flight += 1
        self._metrics.calls_in_flight.set(self._in_flight)
        self._idle.clear()
        try:
            if self._tokens:
                self._authorize(call)
            yield
        finally:
            self._in_flight -= 1
            self._metrics.calls_in_flight.set(self._in_flight)
            if self._in_flight == 0:
                self._idle.set()

    def _authorize(self, call: _Call) -> None:
        scheme, _, secret = call.metadata("authorization").partition(" ")
        token = self._tokens.get(hashlib.sha256(secret.encode()).hexdigest())
        if scheme.lower() != "bearer" or token is None:
            raise Unauthenticated("send the metadata `authorization: Bearer TOKEN` with a token that is accepted here")
        if call.method.startswith(_ADMIN) and token.role != "admin":
            raise PermissionDenied(f"token {token.name!r} has the role {token.role!r}; this method needs 'admin'")


def _parsed(handler: Any, data: bytes) -> Any:
    """Parse a request; what protobuf refuses is the caller's mistake, not the server's."""
    try:
        return handler.request_deserializer(data)
    except DecodeError as error:
        raise InvalidField("request", f"is not a valid message: {error}; strings must be UTF-8") from error
