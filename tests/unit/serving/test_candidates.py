"""What strategies found for a taste is found again."""

from collections.abc import Callable, Hashable
from dataclasses import replace

import numpy as np
import pytest
from palate.domain import Tally, Taste
from palate.plugins.strategy import Rows
from palate.serving.candidates import CandidateCache

METAL = Taste("metal", opened=1, revision=3, liked=Tally(2, (1,) * 9, {"death metal": 2}))


class Finder:
    """Looks things up in a cache, and counts what is found anew."""

    def __init__(self, cache: CandidateCache) -> None:
        self.cache = cache
        self.found = 0

    def __call__(self, taste: Taste = METAL, key: Hashable = "near", user_id: str = "ana") -> Rows:
        """Look something up."""
        return self.cache.array(user_id, taste, key, self.find)

    def find(self) -> Rows:
        """Find rows that tell how often it was called."""
        self.found += 1
        return np.full(1000, self.found, dtype=np.int32)


@pytest.fixture
def ask() -> Finder:
    """Return what asks a cache with room for everything."""
    return Finder(CandidateCache(10**6))


def test_an_equal_taste_finds_what_was_found(ask: Finder) -> None:
    """Read again from the store it is another object and the same taste."""
    first = ask()
    assert first is ask()
    assert first is ask(Taste.from_bytes(METAL.to_bytes()))
    assert 1 == ask.found
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 7


@pytest.mark.parametrize(
    "other",
    [
        lambda ask: ask(replace(METAL, revision=4)),
        lambda ask: ask(replace(METAL, liked=Tally(2, (2,) * 9, {"death metal": 2}))),
        lambda ask: ask(key="best first"),
        lambda ask: ask(user_id="bob"),
    ],
    ids=["later revision", "profile made anew", "other key", "other listener"],
)
def test_anything_else_is_found_for_itself(ask: Finder, other: Callable[[Finder], Rows]) -> None:
    """A profile that was deleted and made anew may have the same revisions; its tastes differ all the same."""
    assert [1, 2] == [int(ask()[0]), int(other(ask)[0])]
    assert 2 == ask.found


def test_without_room_everything_is_found_anew() -> None:
    """Nothing is kept, and nothing breaks."""
    ask = Finder(CandidateCache(0))
    assert [1, 2, 3] == [int(ask()[0]) for _ in range(3)]
