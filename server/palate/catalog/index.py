"""Candidates: blocks of tracks that sound alike, popular tracks of each cluster, and genres in numbers."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BLOCK",
    "ArtistIndex",
    "BlockBuilder",
    "CandidateIndex",
    "GenreLists",
    "coherent_order",
    "popular_rows",
    "popularity_percentiles",
    "unit_vectors",
]

BLOCK: Final = 64
"""The most tracks of a block. Of the hundred best tracks among the 40,000 of a cluster, 2,000 candidates in blocks of
64 hold 90, in blocks of 256 they hold 80; smaller blocks only add to what a query has to sort."""

POPULAR: Final = 1024
"""The most tracks of a cluster's popular list."""


def unit_vectors(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale each row to length 1; a row of zeros stays as it is."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, np.where(length == 0, 1, length), dtype=np.float32)


def coherent_order(vectors: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return an order of the rows in which every `BLOCK` neighbours lie close together.

    The rows are split in two at the median of their widest dimension, and so on: the leaves of a k-d tree. Splits
    fall on whole blocks, so that only the last block is not full. Equal values keep their order, which makes the
    result the same on every machine.

    Source:
        Bentley, *Multidimensional binary search trees used for associative searching*, 1975.
    """
    order = np.arange(len(vectors))
    pending = [(0, len(vectors))]
    while pending:
        start, end = pending.pop()
        if end - start <= BLOCK:
            continue
        rows = order[start:end]
        dimension = np.argmax(np.var(vectors[rows], axis=0))
        half = (len(rows) // BLOCK + 1) // 2 * BLOCK if len(rows) > 2 * BLOCK else BLOCK
        order[start:end] = _split(rows, vectors[rows, dimension], half)
        pending += [(start, start + half), (start + half, end)]
    return order


def _split(rows: NDArray[np.int64], values: NDArray[np.float32], left: int) -> NDArray[np.int64]:
    """Put the `left` rows with the lowest values first."""
    pivot = np.partition(values, left)[left]
    below, equal = values < pivot, values == pivot
    return np.concatenate([rows[below], rows[equal], rows[values > pivot]])


class BlockBuilder:
    """Collects the blocks of one group of tracks after another."""

    def __init__(self) -> None:
        self._rows = 0
        self._blocks = 0
        self._parts: list[tuple[NDArray[Any], ...]] = []

    def add(self, units: NDArray[np.float32], genre_offsets: NDArray[np.int32], genres: NDArray[np.int32]) -> int:
        """Cut a group into blocks.

        Args:
            units: float32 ``(n, 9)``, normal scores of length 1, in the order of the file.
            genre_offsets: int32 ``(n + 1,)``, where each track's genres begin in `genres`.
            genres: int32, numbers of genres, local to the group.

        Returns:
            The number of blocks.
        """
        starts = np.arange(0, len(units), BLOCK)
        sizes = np.diff(np.append(starts, len(units)))
        means = np.add.reduceat(units.astype(np.float64), starts, axis=0) / sizes[:, None]
        lengths = np.diff(genre_offsets)
        block = np.repeat(np.arange(len(units)) // BLOCK, lengths)
        share = np.repeat(1.0 / (np.maximum(lengths, 1) * sizes[np.arange(len(units)) // BLOCK]), lengths)
        width = int(genres.max(initial=0)) + 1
        cells, place = np.unique(block * width + genres, return_inverse=True)
        self._parts.append(
            (
                (starts + self._rows).astype(np.int32),
                means.astype(np.float32),
                (cells // width + self._blocks).astype(np.int32),
                (cells % width).astype(np.int32),
                np.bincount(place, share, minlength=len(cells)).astype(np.float32),
            )
        )
        self._rows += len(units)
        self._blocks += len(starts)
        return len(starts)

    def arrays(self, genre_numbers: Sequence[NDArray[np.int32]]) -> dict[str, NDArray[Any]]:
        """Return all blocks, with each group's genre numbers replaced by those of the file."""
        starts, means, blocks, genres, shares = zip(*self._parts, strict=True)
        return {
            "block_start": np.append(np.concatenate(starts), self._rows).astype(np.int32),
            "block_mean": np.concatenate(means),
            "genre_block": np.concatenate(blocks),
            "genre_number": np.concatenate(
                [numbers[local] for numbers, local in zip(genre_numbers, genres, strict=True)]
            ),
            "genre_share": np.concatenate(shares),
        }


def popular_rows(
    popularity: NDArray[np.uint8], main_artist: NDArray[np.int32], cluster_start: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    """List the most popular tracks of each cluster, one of each main artist, at most 1,024."""
    lists = []
    for start, end in itertools.pairwise(cluster_start.tolist()):
        order = np.argsort(100 - popularity[start:end].astype(np.uint8), kind="stable")
        _, first = np.unique(main_artist[start:end][order], return_index=True)
        lists.append((order[np.sort(first)[:POPULAR]] + start).astype(np.int32))
    return {
        "popular_start": np.cumsum([0, *map(len, lists)]).astype(np.int64),
        "popular_row": np.concatenate(lists),
    }


def popularity_percentiles(popularity: NDArray[np.uint8], cluster_start: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the percentiles 0 to 100 of each cluster's popularity, float32 ``(clusters, 101)``."""
    levels = np.arange(101)
    return np.array(
        [
            np.percentile(popularity[start:end], levels) if end > start else np.zeros(101)
            for start, end in itertools.pairwise(cluster_start.tolist())
        ],
        dtype=np.float32,
    )


class GenreLists:
    """The genres of all tracks as numbers.

    Args:
        names: The genres; their positions are their numbers.
        offsets: int32 ``(tracks + 1,)``, where each track's genres begin in `numbers`.
        numbers: int32, the genres of one track after another.
    """

    def __init__(self, names: Sequence[str], offsets: NDArray[np.int32], numbers: NDArray[np.int32]) -> None:
        self.names = names
        self._number = {name: number for number, name in enumerate(names)}
        self.offsets = offsets
        self.numbers = numbers

    def having(self, wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which tracks have at least one of the wanted genres, bool ``(tracks,)``.

        Args:
            wanted: bool ``(genres,)``.
        """
        found = np.zeros(len(self.offsets) - 1, dtype=np.bool_)
        if wanted.any():
            places = np.flatnonzero(wanted[self.numbers]) + self.offsets[0]
            found[np.searchsorted(self.offsets, places, side="right") - 1] = True
        return found

    def weights(self, distribution: Mapping[str, float]) -> NDArray[np.float32]:
        """Return a distribution over genres as float32 ``(genres,)``, without unknown genres."""
        weights = np.zeros(len(self.names), dtype=np.float32)
        for genre, share in distribution.items():
            number = self._number.get(genre)
            if number is not None:
                weights[number] = share
        return weights

    def affinity(self, rows: NDArray[np.int32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean weight of each track's genres, float32 ``(n,)``; 0 for tracks without genres."""
        starts = self.offsets[rows]
        lengths = self.offsets[rows + np.int32(1)] - starts
        owner = np.repeat(np.arange(len(rows)), lengths)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        summed = np.bincount(owner, weights[self.numbers[starts[owner] + within]], minlength=len(rows))
        means: NDArray[np.float32] = (summed / np.maximum(lengths, 1)).astype(np.float32)
        return means


class ArtistIndex:
    """Finds the tracks of an artist. It takes 4 bytes for each track and for each artist.

    Args:
        main_artist: int32 ``(tracks,)``, from 0.
    """

    def __init__(self, main_artist: NDArray[np.int32]) -> None:
        self._order = np.argsort(main_artist, kind="stable").astype(np.int32)
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(main_artist))]).astype(np.int32)

    def rows(self, artists: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the rows of artists, artist by artist."""
        starts = self._starts[artists]
        counts = self._starts[artists + np.int32(1)] - starts
        ends = np.cumsum(counts)
        places = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - ends + counts, counts)
        rows: NDArray[np.int32] = self._order[places]
        return rows


class CandidateIndex:
    """Answers which tracks of a cluster are worth scoring.

    Args:
        arrays: The arrays that the writer made, by name.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._block_start: NDArray[np.int32] = arrays["block_start"]
        self._block_mean: NDArray[np.float32] = arrays["block_mean"]
        self._genre_block: NDArray[np.int32] = arrays["genre_block"]
        self._genre_number: NDArray[np.int32] = arrays["genre_number"]
        self._genre_share: NDArray[np.float32] = arrays["genre_share"]
        self._cluster_block: NDArray[np.int64] = arrays["cluster_block"]
        self._cluster_genre = np.searchsorted(self._genre_block, self._cluster_block.astype(np.int32))
        self._popular_start: NDArray[np.int64] = arrays["popular_start"]
        self._popular_row: NDArray[np.int32] = arrays["popular_row"]
        self._percentiles: NDArray[np.float32] = arrays["popularity_percentiles"]

    def popular(self, cluster: int) -> NDArray[np.int32]:
        """Return the popular list of a cluster."""
        return self._popular_row[self._popular_start[cluster] : self._popular_start[cluster + 1]]

    def popularity_quantile(self, cluster: int, share: float) -> float:
        """Return the popularity below which `share` of the cluster's tracks lie."""
        return float(self._percentiles[cluster, round(100 * share)])

    def nearest(
        self, cluster: int, direction: NDArray[np.float32], affinity: NDArray[np.float32], limit: int
    ) -> NDArray[np.int32]:
        """Return the rows of the blocks that promise the highest scores, at least `limit` if there are as many."""
        first, last = self._cluster_block[cluster], self._cluster_block[cluster + 1]
        starts, ends = self._block_start[first:last], self._block_start[first + 1 : last + 1]
        best = _enough(self._promise(cluster, direction, affinity), ends - starts, limit)
        spans = [np.arange(starts[block], ends[block], dtype=np.int32) for block in best]
        return np.concatenate(spans) if spans else np.empty(0, dtype=np.int32)

    def genre_totals(self, genres: int) -> NDArray[np.float64]:
        """Return how many tracks of each genre each cluster holds, ``(clusters, genres)``.

        A track of several genres counts for each of them in equal parts.
        """
        sizes = np.diff(self._block_start)
        clusters = len(self._cluster_block) - 1
        cluster = np.repeat(np.arange(clusters), np.diff(self._cluster_genre))
        tracks = self._genre_share * sizes[self._genre_block]
        totals = np.zeros((clusters, genres))
        np.add.at(totals, (cluster, self._genre_number), tracks)
        return totals

    def _promise(
        self, cluster: int, direction: NDArray[np.float32], affinity: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Score the blocks of a cluster."""
        first, last = self._cluster_block[cluster], self._cluster_block[cluster + 1]
        cosine = self._block_mean[first:last] @ unit_vectors(direction)
        cells = slice(self._cluster_genre[cluster], self._cluster_genre[cluster + 1])
        weights = self._genre_share[cells] * affinity[self._genre_number[cells]]
        genre = np.bincount(self._genre_block[cells] - first, weights, last - first).astype(np.float64)
        return genre + cosine.astype(np.float64)


def _enough(promise: NDArray[np.float64], sizes: NDArray[np.int32], limit: int) -> NDArray[np.int64]:
    """Return the blocks of the highest promise, best first, that hold `limit` tracks; all if they do not.

    Most blocks are full, so that few of them are sorted.
    """
    count = limit // BLOCK + 1
    while True:
        best = np.argpartition(-promise, count)[:count] if count < len(promise) else np.arange(len(promise))
        best = best[np.argsort(-promise[best], kind="stable")]
        held = np.cumsum(sizes[best])
        if count >= len(promise) or held[-1] >= limit:
            return best[: np.searchsorted(held, limit) + 1]
        count *= 2
