"""Calls with a time limit, walled off so that those that never end take no more than a few threads.

Source:
    The name and the idea are from Nygard, *Release It!*, chapter "Stability patterns".
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextvars import copy_context
from typing import TypeVar

import structlog

from palate.errors import Overloaded
from palate.plugins.registry import Registered

__all__ = ["Bulkhead", "OutOfTime"]

T = TypeVar("T")
_log = structlog.get_logger(__name__)


class OutOfTime(Exception):
    """A call did not end in time, or was not begun since too many before it have not ended yet."""


class Bulkhead:
    """Runs the calls of one strategy in the threads of an executor.

    A thread cannot be stopped from outside, so a call whose time is over is abandoned: it runs on, and what it
    returns is thrown away. No more than `limit` calls run at a time, abandoned ones included; the others wait
    for their turn as long as their time allows. Once all that run are abandoned, further calls fail at once.

    Args:
        strategy: Whose calls they are.
        executor: Has threads to spare for `limit` calls.
        limit: How many calls run at a time, at least 1.
    """

    def __init__(self, strategy: Registered, executor: Executor, limit: int) -> None:
        self._strategy = strategy
        self._executor = executor
        self._limit = limit
        self._turns = threading.BoundedSemaphore(limit)
        self._lock = threading.Lock()
        self._abandoned = 0

    @property
    def abandoned(self) -> int:
        """How many calls run on though nobody waits for them."""
        return self._abandoned

    def run(self, work: Callable[[], T], seconds: float) -> Future[T]:
        """Run a call in a thread, with the context variables of the caller, and wait for it.

        Args:
            work: The call.
            seconds: How long to wait.

        Returns:
            The call's outcome, which is at hand: its result or its exception.

        Raises:
            OutOfTime: When it did not end in time, or none of `limit` calls before it has.
            Overloaded: When it could not begin in time.
        """
        end = time.monotonic() + seconds
        if self._abandoned >= self._limit:
            raise OutOfTime(f"{self._abandoned} calls that ran out of time have not ended yet")
        if not self._turns.acquire(timeout=max(seconds, 0)):
            raise Overloaded(
                f"{self._limit} calls of {self._strategy} were under way all the time; try again in a moment"
            )
        future = self._submit(work)
        try:
            future.exception(end - time.monotonic())
        except TimeoutError:
            self._give_up(future, seconds)
            raise OutOfTime(f"it did not end within {seconds:.3g} seconds") from None
        return future

    def _submit(self, work: Callable[[], T]) -> Future[T]:
        try:
            future = self._executor.submit(copy_context().run, work)
        except RuntimeError:  # the executor was shut down
            self._turns.release()
            raise
        future.add_done_callback(lambda _: self._turns.release())
        return future

    def _give_up(self, future: Future[T], seconds: float) -> None:
        if future.cancel():
            raise Overloaded(f"no thread became free for {self._strategy}; try again in a moment")
        with self._lock:
            self._abandoned += 1
        _log.warning("strategy ran out of time", **self._strategy.identity, seconds=seconds, abandoned=self._abandoned)
        future.add_done_callback(self._ended)

    def _ended(self, future: Future[T]) -> None:
        with self._lock:
            self._abandoned -= 1
        _log.info("abandoned call ended", **self._strategy.identity, exc_info=future.exception())
