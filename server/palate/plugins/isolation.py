"""Isolation of third-party strategies: calls with a time limit, in a bounded pool of threads.

Source:
    The bulkhead of Nygard, *Release It!*, chapter "Stability patterns".
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from contextvars import copy_context
from typing import TypeVar

import structlog

from palate.errors import Overloaded
from palate.plugins.registry import Registered

__all__ = ["Isolation", "OutOfTime"]

T = TypeVar("T")
_log = structlog.get_logger(__name__)


class OutOfTime(Exception):
    """A call did not end in time, or was not begun since too many before it have not ended yet."""


class Isolation:
    """Runs the calls of one strategy in the threads of an executor, so that the event loop and others go on.

    A thread cannot be stopped from outside, so a call whose time is over, or whose caller has left, is abandoned: it
    runs on, and what it returns is thrown away. No more than `limit` calls run at a time, abandoned ones included; the
    others wait as long as their time allows. Once all that run are abandoned, further calls fail at once. Use it on
    one event loop.

    Args:
        strategy: Whose calls they are.
        executor: Has threads to spare for `limit` calls.
        limit: How many calls run at a time, at least 1.

    Attributes:
        abandoned: How many calls run on though nobody waits for them.
    """

    def __init__(self, strategy: Registered, executor: Executor, limit: int) -> None:
        self._strategy = strategy
        self._executor = executor
        self._limit = limit
        self._free = asyncio.Semaphore(limit)
        self.abandoned = 0

    async def run(self, work: Callable[[], T], seconds: float) -> T:
        """Run a call in a thread, with the context variables of the caller.

        Args:
            work: The call.
            seconds: How long to wait.

        Raises:
            OutOfTime: When it did not end in time, or none of `limit` calls before it has.
            Overloaded: When it could not begin in time.
            Exception: Whatever the call raises.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        if self.abandoned >= self._limit:
            raise OutOfTime(f"{self.abandoned} calls that ran out of time have not ended yet")
        try:
            await asyncio.wait_for(self._free.acquire(), max(seconds, 0))
        except TimeoutError:
            raise Overloaded(
                f"{self._limit} calls of {self._strategy} were in flight all the time; try again in a moment"
            ) from None
        future = self._submit(work, loop)
        waiting = asyncio.wrap_future(future)
        try:
            await asyncio.wait([waiting], timeout=end - loop.time())
        finally:  # a caller who leaves abandons the call too
            if not waiting.done():
                self._abandon(waiting, seconds)
        if not waiting.done():
            raise OutOfTime(f"it did not end within {seconds:.3g} seconds")
        return waiting.result()

    def _submit(self, work: Callable[[], T], loop: asyncio.AbstractEventLoop) -> Future[T]:
        def release(_: Future[T]) -> None:
            with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
                loop.call_soon_threadsafe(self._free.release)

        try:
            future = self._executor.submit(copy_context().run, work)
        except RuntimeError:  # the executor was shut down
            self._free.release()
            raise
        future.add_done_callback(release)
        return future

    def _abandon(self, waiting: asyncio.Future[T], seconds: float) -> None:
        self.abandoned += 1
        _log.warning("strategy call abandoned", **self._strategy.identity, seconds=seconds, abandoned=self.abandoned)
        waiting.add_done_callback(self._ended)

    def _ended(self, waiting: asyncio.Future[T]) -> None:
        self.abandoned -= 1
        _log.info("abandoned call ended", **self._strategy.identity, exc_info=waiting.exception())
