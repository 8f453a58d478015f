"""Work that takes longer than a moment, off the event loop."""

import asyncio
import contextvars
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, ParamSpec, TypeAlias, TypeVar

import grpc

__all__ = ["CallContext", "deadline_of", "in_thread"]

P = ParamSpec("P")
T = TypeVar("T")

CallContext: TypeAlias = grpc.aio.ServicerContext[Any, Any]
"""What gRPC knows of a call in hand."""


async def in_thread(executor: Executor, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a thread, with the logging context of the caller."""
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(executor, lambda: context.run(function, *args, **kwargs))


def deadline_of(context: CallContext) -> float | None:
    """Return when the caller stops waiting, on the clock of `time.monotonic`, or None."""
    remaining: float | None = context.time_remaining()
    return None if remaining is None else time.monotonic() + remaining
