"""Texts in pictures: what the typeface cannot write is named instead, and what is too long is cut."""

import itertools
import unicodedata
from bisect import bisect_right
from functools import cache, lru_cache
from typing import Final

from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import TextPath

__all__ = ["fitted", "width_of", "writable"]

_FAMILY: Final = "DejaVu Sans"
_POINTS: Final = 72.0
_SCRIPTS: Final = {"CJK": "Han", "HIRAGANA": "Japanese", "KATAKANA": "Japanese", "HANGUL": "Korean"}
_HAN: Final = "Han"
_SPACE: Final = " "


def writable(text: str) -> str:
    """Return a text with every run that the typeface has no letters for named by its script: ``YELL ([Han] ver.)``.

    A run of several scripts, such as kanji among kana, gets the name of the one that says most. A text of which
    nothing can be written is named as a whole: ``(in Japanese)``.
    """
    if not any(char.isalnum() and _known(char) for char in text) and not all(map(_known, text)):
        script = _script("".join(char for char in text if not _known(char)))
        return f"(in {script} characters)" if script == _HAN else f"(in {script})"
    parts = []
    for known, letters in itertools.groupby(_with_spaces(text), key=_known):
        run = "".join(letters)
        parts.append(run if known else f"[{_script(run)}]")
    return "".join(parts)


def fitted(text: str, inches: float, size: float, weight: str = "normal") -> str:
    """Return a text that the typeface can write, cut so that it is at most so wide.

    Args:
        text: The text.
        inches: The width.
        size: Of the type, in points.
        weight: "normal" or "bold".
    """
    text = writable(text)
    if width_of(text, size, weight) <= inches:
        return text
    end = bisect_right(range(len(text)), inches, key=lambda end: width_of(_cut(text, end), size, weight))
    return _cut(text, max(end - 1, 0))


@lru_cache(maxsize=4096)
def width_of(text: str, size: float, weight: str = "normal") -> float:
    """Return how wide a text is, in inches."""
    if not text.strip():
        return 0.0
    font = FontProperties(family=_FAMILY, weight=weight)
    return float(TextPath((0, 0), text, size=size, prop=font).get_extents().x1 / _POINTS)


def _cut(text: str, end: int) -> str:
    return text[:end].rstrip(" ,([-") + "…"


def _with_spaces(text: str) -> str:
    """Return the text without what steers a terminal, and with plain spaces."""
    return "".join(_SPACE if char.isspace() else char for char in text if unicodedata.category(char)[0] != "C")


def _known(char: str) -> bool:
    return char == _SPACE or ord(char) in _letters()


@cache
def _letters() -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties(family=_FAMILY))).get_charmap())


def _script(run: str) -> str:
    words = [unicodedata.name(char, "SIGN").split()[0] for char in run]
    names = [_SCRIPTS.get(word, word.capitalize()) for word in words if word != "IDEOGRAPHIC"]
    return next((name for name in names if name != _HAN), _HAN)
