"""What a listener hears of tracks, column by column."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from palate.catalog.snapshot import Catalog
from palate.domain.track import FEATURES
from palate.v1 import catalog_pb2

__all__ = ["TrackTable"]


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
