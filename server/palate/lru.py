"""Values kept in memory: the most recently used ones, as many as fit."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["LruCache"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LruCache(Generic[K, V]):
    """Values by key, bounded in bytes. Threads may share it.

    Args:
        max_bytes: What all values may take.
        size: What one of them takes, in bytes; always the same for the same value.
    """

    def __init__(self, max_bytes: int, size: Callable[[V], int]) -> None:
        self._max_bytes = max_bytes
        self._size = size
        self._bytes = 0
        self._kept: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def size_bytes(self) -> int:
        """What is taken by all that is kept."""
        return self._bytes

    def get(self, key: K) -> V | None:
        """Return a value, or None when it is not kept."""
        with self._lock:
            value = self._kept.get(key)
            if value is not None:
                self._kept.move_to_end(key)
            return value

    def keep(self, key: K, value: V) -> list[V]:
        """Keep a value, in place of those that were not used for longest, and return these."""
        evicted = []
        with self._lock:
            replaced = self._kept.pop(key, None)
            self._kept[key] = value
            self._bytes += self._size(value) - (0 if replaced is None else self._size(replaced))
            while self._bytes > self._max_bytes:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= self._size(dropped)
                evicted.append(dropped)
        return evicted
