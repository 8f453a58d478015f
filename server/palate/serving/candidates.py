"""What strategies found for a taste, found again as long as the taste is the same."""

from collections.abc import Callable, Hashable
from typing import Any, Final, TypeVar

from numpy.typing import NDArray

from palate.domain.profile import Taste
from palate.lru import LruCache

__all__ = ["CandidateCache"]

A = TypeVar("A", bound=NDArray[Any])
_BYTES_PER_ENTRY: Final = 2_000
"""What an entry takes beside its array: its key, its place, and a taste that the profile has let go of."""


class CandidateCache:
    """Arrays by listener, taste and key, the most recently used ones. Threads may share it.

    Feedback changes one taste of several, and a swap of a model none, so that most of what was found stays right.

    Args:
        max_bytes: What all of them may take.
    """

    def __init__(self, max_bytes: int) -> None:
        self._kept: LruCache[Hashable, tuple[Taste, Any]] = LruCache(max_bytes, _size)

    def array(self, user_id: str, taste: Taste, key: Hashable, find: Callable[[], A]) -> A:
        """Return what was found for an equal taste of that listener under that key, or find it now."""
        place = user_id, taste.taste_id, key
        kept = self._kept.get(place)
        if kept is None or kept[0] != taste:
            array = find()
            array.flags.writeable = False
            kept = taste, array
            self._kept.keep(place, kept)
        found: A = kept[1]
        return found


def _size(entry: tuple[Taste, Any]) -> int:
    size: int = entry[1].nbytes
    return size + _BYTES_PER_ENTRY
