"""Search for tracks by the words of their title and artists.

Every word is kept as a key, its first eight bytes as a big-endian number, so that the words that begin with a prefix
are a range of keys. Each key lists its tracks, most popular first. Titles as a whole are found by hash.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from palate.catalog.exact import ExactIndex
from palate.catalog.spool import ArrayPacker, Spool

__all__ = ["SearchIndex", "WordIndexBuilder", "normalized_titles", "normalized_words"]

_KEY: Final = 8
"""Bytes of a word that its key holds."""

_GATHERED: Final = 32_768
"""The most tracks that are listed for one word of a query, most popular first for each word that it begins."""

_VERIFIED: Final = 4_096
"""The most of them that are compared with the whole query, most popular first."""

_CHUNK: Final = 128
"""How many are compared at once."""

_FOLDED: Final = {
    "ß": "ss",
    "æ": "ae",
    "œ": "oe",
    "ø": "o",
    "ł": "l",
    "đ": "d",
    "\N{LATIN SMALL LETTER DOTLESS I}": "i",
    "\N{GREEK SMALL LETTER FINAL SIGMA}": "\N{GREEK SMALL LETTER SIGMA}",
}
"""Letters that are not a letter with an accent for Unicode, though they are for people who search."""

_VANISHING: Final = "\\p{Mn}|['\N{RIGHT SINGLE QUOTATION MARK}]"

_ORDER_BITS: Final = np.uint64(39)
_ROW_BITS: Final = np.uint64(32)
_MOST_POPULAR: Final = 127

_PAIR: Final = np.dtype([("key", "<u8"), ("order", "<u8")])


def normalized_words(texts: pa.StringArray) -> pa.ListArray:
    """Split texts into words without case, accents and punctuation.

    Unicode's compatibility decomposition without its combining marks, in lower case; everything but letters and
    digits parts words, apostrophes excepted, which vanish. A text without words gives one empty word.
    """
    text = pc.utf8_normalize(texts, form="NFKD")
    text = pc.utf8_lower(pc.replace_substring_regex(text, pattern=_VANISHING, replacement=""))
    for letter, plain in _FOLDED.items():
        text = pc.replace_substring(text, pattern=letter, replacement=plain)
    text = pc.replace_substring_regex(text, pattern=r"[^\p{L}\p{M}\p{N}]+", replacement=" ")
    return pc.split_pattern(pc.utf8_trim_whitespace(text), pattern=" ")


def normalized_titles(words: pa.ListArray) -> pa.StringArray:
    """Join words as `normalized_words` splits them."""
    return pc.binary_join(words, " ")


class WordIndexBuilder:
    """Collects the words of one group of tracks after another, in temporary files by their first byte.

    Args:
        folder: Where to put the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spools: dict[int, Spool] = {}

    def add(self, rows: NDArray[np.int32], popularity: NDArray[np.uint8], words: pa.ListArray) -> None:
        """Add the words of texts.

        Args:
            rows: int32 ``(n,)``, the track of each text.
            popularity: uint8 ``(n,)``, of those tracks.
            words: ``(n,)``, as `normalized_words` splits them.
        """
        flat = words.flatten()
        pairs = np.empty(len(flat), dtype=_PAIR)
        pairs["key"] = _keys(flat)
        parents = pc.list_parent_indices(words).to_numpy()
        pairs["order"] = (_MOST_POPULAR - popularity[parents]).astype(np.uint64) << _ROW_BITS
        pairs["order"] |= rows[parents].astype(np.uint64)
        pairs = pairs[pairs["key"] > 0]
        first_byte = (pairs["key"] >> np.uint64(56)).astype(np.uint8)
        pairs = pairs[np.argsort(first_byte, kind="stable")]
        ends = np.cumsum(np.bincount(first_byte, minlength=256))
        for byte in np.unique(first_byte):
            self._spool(int(byte)).append(pairs[ends[byte - 1] if byte else 0 : ends[byte]])

    def write(self, packer: ArrayPacker, spool: Spool) -> None:
        """Write the index through the packer of a spool."""
        keys, counts, best = [], [], []
        packer.begin("word_row")
        for byte in sorted(self._spools):
            pairs = np.frombuffer(self._spools[byte].map(), dtype=_PAIR)
            distinct = np.unique(pairs["key"])
            packed = np.searchsorted(distinct, pairs["key"]).astype(np.uint64) << _ORDER_BITS
            packed = np.unique(packed | pairs["order"])
            owner = packed >> _ORDER_BITS
            starts = np.searchsorted(owner, np.arange(len(distinct), dtype=np.uint64))
            spool.append(packed.astype(np.uint32))
            keys.append(distinct)
            counts.append(np.diff(np.append(starts, len(packed))))
            best.append((_MOST_POPULAR - ((packed[starts] >> _ROW_BITS) & np.uint64(127))).astype(np.uint8))
            self._spools[byte].close()
        starts = np.cumsum(np.concatenate([[0], *counts]), dtype=np.int64)
        packer.end("word_row", np.dtype(np.int32), (int(starts[-1]),))
        packer.put("word_key", np.concatenate([np.empty(0, np.uint64), *keys]))
        packer.put("word_start", starts)
        packer.put("word_popularity", np.concatenate([np.empty(0, np.uint8), *best]))

    def _spool(self, byte: int) -> Spool:
        """Return the file of the words that begin with a byte."""
        if byte not in self._spools:
            self._spools[byte] = Spool(self._folder / f"words-{byte}")
        return self._spools[byte]


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
        words = [word for word in normalized_words(pa.array([query]))[0].as_py() if word]
        found: list[int] = []
        for row in self._matches(words, cluster) if words else ():
            found.append(row)
            if len(found) > offset + limit:
                break
        return np.array(found[offset : offset + limit], dtype=np.int32), len(found) > offset + limit

    def _matches(self, words: Sequence[str], cluster: int | None) -> Iterator[int]:
        """Iterate over the matches, best first."""
        title = " ".join(words)
        exact = self._by_popularity(self._titles.candidates(title), cluster)
        titles = normalized_titles(normalized_words(self._title.take(pa.array(exact)))).to_pylist()
        first = [int(row) for row, other in zip(exact, titles, strict=True) if other == title]
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
        return np.unique(self._rows[place])

    def _by_popularity(self, rows: NDArray[np.int32], cluster: int | None) -> NDArray[np.int32]:
        """Return the most popular of ascending rows, those of one cluster only if one is given."""
        if cluster is not None:
            rows = rows[self._cluster[rows] == cluster]
        order = np.argsort(_MOST_POPULAR - self._popularity[rows], kind="stable")
        return rows[order[:_VERIFIED]]

    def _verified(self, rows: NDArray[np.int32], words: Sequence[str]) -> Iterator[int]:
        """Iterate over the rows of which every word of a query begins a word."""
        taken = pa.array(rows)
        titles = normalized_words(self._title.take(taken)).to_pylist()
        artists = self._artists.take(taken)
        names = iter(normalized_words(artists.flatten().dictionary_decode()).to_pylist())
        counts = pc.list_value_length(artists).to_pylist()
        for row, title, count in zip(rows, titles, counts, strict=True):
            text = [*title, *(word for _ in range(count) for word in next(names))]
            if all(any(own.startswith(word) for own in text) for word in words):
                yield int(row)


def _keys(words: pa.StringArray) -> NDArray[np.uint64]:
    """Return the first eight bytes of each word as a big-endian number, filled up with zeros."""
    if len(words) == 0:
        return np.empty(0, dtype=np.uint64)
    _, offsets, data = words.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int32)[words.offset : words.offset + len(words) + 1]
    text = np.append(np.frombuffer(data, dtype=np.uint8) if data else np.empty(0, np.uint8), np.uint8(0))
    keys = np.zeros(len(words), dtype=np.uint64)
    for byte in range(_KEY):
        place = bounds[:-1] + byte
        place[place >= bounds[1:]] = len(text) - 1
        keys = keys << np.uint64(8) | text[place].astype(np.uint64)
    return keys


def _fair_share(sizes: NDArray[np.int64], room: int) -> int:
    """Return the largest share that everybody can have at the most, so that all together get at most `room`."""
    ordered = np.sort(sizes)
    before = np.concatenate([[0], np.cumsum(ordered)[:-1]])
    shares = (room - before) // np.arange(len(ordered), 0, -1)
    bounded = ordered > shares
    return int(shares[np.argmax(bounded)]) if bounded.any() else room
