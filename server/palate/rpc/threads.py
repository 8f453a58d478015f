"""Work that takes longer than a moment, off the event loop."""

import asyncio
import contextvars
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar

import grpc

from palate.bursts import Burst

__all__ = ["CallContext", "Turns", "deadline_of", "in_thread"]

P = ParamSpec("P")
T = TypeVar("T")

CallContext: TypeAlias = grpc.aio.ServicerContext[Any, Any]
"""What gRPC knows of a call in hand."""

_TURN_SECONDS: Final = 0.02
_BURST_SECONDS: Final = 0.012


async def in_thread(executor: Executor, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a thread, with the logging context of the caller."""
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(executor, lambda: context.run(function, *args, **kwargs))


class Turns:
    """Lets one thread at a time work out a slate, unless that takes long.

    Threads that compute take the interpreter's lock from one another at every array operation, hundreds of times
    for one slate, which doubles the processor time that it costs. A turn is over after 20 milliseconds even if its
    work goes on, so that slow work does not hold up the rest, and work that frees the lock can run side by side.

    The event loop is such a thread too. It stands still for the first 12 milliseconds of a turn: a slate that is made
    in one go holds up the other calls for less time than one that they fight over (of some 7 ms of processor time
    beside cached answers 2 were left). A slate takes 2 to 5 ms, and twice that on a machine that is busy otherwise.
    Where the last one took longer, since a strategy waits for somebody else, the loop goes on at once. Once a model has
    been loaded the loop goes on for a moment, so that nobody waits for that and for the slate as well.

    Args:
        bursts: Whether the loop stands still; not where work waits for a network.
    """

    def __init__(self, *, bursts: bool = False) -> None:
        self._turns = asyncio.Semaphore()
        self._bursts = bursts
        self._quick = bursts

    async def run(self, executor: Executor, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in a thread, in a turn, with the logging context of the caller."""
        context = contextvars.copy_context()
        async with self.turn():
            burst = Burst(asyncio.get_running_loop(), _BURST_SECONDS if self._quick else 0.0)
            future = executor.submit(context.run, burst.run, partial(function, *args, **kwargs))
            burst.stand()
            try:
                return await asyncio.wrap_future(future)
            finally:
                self._quick = self._bursts and burst.seconds < _BURST_SECONDS

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn, and give it up at the end of the block or when it has lasted long enough."""
        await self._turns.acquire()
        over = False

        def end() -> None:
            nonlocal over
            if not over:
                over = True
                self._turns.release()

        expiry = asyncio.get_running_loop().call_later(_TURN_SECONDS, end)
        try:
            yield
        finally:
            expiry.cancel()
            end()


def deadline_of(context: CallContext) -> float | None:
    """Return when the caller stops waiting, on the clock of `time.monotonic`, or None."""
    remaining: float | None = context.time_remaining()
    return None if remaining is None else time.monotonic() + remaining
