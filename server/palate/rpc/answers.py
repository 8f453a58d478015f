"""Answers kept in memory."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

__all__ = ["ANSWER_BYTES", "Answers"]

ANSWER_BYTES: Final = 400
"""What an answer takes beside its own bytes: its key with the profile's header, and its place."""


class Answers:
    """Serialized answers by what they depend on, the most recently used ones, as many as fit.

    Args:
        max_bytes: What all of them may take.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()

    def get(self, key: Hashable) -> bytes | None:
        """Return an answer, or None when it is not kept."""
        answer = self._kept.get(key)
        if answer is not None:
            self._kept.move_to_end(key)
        return answer

    def keep(self, key: Hashable, answer: bytes) -> None:
        """Keep an answer, in place of those that were not used for longest."""
        self._bytes -= _bytes(self._kept.pop(key, None))
        self._kept[key] = answer
        self._bytes += _bytes(answer)
        while self._bytes > self._max_bytes:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= _bytes(dropped)


def _bytes(answer: bytes | None) -> int:
    return 0 if answer is None else len(answer) + ANSWER_BYTES
