"""Writes a snapshot: sorts tracks, builds the index and puts both into one file, all or nothing."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

import palate
from palate.catalog.exact import ExactIndex, string_hashes
from palate.catalog.index import (
    BlockBuilder,
    coherent_order,
    popular_rows,
    popularity_percentiles,
    unit_vectors,
)
from palate.catalog.intake import (
    cast_tracks,
    check_tracks,
    cluster_ids,
    combined,
    primary_genres,
    require_tracks,
    vectors_of,
)
from palate.catalog.layout import FORMAT, HEADER_KEY, SCHEMA, SnapshotHeader
from palate.catalog.search import WordIndexBuilder, words_of
from palate.catalog.spool import ArrayPacker, ReleasingSink, Workspace
from palate.domain.features import FeatureMap
from palate.domain.track import FEATURES, GenreCluster
from palate.errors import CatalogError

__all__ = ["SnapshotWriter", "write_catalog"]

_MOST_BYTES: Final = 2**31 - 1
_MOST_CLUSTERS: Final = 256
_OFFSETS: Final = ("id_offsets", "title_offsets", "artist_offsets", "genre_offsets")
_CONTENT: Final = (*_OFFSETS, "ids", "titles", "popularity", "features", "cluster")


def write_catalog(
    path: Path,
    table: pa.Table,
    clusters: Sequence[GenreCluster],
    *,
    source: str,
    feature_map: FeatureMap | None = None,
) -> None:
    """Write a catalog from a table that fits into memory.

    Args:
        path: The file to make or to replace; it is whole or untouched at every moment.
        table: The columns of `palate.catalog.intake.INPUT_SCHEMA` and ``cluster``, a cluster_id for each track; in
            any order.
        clusters: All genre clusters, used or not.
        source: Where the tracks come from, for people.
        feature_map: The scale for the features; fitted to the table when None.

    Raises:
        CatalogError: The tracks cannot make a catalog, or the file cannot be written.
    """
    tracks = cast_tracks(path, table)
    require_tracks(path, len(tracks))
    feature_map = feature_map or FeatureMap.fit(vectors_of(tracks.column("features")))
    keys = pa.table({"cluster": cluster_ids(path, table), "primary": primary_genres(tracks.column("genres"))})
    order = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in keys.column_names])
    with SnapshotWriter(path, clusters, feature_map, source=source) as writer:
        for rows in np.split(order.to_numpy(), _changes(keys.take(order))):
            writer.append(keys.column("cluster")[int(rows[0])].as_py(), tracks.take(pa.array(rows)))
        writer.finish()


class SnapshotWriter:
    """Writes a catalog group by group, in memory bounded by the largest group and the artists' names.

    Use it as a context manager: leaving it without `finish` leaves nothing behind.

    Args:
        path: The file to make or to replace; it is whole or untouched at every moment.
        clusters: All genre clusters, used or not; at most 256.
        feature_map: The scale for the features.
        source: Where the tracks come from, for people.
    """

    def __init__(self, path: Path, clusters: Sequence[GenreCluster], feature_map: FeatureMap, *, source: str) -> None:
        self._path = path
        self._clusters = tuple(sorted(clusters, key=lambda cluster: cluster.cluster_id))
        self._number = {cluster.cluster_id: number for number, cluster in enumerate(self._clusters)}
        if len(self._number) != len(clusters) or len(clusters) > _MOST_CLUSTERS:
            raise CatalogError(f"{path}: give at most {_MOST_CLUSTERS} genre clusters, each of them once")
        self._feature_map = feature_map
        self._source = source
        self._cluster_rows = np.zeros(len(clusters), dtype=np.int64)
        self._cluster_blocks = np.zeros(len(clusters), dtype=np.int64)
        self._last_cluster = 0
        self._artists: list[pa.DictionaryArray] = []
        self._genres: list[pa.DictionaryArray] = []
        self._blocks = BlockBuilder()
        with _translated(path):
            self._workspace = Workspace(path.parent, f".{path.name}.")
            for name in _OFFSETS:
                self._workspace.spool(name).append(np.zeros(1, dtype=np.int32))
        self._words = WordIndexBuilder(self._workspace)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._workspace.close()

    def append(self, cluster_id: str, tracks: pa.Table) -> None:
        """Add all tracks of one genre cluster that have the same primary genre.

        Args:
            cluster_id: The cluster; clusters must come in the order of their cluster_id.
            tracks: The columns of `palate.catalog.intake.INPUT_SCHEMA`; at least one row. The order of the rows
                breaks ties only.

        Raises:
            CatalogError: A value is missing or impossible, or the disk is full.
        """
        cluster = self._next_cluster(cluster_id)
        tracks = cast_tracks(self._path, tracks)
        features = vectors_of(tracks.column("features"))
        check_tracks(self._path, tracks, features)
        units = unit_vectors(self._feature_map.normalize(features))
        order = coherent_order(units)
        with _translated(self._path):
            self._append_ordered(cluster, tracks.take(pa.array(order)), features[order], units[order])

    def finish(self) -> None:
        """Build the index and put the file into its place.

        Raises:
            CatalogError: There are no tracks, two have the same id, there are too many for one file, or the
                disk is full.
        """
        require_tracks(self._path, int(self._cluster_rows.sum()))
        with _translated(self._path):
            columns = self._content()
            version = self._version(columns)
            popularity = columns["popularity"].to_numpy()
            columns |= self._exact(columns["track_id"])
            self._workspace.release()
            packer = ArrayPacker(self._workspace.spool("index"))
            self._words.write(packer, self._workspace.spool("index"))
            for name, values in self._index(popularity, columns["main_artist"].to_numpy()).items():
                packer.put(name, values)
            columns["index"] = self._packed(len(popularity))
            header = SnapshotHeader(
                version, palate.__version__, self._source, self._clusters, self._feature_map, packer.places
            )
            schema = SCHEMA.with_metadata({HEADER_KEY: header.to_json()})
            self._write(pa.record_batch([columns[name] for name in SCHEMA.names], schema=schema))

    def _next_cluster(self, cluster_id: str) -> int:
        """Return the number of the cluster of a group, which must not be one before the last group's."""
        cluster = self._number.get(cluster_id)
        if cluster is None:
            raise CatalogError(f"{self._path}: a track is of genre cluster {cluster_id!r}, which was not given")
        if cluster < self._last_cluster:
            raise CatalogError(f"{self._path}: genre cluster {cluster_id!r} comes too late; append in sorted order")
        self._last_cluster = cluster
        return cluster

    def _append_ordered(
        self, cluster: int, tracks: pa.Table, features: NDArray[np.float32], units: NDArray[np.float32]
    ) -> None:
        """Spool one group, whose rows are in the order of the file."""
        rows = np.arange(len(tracks), dtype=np.int32) + np.int32(self._cluster_rows.sum())
        popularity = tracks.column("popularity").to_numpy()
        self._append_strings("id", tracks.column("track_id"))
        self._append_strings("title", tracks.column("title"))
        self._workspace.spool("popularity").append(popularity)
        self._workspace.spool("features").append(features)
        self._workspace.spool("normalized").append(self._feature_map.normalize(features))
        self._workspace.spool("cluster").append(np.full(len(rows), cluster, dtype=np.uint8))
        artist_offsets, artists = self._append_names("artist", self._artists, tracks.column("artists"))
        genre_offsets, genres = self._append_names("genre", self._genres, tracks.column("genres"))
        self._cluster_blocks[cluster] += self._blocks.add(units, genre_offsets, genres.indices.to_numpy())
        titles = list(map(words_of, tracks.column("title").to_pylist()))
        self._workspace.spool("title_hashes").append(string_hashes(map(" ".join, titles)))
        self._words.add(rows, popularity, titles)
        owners = np.repeat(np.arange(len(rows)), np.diff(artist_offsets))
        names = list(map(words_of, artists.dictionary.to_pylist()))
        self._words.add(rows[owners], popularity[owners], [names[number] for number in artists.indices.to_pylist()])
        self._cluster_rows[cluster] += len(rows)

    def _append_strings(self, name: str, column: pa.ChunkedArray) -> None:
        """Spool a column of strings."""
        offsets, data = _string_buffers(combined(column))
        self._append_offsets(f"{name}_offsets", self._workspace.spool(f"{name}s").size, offsets)
        self._workspace.spool(f"{name}s").append(data)

    def _append_names(
        self, name: str, groups: list[pa.DictionaryArray], column: pa.ChunkedArray
    ) -> tuple[NDArray[np.int32], pa.DictionaryArray]:
        """Spool the offsets of a column of lists, and keep its values as numbers and names."""
        lists = combined(column)
        offsets = np.concatenate([[0], np.cumsum(pc.list_value_length(lists).to_numpy())]).astype(np.int32)
        values = lists.flatten().dictionary_encode()
        self._append_offsets(f"{name}_offsets", sum(map(len, groups)), offsets)
        groups.append(values)
        return offsets, values

    def _append_offsets(self, name: str, before: int, offsets: NDArray[np.int32]) -> None:
        """Spool the offsets of one group, but the first, moved on by what was written before."""
        if before + int(offsets[-1]) > _MOST_BYTES:
            raise CatalogError(f"{self._path}: the tracks are too many for one file; divide them between several")
        self._workspace.spool(name).append(offsets[1:] + np.int32(before))

    def _content(self) -> dict[str, pa.Array]:
        """Return the columns that describe the tracks."""
        artists, genres = _unified(self._artists), _unified(self._genres)
        self._artists.clear()
        pa.default_memory_pool().release_unused()
        cluster = pa.DictionaryArray.from_arrays(
            self._mapped("cluster", pa.uint8()), pa.array([cluster.cluster_id for cluster in self._clusters])
        )
        artist_offsets = self._mapped("artist_offsets", pa.int32())
        return {
            "track_id": self._strings("id"),
            "title": self._strings("title"),
            "artists": pa.ListArray.from_arrays(artist_offsets, artists),
            "genres": pa.ListArray.from_arrays(self._mapped("genre_offsets", pa.int32()), genres),
            "popularity": self._mapped("popularity", pa.uint8()),
            "features": pa.FixedSizeListArray.from_arrays(self._mapped("features", pa.float32()), len(FEATURES)),
            "normalized": pa.FixedSizeListArray.from_arrays(self._mapped("normalized", pa.float32()), len(FEATURES)),
            "cluster": cluster,
            "main_artist": artists.indices.take(artist_offsets[:-1]),
        }

    def _version(self, columns: dict[str, pa.Array]) -> str:
        """Return a hash of the layout's version and of everything that the tracks and clusters are."""
        digest = hashlib.blake2b(digest_size=8)
        digest.update(repr((FORMAT, self._clusters)).encode())
        digest.update(self._feature_map.to_bytes())
        for name in _CONTENT:
            digest.update(self._workspace.spool(name).digest())
        for name in ("artists", "genres"):
            values = columns[name].values
            digest.update(values.indices.to_numpy())
            for part in _string_buffers(values.dictionary):
                digest.update(part.tobytes())
        return digest.hexdigest()

    def _exact(self, track_ids: pa.StringArray) -> dict[str, pa.Array]:
        """Return the columns that find tracks by id and by title."""
        ids = ExactIndex.build(string_hashes(_texts(track_ids)))
        repeated = ids.repeated(track_ids)
        if repeated is not None:
            raise CatalogError(f"{self._path}: more than one track has the id {repeated!r}; merge them first")
        titles = ExactIndex.build(self._mapped("title_hashes", pa.uint32()).to_numpy())
        return {
            "id_hash": pa.array(ids.hashes),
            "id_row": pa.array(ids.rows),
            "title_hash": pa.array(titles.hashes),
            "title_row": pa.array(titles.rows),
        }

    def _index(self, popularity: NDArray[np.uint8], main_artist: NDArray[np.int32]) -> dict[str, NDArray[Any]]:
        """Return the arrays of the index but for the words."""
        cluster_start = np.concatenate([[0], np.cumsum(self._cluster_rows)])
        names = _unified(self._genres).dictionary
        numbers = [pc.index_in(group.dictionary, value_set=names).to_numpy() for group in self._genres]
        return {
            "cluster_start": cluster_start,
            "cluster_block": np.concatenate([[0], np.cumsum(self._cluster_blocks)]),
            **self._blocks.arrays(numbers),
            **popular_rows(popularity, main_artist, cluster_start),
            "popularity_percentiles": popularity_percentiles(popularity, cluster_start),
        }

    def _packed(self, tracks: int) -> pa.BinaryArray:
        """Return the column that holds the arrays of the index in its first row."""
        size = self._workspace.spool("index").size
        if size > _MOST_BYTES:
            raise CatalogError(f"{self._path}: the tracks are too many for one file; divide them between several")
        offsets = np.full(tracks + 1, size, dtype=np.int32)
        offsets[0] = 0
        return pa.BinaryArray.from_buffers(
            pa.binary(), tracks, [None, pa.py_buffer(offsets), self._workspace.spool("index").map()]
        )

    def _mapped(self, name: str, kind: pa.DataType) -> pa.Array:
        """Return what was spooled under a name as an array."""
        spool = self._workspace.spool(name)
        return pa.Array.from_buffers(kind, spool.size * 8 // kind.bit_width, [None, spool.map()])

    def _strings(self, name: str) -> pa.StringArray:
        """Return a column of strings that was spooled."""
        offsets = self._workspace.spool(f"{name}_offsets")
        return pa.StringArray.from_buffers(
            offsets.size // 4 - 1, offsets.map(), self._workspace.spool(f"{name}s").map()
        )

    def _write(self, batch: pa.RecordBatch) -> None:
        """Write the file beside its place, make it durable, and move it there."""
        whole = self._workspace.folder / "whole"
        with whole.open("wb") as file:
            sink = pa.PythonFile(ReleasingSink(file, self._workspace), mode="w")
            with pa.ipc.new_file(sink, batch.schema) as writer:
                writer.write_batch(batch)
            file.flush()
            os.fsync(file.fileno())
        whole.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn errors of the operating system into CatalogError."""
    try:
        yield
    except OSError as error:
        raise CatalogError(
            f"{path} cannot be written: {error.strerror or error}; free space or choose another folder"
        ) from error


def _changes(keys: pa.Table) -> NDArray[np.int64]:
    """Return the rows of a sorted table that differ from the one before."""
    changed = np.zeros(max(len(keys) - 1, 0), dtype=bool)
    for column in keys.columns:
        changed |= pc.not_equal(column[1:], column[:-1]).to_numpy()
    return np.flatnonzero(changed) + 1


def _unified(groups: Sequence[pa.DictionaryArray]) -> pa.DictionaryArray:
    """Join groups of names into one array with one dictionary."""
    chunks = pa.chunked_array(groups).unify_dictionaries().chunks
    indices = pa.concat_arrays([chunk.indices for chunk in chunks])
    return pa.DictionaryArray.from_arrays(indices, chunks[0].dictionary)


def _string_buffers(strings: pa.StringArray) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Return the offsets of strings, from 0, and their bytes."""
    _, offsets, data = strings.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int32)[strings.offset : strings.offset + len(strings) + 1]
    text = np.frombuffer(data, dtype=np.uint8) if data else np.empty(0, dtype=np.uint8)
    return bounds - bounds[0], text[bounds[0] : bounds[-1]]


def _texts(strings: pa.StringArray) -> Iterator[str]:
    """Iterate over many strings without having all of them in memory at once."""
    for start in range(0, len(strings), 1 << 16):
        yield from strings.slice(start, 1 << 16).to_pylist()
