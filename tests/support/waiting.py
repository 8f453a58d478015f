"""Waiting for what another thread or process does."""

import time
from collections.abc import Callable
from typing import Final

_PATIENCE_SECONDS: Final = 120


def eventually(holds: Callable[[], bool], say: Callable[[], str] = str) -> None:
    """Wait until something holds.

    Args:
        holds: Whether it does.
        say: What to say when it never does. No test depends on how long it takes; this only ends one that hangs.
    """
    end = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        assert end > time.monotonic(), say()
        time.sleep(0.01)
