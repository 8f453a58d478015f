"""What a listener hears of tracks, and how the tracks of genre clusters sound."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_lowercase, digits
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from palate.catalog.snapshot import Catalog
from palate.client import Client, pages
from palate.domain.track import FEATURES
from palate.v1 import catalog_pb2

__all__ = ["Cluster", "TrackTable", "distances", "group_by_cluster", "read_clusters"]

_LEAST: Final = 15
"""Tracks below which a cluster is too small to have a taste in."""
_MOST: Final = 400
"""Tracks by which a cluster is known; more would not change what a listener's taste in it is."""
_PAGE: Final = 100


@dataclass(frozen=True, slots=True, eq=False)
class TrackTable:
    """Some tracks.

    Attributes:
        track_id: Their ids.
        cluster_id: The genre cluster of each.
        artists: The artists of each, main artist first.
        popularity: float64 ``(n,)`` from 0 to 100.
        features: float32 ``(n, 9)`` in the order of `palate.domain.track.FEATURES` and the units of the source.
    """

    track_id: tuple[str, ...]
    cluster_id: tuple[str, ...]
    artists: tuple[tuple[str, ...], ...]
    popularity: NDArray[np.float64]
    features: NDArray[np.float32]

    @classmethod
    def of(cls, tracks: Iterable[catalog_pb2.Track]) -> Self:
        """Make a table of the answers of CatalogService."""
        tracks = list(tracks)
        features = [[getattr(track.features, name) for name in FEATURES] for track in tracks]
        return cls(
            tuple(track.track_id for track in tracks),
            tuple(track.genre_cluster_id for track in tracks),
            tuple(tuple(track.artists) for track in tracks),
            np.array([track.popularity for track in tracks], dtype=np.float64),
            np.array(features, dtype=np.float32).reshape(len(tracks), len(FEATURES)),
        )

    @classmethod
    def from_catalog(cls, catalog: Catalog) -> Self:
        """Make a table of all tracks of a catalog, in the order of its rows."""
        names = [cluster.cluster_id for cluster in catalog.clusters]
        return cls(
            tuple(catalog.track_ids(np.arange(len(catalog), dtype=np.int32))),
            tuple(names[number] for number in catalog.cluster.tolist()),
            tuple(catalog.artists(row) for row in range(len(catalog))),
            catalog.popularity.astype(np.float64),
            catalog.features,
        )

    def __len__(self) -> int:
        """Return the number of tracks."""
        return len(self.track_id)

    def take(self, rows: Sequence[int] | NDArray[np.integer]) -> Self:
        """Return the tracks of some rows, in their order."""
        rows = np.asarray(rows, dtype=np.intp)
        numbers = rows.tolist()
        return type(self)(
            tuple(self.track_id[number] for number in numbers),
            tuple(self.cluster_id[number] for number in numbers),
            tuple(self.artists[number] for number in numbers),
            self.popularity[rows],
            self.features[rows],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Cluster:
    """A genre cluster that listeners may have a taste in.

    Attributes:
        cluster_id: Its id.
        tracks: All of its tracks, or those by which it is known.
    """

    cluster_id: str
    tracks: TrackTable


def group_by_cluster(tracks: TrackTable, excluded: Collection[str] = ()) -> tuple[Cluster, ...]:
    """Return the clusters that are large enough, sorted by cluster_id.

    Args:
        tracks: The catalog.
        excluded: Ids of clusters that are never recommended.
    """
    rows: dict[str, list[int]] = {}
    for row, cluster_id in enumerate(tracks.cluster_id):
        rows.setdefault(cluster_id, []).append(row)
    return tuple(
        Cluster(cluster_id, tracks.take(rows[cluster_id]))
        for cluster_id in sorted(rows)
        if cluster_id not in excluded and len(rows[cluster_id]) >= _LEAST
    )


def read_clusters(client: Client) -> tuple[Cluster, ...]:
    """Return the clusters of a server's catalog that are large enough, sorted by cluster_id.

    A cluster's tracks are looked for as a person would, letter by letter, until there are enough of them.
    """
    names = [
        cluster.genre_cluster_id
        for page in pages(lambda token: client.list_genre_clusters(page_size=_PAGE, page_token=token))
        for cluster in page.genre_clusters
        if not cluster.excluded and cluster.track_count >= _LEAST
    ]
    known = (Cluster(name, TrackTable.of(_look_around(client, name).values())) for name in sorted(names))
    return tuple(cluster for cluster in known if len(cluster.tracks) >= _LEAST)


def _look_around(client: Client, cluster_id: str) -> Mapping[str, catalog_pb2.Track]:
    found: dict[str, catalog_pb2.Track] = {}
    for letter in ascii_lowercase + digits:
        if len(found) >= _MOST:
            break
        answer = client.search_tracks(letter, page_size=_PAGE, genre_cluster_id=cluster_id)
        found |= {track.track_id: track for track in answer.tracks}
    return {track_id: found[track_id] for track_id in sorted(found)}


def distances(clusters: Sequence[Cluster]) -> NDArray[np.float64]:
    """Return how far clusters are from one another in sound, float64 ``(n, n)``.

    The distance is that between the medians of the features, each on the scale of ranks over all clusters: 0 for the
    cluster with the lowest median, 1 for that with the highest. Ranks are whole numbers, so that the distances are
    the same on every machine.
    """
    medians = np.array([[_median(column) for column in cluster.tracks.features.T] for cluster in clusters])
    ranks = np.argsort(np.argsort(medians, axis=0, kind="stable"), axis=0, kind="stable").astype(np.float64)
    gaps = ranks[:, None, :] - ranks[None, :, :]
    squared = (gaps * gaps).sum(axis=2)  # whole numbers: exact in any order
    return np.asarray(np.sqrt(squared) / max(1, len(clusters) - 1), dtype=np.float64)


def _median(values: NDArray[np.float32]) -> float:
    return float(np.sort(values)[len(values) // 2])
