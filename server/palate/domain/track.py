"""What a track is, and the order and range of its audio features."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

__all__ = ["FEATURES", "FEATURE_RANGES", "GenreCluster", "Track"]

FEATURE_RANGES: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "danceability": (0.0, 1.0),
        "energy": (0.0, 1.0),
        "valence": (0.0, 1.0),
        "tempo": (0.0, 300.0),
        "loudness": (-60.0, 5.0),
        "acousticness": (0.0, 1.0),
        "instrumentalness": (0.0, 1.0),
        "liveness": (0.0, 1.0),
        "speechiness": (0.0, 1.0),
    }
)
"""Lowest and highest possible value of each feature, in the units of the Spotify Web API. Tempo 0 means that
none was found and counts as missing."""

FEATURES: Final[tuple[str, ...]] = tuple(FEATURE_RANGES)
"""The nine audio features, in the order of every feature vector."""


@dataclass(frozen=True, slots=True)
class Track:
    """One track of the catalog.

    Attributes:
        track_id: Identifier, 1 to 128 bytes of UTF-8.
        title: Title as its source spells it.
        artists: At least one, main artist first.
        genres: As the source names them; may be empty.
        cluster_id: The genre cluster that the track was placed in.
        popularity: From 0 (unknown) to 100.
        features: Nine values in the order of `FEATURES`.
        excluded: Whether its cluster is never recommended nor learned.
    """

    track_id: str
    title: str
    artists: tuple[str, ...]
    genres: tuple[str, ...]
    cluster_id: str
    popularity: int
    features: tuple[float, ...]
    excluded: bool


@dataclass(frozen=True, slots=True)
class GenreCluster:
    """A named group of genres that sound alike.

    Attributes:
        cluster_id: Slug such as ``"extreme-metal"``.
        display_name: Name to show to people.
        excluded: Whether the cluster is never recommended nor learned.
        occasional: Whether its music is for some listeners or times of the year, such as music for children: those of
            whom nothing is known get it last.
    """

    cluster_id: str
    display_name: str
    excluded: bool
    occasional: bool = False
