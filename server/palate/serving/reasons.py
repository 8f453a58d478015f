"""Reasons as sentences: what a strategy gives in data, said to a listener."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from palate.plugins.strategy import Reason, ReasonKind

__all__ = ["sentence"]

_FEATURE_WORDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "danceability": ("hard to dance to", "danceable"),
        "energy": ("calm", "energetic"),
        "valence": ("dark", "cheerful"),
        "tempo": ("slow", "fast"),
        "loudness": ("quiet", "loud"),
        "acousticness": ("electric", "acoustic"),
        "instrumentalness": ("sung", "instrumental"),
        "liveness": ("from the studio", "live"),
        "speechiness": ("without spoken words", "wordy"),
    }
)
"""How tracks sound that have less of a feature than most, and more."""


def sentence(reason: Reason, *, taste_name: str, nearest: tuple[str, str] | None, levels: Mapping[str, float]) -> str:
    """Say a reason in a short English sentence.

    Args:
        reason: The reason.
        taste_name: Name of the taste, or of the track's genre cluster, to show to people; may be empty.
        nearest: Title and main artist of `Reason.nearest_liked`, or None.
        levels: Normal scores of the recommended track by feature: above 0 is more than most tracks have.
    """
    track = _track(nearest) if nearest else ""
    sound = _sound(reason, levels)
    if reason.kind is ReasonKind.POPULAR:
        return f"Popular in {taste_name}." if taste_name else "Popular with many listeners."
    if reason.kind is ReasonKind.EXPLORATION:
        place = f"near {track}" if track else f"in {taste_name}" if taste_name else "for you"
        return f"Something new {place}, to learn more about what you like."
    if reason.kind is ReasonKind.MODEL:
        opening = f"Predicted from your likes and dislikes{f' in {taste_name}' if taste_name else ''}"
        return f"{opening}; it sounds like {track}{sound}." if track else f"{opening}{sound}."
    if track:
        return f"Sounds like {track}, which you liked{sound}."
    return f"Fits {f'your taste in {taste_name}' if taste_name else 'what you like'}{sound}."


def _track(nearest: tuple[str, str]) -> str:
    """Name a track by its title and, where it is known, its main artist."""
    title, artist = nearest
    return f"“{title}” by {artist}" if artist else f"“{title}”"


def _sound(reason: Reason, levels: Mapping[str, float]) -> str:
    """Say how the track sounds in the features that speak for it: ``: energetic, dark and fast``; or nothing."""
    words = [
        _FEATURE_WORDS[name][levels[name] > 0]
        for name, share in reason.features
        if share > 0 and name in _FEATURE_WORDS and name in levels
    ]
    if not words:
        return ""
    *others, last = words
    return f": {', '.join(others)} and {last}" if others else f": {last}"
