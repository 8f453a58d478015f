"""Makes catalogs of any size that resemble a sample: for measuring and for trying things out.

Each group of the sample, its tracks of one genre cluster and primary genre, is a population of its own. A Gaussian
copula keeps how the features and the popularity of its tracks hang together, and the sample's quantiles what values
they take. Genres, numbers of artists and of tracks for each artist are drawn from the group as they stand there.
Titles and names are made of the sample's words.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from statistics import NormalDist
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from palate.catalog.intake import INPUT_SCHEMA
from palate.catalog.snapshot import Catalog
from palate.catalog.writer import SnapshotWriter
from palate.domain.track import FEATURES

__all__ = ["synthesize"]

_SHRINKAGE: Final = 25.0
"""Tracks that a group must have for its own correlations to weigh as much as those of all groups."""

_RIDGE: Final = 1e-3
"""Share of independence in every correlation, so that each can be factored."""

_OUTERMOST: Final = 3.5
"""Normal score that the lowest and the highest value of a group stand for."""

_DECIMALS: Final = frozenset({"tempo", "loudness"})
"""Features with three decimals in the source; the others have three significant digits."""

_SPARE_WORDS: Final = ("One", "Two")
"""Words that are always there, so that names never run out."""

_MOST_FACTOR: Final = 1 << 31
_DIGITS: Final = np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", dtype=np.uint8)
_ID_LENGTH: Final = 22


def synthesize(
    sample: Catalog, tracks: int, seed: int, out: Path, progress: Callable[[int], None] | None = None
) -> None:
    """Write a catalog of so many tracks that resembles a sample.

    The same sample, number and seed give the same bytes. Memory is bounded by the largest group and the names of
    the artists.

    Args:
        sample: The catalog to resemble; its clusters and its feature map are taken over.
        tracks: How many tracks to make.
        seed: Any whole number from 0.
        out: The file to make or to replace.
        progress: Called after each group with the number of its tracks.

    Raises:
        CatalogError: `tracks` is below 1, or the file cannot be written.

    Source:
        Nelsen, *An Introduction to Copulas*, 2006, for the copula; Ledoit and Wolf, *Honey, I shrunk the sample
        covariance matrix*, 2004, for drawing the correlations of small groups towards the common ones.
    """
    groups = _groups(sample)
    source = f"synthesized with seed {seed} from: {sample.source}"
    with SnapshotWriter(out, sample.clusters, sample.feature_map, source=source) as writer:
        for cluster_id, table in _synthetic_groups(groups, tracks, seed):
            writer.append(cluster_id, table)
            if progress is not None:
                progress(len(table))
        writer.finish()


@dataclass(frozen=True, slots=True)
class _Group:
    """What is drawn from for one cluster and primary genre.

    Attributes:
        cluster_id: The cluster.
        quantiles: float64 ``(n, 10)``, the group's features and popularity, each column ascending.
        factor: float64 ``(10, 10)``, Cholesky factor of their correlation.
        genres: The genres of each of its tracks.
        artist_counts: int64 ``(n,)``, the number of artists of each of its tracks.
        artist_sizes: int64, how many of its tracks each main artist has.
        title_words: Words of its titles, as often as they occur.
        artist_words: Words of its artists' names, as often as they occur.
    """

    cluster_id: str
    quantiles: NDArray[np.float64]
    factor: NDArray[np.float64]
    genres: pa.ListArray
    artist_counts: NDArray[np.int64]
    artist_sizes: NDArray[np.int64]
    title_words: pa.StringArray
    artist_words: pa.StringArray


class _Namer:
    """Makes names, each of them once.

    A name is a word of the group's and the digits of a number in a base of as many digits as there are words. The
    numbers are shuffled by a multiplication, so that names that follow one another share no words.

    Args:
        words: All words.
        count: How many names are needed.
    """

    def __init__(self, words: Iterable[str], count: int) -> None:
        distinct = {word.casefold(): word for word in (*_SPARE_WORDS, *words)}
        self._words = pa.array(distinct.values(), pa.string())
        self._length = 2
        while len(self._words) ** self._length < count:
            self._length += 1
        self._modulus = len(self._words) ** self._length
        self._multiplier = min(round(self._modulus * 0.618), _MOST_FACTOR)
        while gcd(self._multiplier, self._modulus) > 1:
            self._multiplier -= 1
        self._made = 0

    def names(self, count: int, own_words: pa.StringArray, random: np.random.Generator) -> pa.StringArray:
        """Make so many new names, each beginning with one of a group's words."""
        numbers = np.arange(self._made, self._made + count) * self._multiplier % self._modulus
        self._made += count
        parts = [own_words.take(pa.array(random.integers(len(own_words), size=count)))]
        for _ in range(self._length):
            numbers, digits = np.divmod(numbers, len(self._words))
            parts.append(self._words.take(pa.array(digits)))
        return pc.binary_join_element_wise(*parts, " ")


def _synthetic_groups(groups: Sequence[_Group], tracks: int, seed: int) -> Iterator[tuple[str, pa.Table]]:
    """Iterate over the groups of the new catalog, as the writer takes them."""
    counts = _shares(np.array([len(group.quantiles) for group in groups]), tracks)
    titles = _Namer((word for group in groups for word in group.title_words.to_pylist()), tracks)
    artists = _Namer((word for group in groups for word in group.artist_words.to_pylist()), tracks)
    made = 0
    for number, (group, count) in enumerate(zip(groups, counts.tolist(), strict=True)):
        if count:
            random = np.random.default_rng([seed, number])
            yield group.cluster_id, _synthetic_group(group, made, count, seed, titles, artists, random)
            made += count


def _synthetic_group(
    group: _Group,
    first: int,
    count: int,
    seed: int,
    titles: _Namer,
    artists: _Namer,
    random: np.random.Generator,
) -> pa.Table:
    """Make the tracks of one group, which are numbered from `first`."""
    values = _values(group, count, random)
    template = random.integers(len(group.quantiles), size=count)
    columns = [
        _track_ids(seed, first, count),
        titles.names(count, group.title_words, random),
        _artists(group, group.artist_counts[template], artists, random),
        group.genres.take(pa.array(template)),
        pa.array(np.rint(values[:, -1]).astype(np.uint8)),
        pa.FixedSizeListArray.from_arrays(_rounded(values[:, :-1]).astype(np.float32).reshape(-1), len(FEATURES)),
    ]
    return pa.table(columns, schema=INPUT_SCHEMA)


def _groups(sample: Catalog) -> list[_Group]:
    """Describe each group of a sample. A catalog's rows are sorted by group."""
    table = sample.table()
    genres = table.column("genres").cast(INPUT_SCHEMA.field("genres").type).combine_chunks()
    values = np.column_stack([sample.features, sample.popularity]).astype(np.float64)
    primary = [sample.genre_names(row)[:1] for row in range(len(sample))]
    keys = list(zip(sample.cluster.tolist(), primary, strict=True))
    bounds = [row for row in range(len(keys)) if row == 0 or keys[row] != keys[row - 1]]
    spans = [np.arange(start, end) for start, end in zip(bounds, [*bounds[1:], len(keys)], strict=True)]
    correlations = [_correlation(values[rows]) for rows in spans]
    common = np.average(correlations, axis=0, weights=[len(rows) for rows in spans])
    titles = table.column("title").to_pylist()
    return [
        _Group(
            cluster_id=sample.clusters[sample.cluster[rows[0]]].cluster_id,
            quantiles=np.sort(values[rows], axis=0),
            factor=_factor(correlation, common, len(rows)),
            genres=genres.take(pa.array(rows)),
            artist_counts=np.array([len(sample.artists(row)) for row in rows.tolist()]),
            artist_sizes=np.unique(sample.main_artist[rows], return_counts=True)[1],
            title_words=_words(titles[row] for row in rows),
            artist_words=_words(name for row in rows.tolist() for name in sample.artists(row)),
        )
        for rows, correlation in zip(spans, correlations, strict=True)
    ]


def _correlation(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the correlation of the columns' normal scores; a column that never varies is independent."""
    scores = np.column_stack([_normal_scores(column) for column in values.T])
    deviation = scores.std(axis=0)
    scores = (scores - scores.mean(axis=0)) / np.where(deviation == 0, 1, deviation)
    correlation: NDArray[np.float64] = scores.T @ scores / len(scores)
    np.fill_diagonal(correlation, 1)
    return correlation


def _normal_scores(column: NDArray[np.float64]) -> NDArray[np.float64]:
    """Replace values by the normal scores of their ranks; equal values get the mean of theirs."""
    _, place, counts = np.unique(column, return_inverse=True, return_counts=True)
    sums = np.add.reduceat(_positions(len(column)), np.cumsum(counts) - counts)
    scores: NDArray[np.float64] = (sums / counts)[place]
    return scores


def _positions(count: int) -> NDArray[np.float64]:
    """Return the normal scores of so many values in order."""
    return np.array([NormalDist().inv_cdf((rank + 0.5) / count) for rank in range(count)])


def _factor(own: NDArray[np.float64], common: NDArray[np.float64], tracks: int) -> NDArray[np.float64]:
    """Return the Cholesky factor of a group's correlation drawn towards that of all groups."""
    weight = tracks / (tracks + _SHRINKAGE)
    correlation = weight * own + (1 - weight) * common
    return np.asarray(np.linalg.cholesky((1 - _RIDGE) * correlation + _RIDGE * np.eye(len(own))), dtype=np.float64)


def _words(texts: Iterable[str]) -> pa.StringArray:
    """Return the words of texts as often as they occur, without punctuation around them."""
    stripped = (_stripped(word) for text in texts for word in text.split())
    return pa.array([word for word in stripped if word] or [*_SPARE_WORDS], pa.string())


def _stripped(word: str) -> str:
    """Remove what is neither letter nor digit from both ends of a word."""
    kept = [place for place, character in enumerate(word) if character.isalnum()]
    return word[kept[0] : kept[-1] + 1] if kept else ""


def _shares(sizes: NDArray[np.int64], tracks: int) -> NDArray[np.int64]:
    """Divide tracks among groups by their sizes, remainders to the largest fractions."""
    exact = sizes * (tracks / sizes.sum())
    counts = exact.astype(np.int64)
    counts[np.argsort(counts - exact, kind="stable")[: tracks - counts.sum()]] += 1
    return np.asarray(counts, dtype=np.int64)


def _values(group: _Group, count: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Draw features and popularity, ``(count, 10)``."""
    scores = random.standard_normal((count, len(group.factor))) @ group.factor.T
    positions = _positions(len(group.quantiles))
    positions[0], positions[-1] = -_OUTERMOST, _OUTERMOST
    columns = [np.interp(scores[:, i], positions, group.quantiles[:, i]) for i in range(len(group.factor))]
    return np.column_stack(columns)


def _rounded(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round features to the precision of the source."""
    digits = 2 - np.floor(np.log10(np.maximum(np.abs(features), 1e-9)))
    digits[:, [name in _DECIMALS for name in FEATURES]] = 3
    scale = 10.0**digits
    rounded: NDArray[np.float64] = np.rint(features * scale) / scale
    return rounded


def _artists(group: _Group, counts: NDArray[np.int64], namer: _Namer, random: np.random.Generator) -> pa.ListArray:
    """Draw artists: main artists with as many tracks as the group's have, and others beside them."""
    sizes = random.choice(group.artist_sizes, size=int(len(counts) / group.artist_sizes.min()) + 1)
    ends = np.cumsum(sizes)
    artists = int(np.searchsorted(ends, len(counts))) + 1
    main = np.repeat(np.arange(artists), sizes[:artists])[: len(counts)]
    counts = np.minimum(counts, artists)
    step = random.integers(0, artists - counts + 1)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)
    numbers = (np.repeat(main, counts) + np.where(within == 0, 0, within + np.repeat(step, counts))) % artists
    names = namer.names(artists, group.artist_words, random)
    return pa.ListArray.from_arrays(pa.array(offsets), names.take(pa.array(numbers)))


def _track_ids(seed: int, first: int, count: int) -> pa.StringArray:
    """Make ids of 22 characters that depend on the seed and the track's number alone.

    Two 64-bit numbers, each a one-to-one mixture of the track's number, in base 62.

    Source:
        Steele, Lea and Flood, *Fast splittable pseudorandom number generators*, 2014 (SplitMix64).
    """
    half = _ID_LENGTH // 2
    text = np.empty((count, _ID_LENGTH), dtype=np.uint8)
    for part, salt in enumerate(np.random.default_rng(seed).integers(1 << 63, size=2, dtype=np.uint64)):
        numbers = _mixed(np.arange(first, first + count, dtype=np.uint64) + salt)
        for place in range(half):
            numbers, digits = np.divmod(numbers, np.uint64(len(_DIGITS)))
            text[:, part * half + place] = _DIGITS[digits]
    offsets = np.arange(0, (count + 1) * _ID_LENGTH, _ID_LENGTH, dtype=np.int32)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(text))


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return SplitMix64's outputs for states, one to one."""
    numbers = numbers * np.uint64(0x9E3779B97F4A7C15)
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
