"""The catalog as it is served: one snapshot file, mapped into memory and shared by all workers."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from zlib import crc32

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from palate.catalog.exact import ExactIndex
from palate.catalog.genre_rules import is_occasional
from palate.catalog.index import ArtistIndex, CandidateIndex, GenreLists
from palate.catalog.layout import HEADER_KEY, SCHEMA, SnapshotHeader
from palate.catalog.search import SearchIndex
from palate.domain.track import FEATURES, GenreCluster, Track
from palate.errors import CatalogError

__all__ = ["Catalog"]

_UNSEEN: Final = 0.5
"""How often a genre counts in a cluster besides the tracks that have it."""

_LEAST_VARIANCE: Final = np.float32(0.01)
"""Variance of a feature that all tracks of a cluster have in common."""

_REBUILD: Final = "build it again with 'palate catalog build' or name another"


class Catalog:
    """An immutable catalog. It answers what strategies ask (`palate.plugins.strategy.CatalogIndex`) and more.

    Make one with `open`. Arrays are read-only views of the file and stay valid after `close`.

    Attributes:
        version: Sixteen hexadecimal digits that depend on the content alone.
        palate_version: The version of palate that wrote the file.
        source: Where the tracks come from, for people.
        feature_map: The scale of `normalized`.
        clusters: All genre clusters, sorted by cluster_id; their positions are their numbers.
        excluded_clusters: Numbers of the clusters that are never recommended nor learned.
        track_counts: How many tracks each cluster holds.
        genres: The names of all genres that occur.
        features: float32 ``(tracks, 9)`` in the units of the source.
        normalized: float32 ``(tracks, 9)`` normal scores.
        popularity: uint8 ``(tracks,)`` from 0 to 100.
        cluster: uint8 ``(tracks,)``, positions in `clusters`.
        main_artist: int32 ``(tracks,)``, equal for tracks of the same main artist.
        occasional: bool ``(tracks,)``, whether the cluster or a genre of each is music for some listeners or times of
            the year, such as music for children.
        cluster_mean: float32 ``(clusters, 9)``, mean normal scores of each cluster's tracks.
        cluster_variance: float32 ``(clusters, 9)``, their variance, a little above 0 where all are equal; 1 for
            clusters without tracks.
    """

    def __init__(self, file: pa.NativeFile, header: SnapshotHeader, tracks: pa.RecordBatch) -> None:
        self._file = file
        self._tracks = tracks
        self.version: str = header.version
        self.palate_version = header.palate
        self.source = header.source
        self.feature_map = header.feature_map
        self.clusters: Sequence[GenreCluster] = header.clusters
        self.excluded_clusters = frozenset(n for n, cluster in enumerate(header.clusters) if cluster.excluded)
        self.features: NDArray[np.float32] = _vectors(tracks.column("features"))
        self.normalized: NDArray[np.float32] = _vectors(tracks.column("normalized"))
        self.popularity: NDArray[np.uint8] = tracks.column("popularity").to_numpy()
        self.cluster: NDArray[np.uint8] = tracks.column("cluster").indices.to_numpy()
        self.main_artist: NDArray[np.int32] = tracks.column("main_artist").to_numpy()
        self._cluster_number = {cluster.cluster_id: number for number, cluster in enumerate(header.clusters)}
        self._track_id: pa.StringArray = tracks.column("track_id")
        self._title: pa.StringArray = tracks.column("title")
        self._ids = _exact(tracks, "id")
        self._artist_offsets: NDArray[np.int32] = tracks.column("artists").offsets.to_numpy()
        self._artist_names: pa.StringArray = tracks.column("artists").values.dictionary
        self._artist_numbers: NDArray[np.int32] = tracks.column("artists").values.indices.to_numpy()
        lists = tracks.column("genres")
        self.genres: Sequence[str] = lists.values.dictionary.to_pylist()
        self._genres = GenreLists(self.genres, lists.offsets.to_numpy(), lists.values.indices.to_numpy())
        self.occasional = self._genres.having(np.array([is_occasional(name) for name in self.genres], dtype=np.bool_))
        self.occasional |= np.array([cluster.occasional for cluster in self.clusters])[self.cluster]
        arrays = _arrays(header, tracks.column("index"))
        self.track_counts: Sequence[int] = np.diff(arrays["cluster_start"]).tolist()
        self._candidates = CandidateIndex(arrays)
        totals = self._candidates.genre_totals(len(self.genres))
        self._genre_home = np.argmax(totals, axis=0)
        self._genre_shares = _shares(totals)
        self.cluster_mean, self.cluster_variance = _moments(self.normalized, arrays["cluster_start"])
        for own in (self.occasional, self._genre_shares, self.cluster_mean, self.cluster_variance):
            own.setflags(write=False)
        self._artists = ArtistIndex(self.main_artist)
        self._search = SearchIndex(
            arrays["word_key"],
            arrays["word_start"],
            arrays["word_row"],
            arrays["word_popularity"],
            _exact(tracks, "title"),
            tracks,
        )

    @classmethod
    def open(cls, path: Path) -> Self:
        """Map a snapshot into memory.

        Raises:
            CatalogError: The file is missing, truncated, no snapshot, of another format, or holds impossible
                values; the message says what to do.
        """
        try:
            file = pa.memory_map(str(path))
            reader = pa.ipc.open_file(file)
            header = _header(path, reader)
            tracks = reader.get_batch(0)
            tracks.validate()
            catalog = cls(file, header, tracks)
        except FileNotFoundError as error:
            raise CatalogError(
                f"there is no catalog {path}; make one with 'palate catalog build' or name another"
            ) from error
        except OSError as error:
            raise CatalogError(f"catalog {path} cannot be read: {error}; {_REBUILD}") from error
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise CatalogError(f"{path} is damaged or no palate catalog: {error}; {_REBUILD}") from error
        catalog._require_finite(path)
        return catalog

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        """Return the number of tracks."""
        return len(self.popularity)

    def row(self, track_id: str) -> int | None:
        """Return the row of a track, or None when the catalog does not have it."""
        wanted = np.uint32(crc32(track_id.encode()))
        place = int(np.searchsorted(self._ids.hashes, wanted))
        while place < len(self) and self._ids.hashes[place] == wanted:
            row = int(self._ids.rows[place])
            if self.track_id(row) == track_id:
                return row
            place += 1
        return None

    def rows(self, track_ids: Sequence[str]) -> NDArray[np.int32]:
        """Return the row of each track, int32 ``(n,)``; -1 for tracks that the catalog does not have."""
        return self._ids.find(track_ids, self._track_id)

    def track_id(self, row: int) -> str:
        """Return the id of a track."""
        track_id: str = self._track_id[row].as_py()
        return track_id

    def track_ids(self, rows: NDArray[np.int32]) -> list[str]:
        """Return the ids of tracks."""
        track_ids: list[str] = self._track_id.take(pa.array(rows)).to_pylist()
        return track_ids

    def title(self, row: int) -> str:
        """Return the title of a track."""
        title: str = self._title[row].as_py()
        return title

    def main_artist_name(self, row: int) -> str:
        """Return the name of a track's main artist."""
        name: str = self._artist_names[self._artist_numbers[self._artist_offsets[row]]].as_py()
        return name

    def artists(self, row: int) -> tuple[str, ...]:
        """Return the names of a track's artists, main artist first."""
        numbers = self._artist_numbers[self._artist_offsets[row] : self._artist_offsets[row + 1]]
        return tuple(self._artist_names[number].as_py() for number in numbers)

    def genre_names(self, row: int) -> tuple[str, ...]:
        """Return the genres of a track."""
        numbers = self._genres.numbers[self._genres.offsets[row] : self._genres.offsets[row + 1]]
        return tuple(self.genres[number] for number in numbers)

    def track(self, row: int) -> Track:
        """Return all that is known of a track."""
        cluster = self.clusters[self.cluster[row]]
        return Track(
            track_id=self.track_id(row),
            title=self.title(row),
            artists=self.artists(row),
            genres=self.genre_names(row),
            cluster_id=cluster.cluster_id,
            popularity=int(self.popularity[row]),
            features=tuple(self.features[row].tolist()),
            excluded=cluster.excluded,
        )

    def table(self) -> pa.Table:
        """Return the tracks as a table, with the columns of `palate.catalog.intake.INPUT_SCHEMA` and ``cluster``."""
        names = ["track_id", "title", "artists", "genres", "popularity", "features", "cluster"]
        return pa.table([self._tracks.column(name) for name in names], names=names)

    def cluster_number(self, cluster_id: str) -> int | None:
        """Return the position of a cluster in `clusters`, or None when this catalog has no such cluster."""
        return self._cluster_number.get(cluster_id)

    def genres_of_cluster(self, cluster: int) -> list[str]:
        """Return the genres that have more tracks in this cluster than in any other, sorted by name."""
        return sorted(self.genres[number] for number in np.flatnonzero(self._genre_home == cluster).tolist())

    def popular(self, cluster: int) -> NDArray[np.int32]:
        """Return the most popular tracks of a cluster, most popular first: at most 1,024, one per artist."""
        return self._candidates.popular(cluster)

    def popularity_quantile(self, cluster: int, share: float) -> float:
        """Return the popularity below which `share` of the cluster's tracks lie, to the nearest percent."""
        return self._candidates.popularity_quantile(cluster, share)

    def nearest(
        self, cluster: int, direction: NDArray[np.float32], affinity: NDArray[np.float32], limit: int
    ) -> NDArray[np.int32]:
        """Return candidates of a cluster; see `palate.plugins.strategy.CatalogIndex.nearest`."""
        return self._candidates.nearest(cluster, direction, affinity, limit)

    def by_artists(self, artists: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return all tracks of main artists, as `main_artist` numbers them, int32 ``(n,)``; artist by artist."""
        return self._artists.rows(artists)

    def genre_weights(self, distribution: Mapping[str, float]) -> NDArray[np.float32]:
        """Return a genre distribution as float32 ``(genres,)``; genres unknown to the catalog are left out."""
        return self._genres.weights(distribution)

    def genre_share(self, cluster: int) -> NDArray[np.float32]:
        """Return each genre's share among a cluster's tracks, float32 ``(genres,)``: all above 0, adding up to 1."""
        shares: NDArray[np.float32] = self._genre_shares[cluster]
        return shares

    def genre_affinity(self, rows: NDArray[np.int32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean weight of each track's genres, float32 ``(n,)``; 0 for tracks without genres."""
        return self._genres.affinity(rows, weights)

    def search(
        self, query: str, limit: int, offset: int = 0, cluster_id: str | None = None
    ) -> tuple[NDArray[np.int32], bool]:
        """Find tracks of which every word of a query begins a word of the title or of an artist's name.

        Case, accents and punctuation do not count. Titles that equal the query come first, then the most
        popular. Of words that begin very many tracks' words, the most popular few thousand are looked through.

        Args:
            query: Words; no words find nothing.
            limit: At most how many rows.
            offset: How many matches to leave out at the start.
            cluster_id: Only tracks of this cluster; an unknown one has none.

        Returns:
            The rows, int32 ``(n,)``, and whether there are more matches behind them.
        """
        cluster = None if cluster_id is None else self.cluster_number(cluster_id)
        if cluster is None and cluster_id is not None:
            return np.empty(0, dtype=np.int32), False
        return self._search.search(query, limit, offset, cluster)

    def _require_finite(self, path: Path) -> None:
        """Raise CatalogError when a feature is not a number; a sum shows it without a copy."""
        with np.errstate(invalid="ignore"):
            sums = [self.features.sum(), self.normalized.sum()]
        if not np.isfinite(sums).all():
            raise CatalogError(f"catalog {path} holds features that are not numbers; {_REBUILD}")


def _header(path: Path, reader: pa.RecordBatchFileReader) -> SnapshotHeader:
    """Read the header, and check that all columns are there in the one batch."""
    metadata = reader.schema.metadata or {}
    if HEADER_KEY not in metadata:
        raise CatalogError(f"{path} is an Arrow file but no palate catalog; {_REBUILD}")
    header = SnapshotHeader.from_json(metadata[HEADER_KEY])
    if not reader.schema.equals(SCHEMA):
        missing = sorted(set(SCHEMA.names) - set(reader.schema.names))
        raise CatalogError(f"catalog {path} lacks columns or has others (missing: {missing}); {_REBUILD}")
    if reader.num_record_batches != 1:
        raise CatalogError(f"catalog {path} has {reader.num_record_batches} record batches, not one; {_REBUILD}")
    return header


def _arrays(header: SnapshotHeader, column: pa.BinaryArray) -> dict[str, NDArray[Any]]:
    """Return views of the arrays that the column holds in its first row."""
    _, _, data = column.buffers()
    return {
        name: np.frombuffer(data, place.dtype, int(np.prod(place.shape)), place.offset).reshape(place.shape)
        for name, place in header.arrays.items()
    }


def _shares(totals: NDArray[np.float64]) -> NDArray[np.float32]:
    """Turn counts ``(clusters, genres)`` into shares, as if each genre were there half a time more."""
    smoothed = totals + _UNSEEN
    shares: NDArray[np.float32] = (smoothed / smoothed.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def _moments(
    normalized: NDArray[np.float32], starts: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and variance of each cluster's normal scores, float32 ``(clusters, 9)`` each."""
    mean = np.zeros((len(starts) - 1, len(FEATURES)), dtype=np.float32)
    variance = np.ones_like(mean)
    for cluster, (start, end) in enumerate(itertools.pairwise(starts.tolist())):
        if end > start:
            tracks = normalized[start:end]
            mean[cluster] = tracks.mean(axis=0, dtype=np.float64)
            variance[cluster] = np.einsum("ij,ij->j", tracks, tracks, dtype=np.float64) / len(tracks)
    variance = np.maximum(variance - np.square(mean), _LEAST_VARIANCE)
    return mean, np.where(np.diff(starts)[:, np.newaxis] > 0, variance, np.float32(1))


def _exact(tracks: pa.RecordBatch, what: str) -> ExactIndex:
    """Return the index of ids or titles."""
    return ExactIndex(tracks.column(f"{what}_hash").to_numpy(), tracks.column(f"{what}_row").to_numpy())


def _vectors(column: pa.FixedSizeListArray) -> NDArray[np.float32]:
    """Return a column of vectors as float32 ``(n, 9)``."""
    vectors: NDArray[np.float32] = column.values.to_numpy().reshape(-1, len(FEATURES))
    return vectors
