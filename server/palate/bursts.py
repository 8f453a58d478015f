"""Work in a thread for which the event loop stands still, and the moments at which it lets the loop go on."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final, TypeVar

__all__ = ["Burst", "rest"]

T = TypeVar("T")

_RESTS: Final = 3
"""How many times as long as the loop stood still it goes on in a rest."""


class Burst:
    """A piece of work in a thread, for which the event loop stands still: they would fight over the interpreter.

    What can be done in two parts rests between them: the calls that waited for the first are answered before any has
    to wait for the second.

    Args:
        loop: The event loop. The burst is made in its thread, and `stand` called there.
        seconds: How long the loop stands still at the most; with 0 it never does.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop = loop
        self._left = seconds
        self._over = threading.Event()
        self._stands: float | None = None  # since when
        self._began = time.monotonic()
        self._rested = 0.0

    @property
    def seconds(self) -> float:
        """How long ago it began, rests not counted."""
        return time.monotonic() - self._began - self._rested

    def stand(self) -> None:
        """Stand still until the work rests or ends, or until it has lasted too long."""
        self._stands = began = time.monotonic()
        self._over.wait(max(self._left, 0.0))
        self._stands = None
        self._left -= time.monotonic() - began

    def run(self, work: Callable[[], T]) -> T:
        """Do the work, in a context that is its own."""
        _current.set(self)
        try:
            return work()
        finally:
            self._left = 0.0  # a part that was given up may still rest
            self._over.set()

    def rest(self) -> None:
        """Let the loop go on for three times as long as it has stood still, then have it stand still again.

        Return at once while it does not: it has not come back from the last rest, or has stood still long enough.
        """
        stands = self._stands
        if stands is None:
            return
        seconds = _RESTS * (time.monotonic() - stands)
        self._over.set()
        time.sleep(seconds)
        self._rested += seconds
        self._over.clear()
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.stand)


_current: Final[ContextVar[Burst]] = ContextVar("palate_burst")


def rest() -> None:
    """Rest, where the event loop stands still for the caller; else return at once."""
    burst = _current.get(None)
    if burst is not None:
        burst.rest()
