"""Reasons as sentences: what a strategy gives in data, said to a listener."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from palate.strategy.contract import Reason, ReasonKind

__all__ = ["sentence"]

_FEATURE_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "valence": "mood",
        "acousticness": "acoustic sound",
        "instrumentalness": "instrumental sound",
        "liveness": "live sound",
        "speechiness": "amount of speech",
    }
)
"""Features whose names are no everyday words."""


def sentence(reason: Reason, *, taste_name: str, nearest: tuple[str, str] | None) -> str:
    """Say a reason in a short English sentence.

    Args:
        reason: The reason.
        taste_name: Name of the taste, or of the track's genre cluster, to show to people; may be empty.
        nearest: Title and main artist of `Reason.nearest_liked`, or None.
    """
    track = _track(nearest) if nearest else ""
    if reason.kind is ReasonKind.POPULAR:
        return f"Popular in {taste_name}." if taste_name else "Popular with many listeners."
    if reason.kind is ReasonKind.EXPLORATION:
        place = f"near {track}" if track else f"in {taste_name}" if taste_name else "for you"
        return f"Something new {place}, to learn more about what you like."
    if reason.kind is ReasonKind.MODEL:
        opening = f"Predicted from your likes and dislikes{f' in {taste_name}' if taste_name else ''}"
        return f"{opening}; it sounds like {track}{_features(reason)}." if track else f"{opening}{_features(reason)}."
    if track:
        return f"Sounds like {track}, which you liked{_features(reason)}."
    return f"Fits {f'your taste in {taste_name}' if taste_name else 'what you like'}{_features(reason)}."


def _track(nearest: tuple[str, str]) -> str:
    """Name a track by its title and, where it is known, its main artist."""
    title, artist = nearest
    return f"“{title}” by {artist}" if artist else f"“{title}”"


def _features(reason: Reason) -> str:
    """Name the features that speak for the track: ``: similar energy, mood and tempo``; or nothing."""
    words = [_FEATURE_WORDS.get(name, name) for name, share in reason.features if share > 0]
    if not words:
        return ""
    *others, last = words
    return f": similar {', '.join(others)} and {last}" if others else f": similar {last}"
