"""An event loop for tests of what runs on one."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Protocol, TypeVar

import pytest

__all__ = ["Run", "run", "until"]

T = TypeVar("T")


class Run(Protocol):
    """See `run`."""

    def __call__(self, coroutine: Coroutine[Any, Any, T], /) -> T:
        """Run a coroutine and return what it returns."""


@pytest.fixture
def run() -> Iterator[Run]:
    """Return a function that runs coroutines one after the other on one event loop."""
    with asyncio.Runner() as runner:

        def run(coroutine: Coroutine[Any, Any, T], /) -> T:
            return runner.run(coroutine, context=contextvars.copy_context())

        yield run


async def until(holds: Callable[[], bool]) -> None:
    """Let the event loop go on until something holds; whoever asks sets the time limit."""
    while not holds():  # noqa: ASYNC110 - a thread makes it hold
        await asyncio.sleep(0.001)
