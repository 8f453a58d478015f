"""Search for tracks by the words of their title and artists.

Every word is kept as a key, its first eight bytes as a big-endian number, so that the words that begin with a prefix
are a range of keys. Each key lists its tracks, most popular first. Titles as a whole are found by hash.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Final, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from palate.catalog.exact import ExactIndex
from palate.catalog.spool import ArrayPacker, Spool, Workspace

__all__ = ["SearchIndex", "WordIndexBuilder", "words_of"]

_Number = TypeVar("_Number", bound=np.generic)

_KEY: Final = 8
"""Bytes of a word that its key holds."""

_GATHERED: Final = 32_768
"""The most tracks that are listed for one word of a query, most popular first for each word that it begins."""

_VERIFIED: Final = 4_096
"""The most of them that are compared with the whole query, most popular first."""

_CHUNK: Final = 128
"""How many are compared at once."""

_PLAIN: Final = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "\N{LATIN SMALL LETTER DOTLESS I}": "i"}
)
"""Letters that Unicode does not take apart into a plain letter and an accent, though people who search do."""

_WORD: Final = re.compile(r"[^\W_]+")
_APOSTROPHES: Final = re.compile("['\N{RIGHT SINGLE QUOTATION MARK}]")

_ORDER_BITS: Final = np.uint64(39)
_ROW_BITS: Final = np.uint64(32)
_MOST_POPULAR: Final = 127

_PAIR: Final = np.dtype([("key", "<u8"), ("order", "<u8")])


def words_of(text: str) -> list[str]:
    """Split a text into words without case, accents and punctuation.

    Unicode's compatibility decomposition without its combining marks, casefolded; everything but letters and digits
    parts words, apostrophes excepted, which vanish.
    """
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text)
        text = "".join(character for character in decomposed if unicodedata.category(character)[0] != "M")
        text = text.casefold().translate(_PLAIN)
    return _WORD.findall(_APOSTROPHES.sub("", text.lower()))


class WordIndexBuilder:
    """Collects the words of one group of tracks after another, in temporary files by their first byte.

    Args:
        workspace: Where to put the files.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._first_bytes: set[int] = set()

    def add(self, rows: NDArray[np.int32], popularity: NDArray[np.uint8], words: Sequence[Sequence[str]]) -> None:
        """Add the words of texts.

        Args:
            rows: int32 ``(n,)``, the track of each text.
            popularity: uint8 ``(n,)``, of those tracks.
            words: The words of each text, as `words_of` splits it.
        """
        keys = _keys(list(chain.from_iterable(words)))
        parents = np.repeat(np.arange(len(rows)), np.fromiter(map(len, words), dtype=np.int64))
        pairs = np.empty(len(keys), dtype=_PAIR)
        pairs["key"] = keys
        pairs["order"] = (_MOST_POPULAR - popularity[parents]).astype(np.uint64) << _ROW_BITS
        pairs["order"] |= rows[parents].astype(np.uint64)
        first_byte = (keys >> np.uint64(56)).astype(np.uint8)
        pairs = pairs[np.argsort(first_byte, kind="stable")]
        counts = np.bincount(first_byte, minlength=256)
        for byte, part in enumerate(np.split(pairs, np.cumsum(counts)[:-1])):
            if len(part):
                self._first_bytes.add(byte)
                self._spool(byte).append(part)

    def write(self, packer: ArrayPacker, spool: Spool) -> None:
        """Write the index through the packer of a spool."""
        keys, counts, best = [], [], []
        packer.begin("word_row")
        for byte in sorted(self._first_bytes):
            pairs = np.frombuffer(self._spool(byte).map(), dtype=_PAIR)
            distinct = _distinct(pairs["key"])
            packed = np.searchsorted(distinct, pairs["key"]).astype(np.uint64) << _ORDER_BITS
            packed = _distinct(packed | pairs["order"])
            owner = packed >> _ORDER_BITS
            starts = np.searchsorted(owner, np.arange(len(distinct), dtype=np.uint64))
            spool.append(packed.astype(np.uint32))
            keys.append(distinct)
            counts.append(np.diff(np.append(starts, len(packed))))
            best.append((_MOST_POPULAR - ((packed[starts] >> _ROW_BITS) & np.uint64(127))).astype(np.uint8))
            self._spool(byte).release()
        starts = np.cumsum(np.concatenate([[0], *counts]), dtype=np.int64)
        packer.end("word_row", np.dtype(np.int32), (int(starts[-1]),))
        packer.put("word_key", np.concatenate([np.empty(0, np.uint64), *keys]))
        packer.put("word_start", starts)
        packer.put("word_popularity", np.concatenate([np.empty(0, np.uint8), *best]))

    def _spool(self, byte: int) -> Spool:
        """Return the file of the words that begin with a byte."""
        return self._workspace.spool(f"words-{byte}")


class SearchIndex:
    """Finds tracks by words.

    Args:
        keys: uint64 ``(words,)``, ascending.
        starts: int64 ``(words + 1,)``, where the tracks of each word begin in `rows`.
        rows: int32, tracks, most popular first within each word.
        best: uint8 ``(words,)``, the popularity of each word's most popular track.
        titles: Whole normalised titles.
        tracks: The record batch, for the texts, popularity and clusters.
    """

    def __init__(
        self,
        keys: NDArray[np.uint64],
        starts: NDArray[np.int64],
        rows: NDArray[np.int32],
        best: NDArray[np.uint8],
        titles: ExactIndex,
        tracks: pa.RecordBatch,
    ) -> None:
        self._keys = keys
        self._starts = starts
        self._rows = rows
        self._best = best
        self._titles = titles
        self._title = tracks.column("title")
        self._artists = tracks.column("artists")
        self._popularity: NDArray[np.uint8] = tracks.column("popularity").to_numpy()
        self._cluster: NDArray[np.uint8] = tracks.column("cluster").indices.to_numpy()

    def search(self, query: str, limit: int, offset: int, cluster: int | None) -> tuple[NDArray[np.int32], bool]:
        """Return a page of matches and whether more follow. See `palate.catalog.snapshot.Catalog.search`."""
        words = words_of(query)
        found: list[int] = []
        for row in self._matches(words, cluster) if words else ():
            found.append(row)
            if len(found) > offset + limit:
                break
        return np.array(found[offset : offset + limit], dtype=np.int32), len(found) > offset + limit

    def _matches(self, words: Sequence[str], cluster: int | None) -> Iterator[int]:
        """Iterate over the matches, best first."""
        exact = self._by_popularity(self._titles.candidates(" ".join(words)), cluster)
        first = [row for row, other in zip(exact.tolist(), self._titles_of(exact), strict=True) if other == words]
        yield from first
        ranges = [self._range(word) for word in words]
        selective = min(ranges, key=lambda keys: int(self._starts[keys.stop] - self._starts[keys.start]))
        others = self._by_popularity(self._listed(selective), cluster)
        others = others[~np.isin(others, first)]
        for start in range(0, len(others), _CHUNK):
            yield from self._verified(others[start : start + _CHUNK], words)

    def _range(self, word: str) -> slice:
        """Return the keys of the words that begin with a word."""
        prefix = word.encode()[:_KEY]
        low = np.uint64(int.from_bytes(prefix.ljust(_KEY, b"\x00"), "big"))
        high = np.uint64(int.from_bytes(prefix.ljust(_KEY, b"\xff"), "big"))
        return slice(int(np.searchsorted(self._keys, low)), int(np.searchsorted(self._keys, high, "right")))

    def _listed(self, keys: slice) -> NDArray[np.int32]:
        """Return the most popular tracks of each word, as many of each as leaves room for all, repeats removed."""
        starts = self._starts[keys]
        sizes = self._starts[keys.start + 1 : keys.stop + 1] - starts
        if len(sizes) > _GATHERED:
            kept = np.argsort(-self._best[keys].astype(np.int16), kind="stable")[:_GATHERED]
            starts, sizes = starts[kept], sizes[kept]
        sizes = np.minimum(sizes, _fair_share(sizes, _GATHERED))
        place = np.repeat(starts - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())
        return _distinct(self._rows[place])

    def _by_popularity(self, rows: NDArray[np.int32], cluster: int | None) -> NDArray[np.int32]:
        """Return the most popular of ascending rows, those of one cluster only if one is given."""
        if cluster is not None:
            rows = rows[self._cluster[rows] == cluster]
        order = np.argsort(_MOST_POPULAR - self._popularity[rows], kind="stable")
        return rows[order[:_VERIFIED]]

    def _verified(self, rows: NDArray[np.int32], words: Sequence[str]) -> Iterator[int]:
        """Iterate over the rows of which every word of a query begins a word."""
        artists = self._artists.take(pa.array(rows))
        names = iter(artists.flatten().dictionary_decode().to_pylist())
        counts = pc.list_value_length(artists).to_pylist()
        for row, title, count in zip(rows.tolist(), self._titles_of(rows), counts, strict=True):
            text = [*title, *chain.from_iterable(map(words_of, islice(names, count)))]
            if all(any(own.startswith(word) for own in text) for word in words):
                yield row

    def _titles_of(self, rows: NDArray[np.int32]) -> Iterator[list[str]]:
        """Iterate over the words of the tracks' titles."""
        return map(words_of, self._title.take(pa.array(rows)).to_pylist())


def _distinct(values: NDArray[_Number]) -> NDArray[_Number]:
    """Return the distinct values, ascending. `numpy.unique` hashes, which takes a hundred times as long here."""
    ordered = np.sort(values)
    first: NDArray[np.bool_] = np.append(True, ordered[1:] != ordered[:-1])
    return ordered[first[: len(ordered)]]


def _keys(words: list[str]) -> NDArray[np.uint64]:
    """Return the first eight bytes of each word as a big-endian number, filled up with zeros."""
    padded = np.array([word.encode()[:_KEY] for word in words], dtype=f"S{_KEY}")
    return padded.view(">u8").astype(np.uint64)


def _fair_share(sizes: NDArray[np.int64], room: int) -> int:
    """Return the largest share that everybody can have at the most, so that all together get at most `room`."""
    ordered = np.sort(sizes)
    before = np.concatenate([[0], np.cumsum(ordered)[:-1]])
    shares = (room - before) // np.arange(len(ordered), 0, -1)
    bounded = ordered > shares
    return int(shares[np.argmax(bounded)]) if bounded.any() else room
