"""Tracks as vectors of sound and genres."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from palate.catalog.index import unit_vectors
from palate.catalog.snapshot import Catalog
from palate.plugins.strategy import Rows
from scipy import sparse

__all__ = ["ItemSpace"]


class ItemSpace:
    """One sparse vector of length 1 for each track, so that dot products are cosines.

    A vector is the normal scores of the nine features, scaled to length 1, beside the genres, scaled to length
    `genre_weight ** 0.5`; half of the genre part is the track's genre cluster. The cosine of two tracks is so
    the weighted mean of their cosines in sound and in genres.

    Args:
        catalog: The catalog.
        genre_weight: Weight of genres against sound, at least 0; with 0 only sound counts.

    Attributes:
        catalog: The catalog.
        vectors: float32 CSR matrix ``(tracks, 9 + genres + clusters)``.
    """

    def __init__(self, catalog: Catalog, genre_weight: float = 1.0) -> None:
        self.catalog = catalog
        sound = unit_vectors(catalog.normalized)
        length = np.float32((1 + genre_weight) ** -0.5)
        parts = [sparse.csr_matrix(sound * length)]
        if genre_weight > 0:
            half = length * np.float32((genre_weight / 2) ** 0.5)
            parts += [_units(_genres(catalog)) * half, _clusters(catalog) * half]
        self.vectors = sparse.csr_matrix(sparse.hstack(parts, format="csr", dtype=np.float32))

    def of(self, rows: Rows) -> sparse.csr_matrix:
        """Return the vectors of rows, ``(n, dimensions)``."""
        return self.vectors if len(rows) == len(self.catalog) else self.vectors[rows]

    def mean(self, rows: Rows) -> NDArray[np.float32]:
        """Return the mean vector of rows, float32 ``(dimensions,)``; zeros without rows."""
        total = np.asarray(self.vectors[rows].sum(axis=0), dtype=np.float32).ravel()
        return total / np.float32(max(len(rows), 1))

    def project(self, rows: Rows, direction: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the dot product of each row with a vector, float64 ``(n,)``."""
        return np.asarray(self.of(rows) @ direction, dtype=np.float64)

    def highest_cosine(self, rows: Rows, examples: Rows) -> NDArray[np.float64]:
        """Return for each row its highest cosine with an example, float64 ``(n,)``; -1 without examples."""
        vectors, highest = self.of(rows), np.full(len(rows), -1.0)
        for example in self.vectors[examples].toarray():
            np.maximum(highest, vectors @ example, out=highest)
        return highest


def _genres(catalog: Catalog) -> sparse.csr_matrix:
    """Return which track has which genre, ``(tracks, genres)``."""
    genres = pa.chunked_array(catalog.table()["genres"]).combine_chunks()
    if isinstance(genres, pa.ChunkedArray):
        genres = pa.concat_arrays(genres.chunks)
    numbers = pc.list_flatten(genres).indices.to_numpy()
    offsets = np.concatenate([[0], np.cumsum(pc.list_value_length(genres).to_numpy(zero_copy_only=False))])
    shape = len(catalog), len(catalog.genres)
    return sparse.csr_matrix((np.ones(len(numbers), dtype=np.float32), numbers, offsets), shape=shape)


def _clusters(catalog: Catalog) -> sparse.csr_matrix:
    """Return which track is of which cluster, ``(tracks, clusters)``."""
    shape = len(catalog), len(catalog.clusters)
    ones = np.ones(len(catalog), dtype=np.float32)
    return sparse.csr_matrix((ones, catalog.cluster.astype(np.int32), np.arange(len(catalog) + 1)), shape=shape)


def _units(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Scale each row of ones to length 1; a row without any stays as it is."""
    lengths = np.sqrt(np.maximum(np.diff(matrix.indptr), 1)).astype(np.float32)
    return sparse.diags_array(1 / lengths).tocsr() @ matrix
