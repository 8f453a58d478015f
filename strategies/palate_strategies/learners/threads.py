"""Keeps the numerical libraries to one thread while a model is fitted."""

from collections.abc import Callable
from functools import cache, wraps
from typing import ParamSpec, TypeVar

from threadpoolctl import ThreadpoolController

__all__ = ["single_threaded"]

P = ParamSpec("P")
R = TypeVar("R")


def single_threaded(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function run without helping threads.

    The models are so small that threads cost more than they bring, the trainer fits several at once, and sums that
    are shared among threads come out differently from run to run.
    """

    @wraps(function)
    def alone(*args: P.args, **kwargs: P.kwargs) -> R:
        with _controller().limit(limits=1):
            return function(*args, **kwargs)

    return alone


@cache
def _controller() -> ThreadpoolController:
    """Look for the libraries once: it takes milliseconds."""
    return ThreadpoolController()
