"""Finding the genre cluster that the words of a free-form genre name speak for."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Final

__all__ = ["STRENGTHS", "WordRules", "fold_genre", "fold_pattern", "is_occasional"]

STRENGTHS: Final = ("broad", "places", "forms", "styles")
"""Kinds of words, weakest first; a stronger one decides before all weaker ones."""

_OCCASIONAL: Final = frozenset(
    (
        "advent",
        "carols",
        "children",
        "childrens",
        "christmas",
        "disney",
        "enfants",
        "halloween",
        "hanukkah",
        "holiday",
        "holidays",
        "infantil",
        "kid",
        "kids",
        "kinder",
        "lullabies",
        "lullaby",
        "navidad",
        "noel",
        "nursery",
        "preschool",
        "toddler",
        "villancicos",
        "weihnachten",
        "xmas",
    )
)
"""Words in the names of genres that are for some listeners or times of the year."""

_AND: Final = re.compile(r"['\u2019`]n['\u2019`]?(?![a-z])|[&+]|\bn\b")
_APOSTROPHE: Final = re.compile(r"['\u2019`]")
_WORD: Final = re.compile(r"[^\W_]+")


def fold_genre(name: str) -> str:
    """Return a name as lower-case words without accents, one space between them.

    Hyphens and other punctuation separate words, apostrophes vanish, and "&", "+" and "n" become "and", so that
    "R&B", "r-n-b" and "R 'n' B" are one name. Empty when nothing is left.
    """
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return " ".join(_WORD.findall(_APOSTROPHE.sub("", _AND.sub(" and ", plain))))


def is_occasional(name: str) -> bool:
    """Return whether a genre is for some listeners or times of the year, such as ``"kids"`` or ``"christmas"``."""
    return not _OCCASIONAL.isdisjoint(fold_genre(name).split())


def fold_pattern(pattern: str) -> str:
    """Fold a word or phrase of the cluster file; a ``*`` at the start or the end of a single word stays.

    Raises:
        ValueError: When nothing is left to look for, or ``*`` stands anywhere else.
    """
    bare = pattern.strip()
    before, after = bare.startswith("*"), len(bare) > 1 and bare.endswith("*")
    folded = fold_genre(bare[before : len(bare) - after])
    if not folded:
        raise ValueError("has no letters to look for")
    if "*" in bare[before : len(bare) - after] or ((before or after) and " " in folded):
        raise ValueError("may have * only at the start or the end of a single word")
    if before and after:
        raise ValueError("may have * at one end only")
    return f"{'*' * before}{folded}{'*' * after}"


class WordRules:
    """Words and phrases that speak for clusters.

    Args:
        patterns: From folded pattern to its strength (position in `STRENGTHS`) and its cluster.
    """

    def __init__(self, patterns: Mapping[str, tuple[int, str]]) -> None:
        self._patterns = patterns
        self._most_words = max((len(pattern.split()) for pattern in patterns), default=0)
        self._most_letters = max((len(pattern) for pattern in patterns if "*" in pattern), default=0)

    def place(self, folded: str) -> str | None:
        """Return the cluster that a folded name's words speak for, or None.

        The strongest kind of word decides; among equals the one that ends last in the name, then the one of
        most words, then the one of most letters.
        """
        best = max(self._matches(folded.split()), default=None)
        return best[-1] if best else None

    def _matches(self, words: list[str]) -> Iterator[tuple[int, int, int, bool, int, str]]:
        """Yield strength, end, number of words, whether spelled out, length and cluster of all that matches."""
        for end in range(1, len(words) + 1):
            for start in range(max(0, end - self._most_words), end):
                for pattern in self._spellings(words[start:end]):
                    if pattern in self._patterns:
                        strength, cluster = self._patterns[pattern]
                        yield strength, end, end - start, "*" not in pattern, len(pattern), cluster

    def _spellings(self, words: list[str]) -> Iterator[str]:
        """Yield every pattern that would match these words as a whole."""
        yield " ".join(words)
        if len(words) == 1:
            for letters in range(1, min(len(words[0]), self._most_letters) + 1):
                yield f"*{words[0][-letters:]}"
                yield f"{words[0][:letters]}*"
