"""Rows that strategies found for a taste, found again as long as the taste is the same."""

from collections.abc import Callable, Hashable
from typing import Final

from palate.lru import LruCache
from palate.strategy.contract import Rows
from palate.tastes.profile import Taste

__all__ = ["CandidateCache"]

_BYTES_PER_ENTRY: Final = 2_000
"""What an entry takes beside its rows: its key, its place, and a taste that the profile has let go of."""


class CandidateCache:
    """Rows by listener, taste and key, the most recently used ones. Threads may share it.

    Feedback changes one taste of several, and a swap of a model none, so that most of what was found stays right.

    Args:
        max_bytes: What all of them may take.
    """

    def __init__(self, max_bytes: int) -> None:
        self._kept: LruCache[Hashable, tuple[Taste, Rows]] = LruCache(max_bytes, _size)

    def rows(self, user_id: str, taste: Taste, key: Hashable, find: Callable[[], Rows]) -> Rows:
        """Return what was found for an equal taste of that listener under that key, or find it now."""
        place = user_id, taste.taste_id, key
        kept = self._kept.get(place)
        if kept is None or kept[0] != taste:
            rows = find()
            rows.flags.writeable = False
            kept = taste, rows
            self._kept.keep(place, kept)
        return kept[1]


def _size(entry: tuple[Taste, Rows]) -> int:
    return entry[1].nbytes + _BYTES_PER_ENTRY
