"""A small catalog and listeners on it, for the tests of those who extend palate."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from palate.catalog.snapshot import Catalog
from palate.catalog.writer import write_catalog
from palate.domain import Event, EventKind, Profile, RecordedTrack, Taste, read_only, replay
from palate.domain.track import FEATURES, GenreCluster
from palate.plugins.strategy import Context, Rows

A = TypeVar("A", bound=NDArray[Any])

__all__ = ["CLUSTERS", "Listener", "make_listener", "small_catalog"]

CLUSTERS: Final = (
    GenreCluster("baroque", "Baroque", excluded=False),
    GenreCluster("bebop", "Bebop", excluded=False),
    GenreCluster("bossa-nova", "Bossa Nova", excluded=False),
    GenreCluster("death-metal", "Death Metal", excluded=False),
    GenreCluster("drum-and-bass", "Drum and Bass", excluded=False),
    GenreCluster("j-pop", "J-Pop", excluded=False),
    GenreCluster("outlaw-country", "Outlaw Country", excluded=False),
    GenreCluster("polka", "Polka", excluded=False),
    GenreCluster("rain-sounds", "Rain Sounds", excluded=True),
    GenreCluster("salsa", "Salsa", excluded=False),
)
"""The clusters of the small catalog. *Polka* has no tracks, *Rain Sounds* is excluded."""

_EMPTY: Final = "polka"
_GENRES: Final = 4
_LOW = np.array([0, 0, 0, 60, -40, 0, 0, 0, 0], dtype=np.float64)
_HIGH = np.array([1, 1, 1, 200, 0, 1, 1, 1, 1], dtype=np.float64)


def small_catalog(path: Path, tracks_per_cluster: int = 1_500, artists: int = 4_000) -> Catalog:
    """Write a catalog to a file and open it.

    It is the same every time: four genres in each cluster that sound different, tracks of one or two of them,
    popularity that is low for most, and artists of whom some have many tracks and some are in several clusters.

    Args:
        path: The file to make.
        tracks_per_cluster: How many tracks each cluster but the empty one gets.
        artists: How many artists there are to draw from, some more often than others.
    """
    generator = np.random.default_rng(20)
    filled = [cluster.cluster_id for cluster in CLUSTERS if cluster.cluster_id != _EMPTY]
    tracks = [_tracks(cluster_id, tracks_per_cluster, artists, generator) for cluster_id in filled]
    write_catalog(path, pa.concat_tables(tracks), CLUSTERS, source="made by palate.testing")
    return Catalog.open(path)


def _tracks(cluster_id: str, count: int, artists: int, generator: np.random.Generator) -> pa.Table:
    """Make the tracks of one cluster."""
    genre = generator.integers(_GENRES, size=(count, 2))
    centres = generator.uniform(0.2, 0.8, size=(_GENRES, len(FEATURES)))
    place = np.clip(centres[genre[:, 0]] + generator.normal(0, 0.15, size=(count, len(FEATURES))), 0, 1)
    features = (_LOW + place * (_HIGH - _LOW)).astype(np.float32)
    artist = (artists * generator.beta(0.5, 2, size=count)).astype(int)
    return pa.table(
        {
            "track_id": [f"{cluster_id}-{number}" for number in range(count)],
            "title": [f"{cluster_id.title()} No. {number}" for number in range(count)],
            "artists": [[f"Artist {number}"] for number in artist],
            "genres": [sorted({f"{cluster_id} {name}" for name in pair}) for pair in genre.tolist()],
            "popularity": pa.array((101 * generator.beta(1, 3, size=count)).astype(np.uint8)),
            "features": pa.FixedSizeListArray.from_arrays(pa.array(features.ravel()), len(FEATURES)),
            "cluster": [cluster_id] * count,
        }
    )


@dataclass(frozen=True, slots=True)
class Listener:
    """A profile with what a strategy is given beside it.

    Attributes:
        profile: The profile, as replaying its log makes it.
        context: The catalog and what is rated.
        rated: Rows of all rated tracks, ascending.
    """

    profile: Profile
    context: Context
    rated: Rows


def make_listener(
    catalog: Catalog, ratings: Mapping[str, tuple[int, int]], user_id: str = "ana", seed: int = 0
) -> Listener:
    """Make a listener who has liked and disliked so many tracks of each cluster.

    Args:
        catalog: The catalog.
        ratings: Likes and dislikes by cluster_id; the tracks are drawn by chance.
        user_id: The listener.
        seed: Of the draws.
    """
    generator = np.random.default_rng(seed)
    liked, disliked = {}, {}
    for cluster_id, (likes, dislikes) in ratings.items():
        drawn = generator.permutation(np.flatnonzero(catalog.cluster == catalog.cluster_number(cluster_id)))
        drawn = drawn[: likes + dislikes].astype(np.int32)
        liked[cluster_id], disliked[cluster_id] = _frozen(drawn[:likes]), _frozen(drawn[likes:])
    profile = replay(user_id, _events(catalog, liked, disliked), catalog.feature_map)
    rated = _frozen(np.sort(np.concatenate([np.empty(0, np.int32), *liked.values(), *disliked.values()])))
    context = Context(catalog, read_only(liked), read_only(disliked), read_only({}), _find_read_only)
    return Listener(profile, context, rated)


def _find_read_only(taste: Taste, key: Hashable, find: Callable[[], A]) -> A:  # noqa: ARG001 - it caches nothing
    return _frozen(find())


def _frozen(array: A) -> A:
    """Make an array read-only, as the server's are."""
    array.flags.writeable = False
    return array


def _events(catalog: Catalog, liked: Mapping[str, Rows], disliked: Mapping[str, Rows]) -> Iterator[Event]:
    """Yield the log of the ratings."""
    verdicts = [
        (kind, cluster_id, row)
        for kind, sides in ((EventKind.LIKE, liked), (EventKind.DISLIKE, disliked))
        for cluster_id, rows in sides.items()
        for row in rows.tolist()
    ]
    for revision, (kind, cluster_id, row) in enumerate(verdicts, start=1):
        track = catalog.track(row)
        yield Event(revision, kind, track.track_id, cluster_id, RecordedTrack(track.features, track.genres))
