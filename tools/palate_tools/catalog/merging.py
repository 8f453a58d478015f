"""Making one track of the rows that name the same one."""

import hashlib
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from palate_tools.catalog.cleaning import UNKNOWN_ARTIST
from palate_tools.catalog.findings import Action, Finding
from palate_tools.catalog.rows import whole

__all__ = ["Merged", "merge"]

_ID_BYTES: Final = 11
_SEPARATOR: Final = "\x1f"


@dataclass(slots=True)
class Merged:
    """Distinct tracks.

    Attributes:
        tracks: One row for each, in the order in which they first occur; every ``track_id`` is set.
        findings: Which rows were merged into which, and which were refused because their id belongs to
            another track.
        merged: How many rows went into others.
        refused: How many were refused.
        ids_made: How many tracks came without an id.
    """

    tracks: pa.Table
    findings: list[Finding] = field(default_factory=list)
    merged: int = 0
    refused: int = 0
    ids_made: int = 0


def merge(tracks: pa.Table) -> Merged:
    """Merge rows with one id, then rows with one title and main artist.

    Of each group the genres are united and the highest popularity is kept; everything else is that of its most
    popular row, and of equals of the first, where rows with an id come before rows without. A row whose id is
    another track's, so that neither title nor main artist agree, is refused.

    Args:
        tracks: ``source`` (file name), ``row`` and the columns of `cleaning.Cleaned.tracks`.
    """
    titles, artists = _plain(tracks["title"]), _plain(_main_artists(tracks))
    nobody = pc.and_(pc.equal(_main_artists(tracks), UNKNOWN_ARTIST), pc.is_valid(whole(tracks["track_id"])))
    keys = pc.if_else(
        nobody,
        pa.scalar(None, pa.string()),
        pc.binary_join_element_wise(titles, artists, _SEPARATOR),
    )
    result = Merged(tracks.append_column("key", keys))
    _refuse_foreign_ids(result, titles, artists)
    _merge_by(result, "track_id", "same id")
    _merge_by(result, "key", "same title and artist")
    _make_ids(result)
    return result


def _main_artists(tracks: pa.Table) -> pa.Array:
    return pc.list_element(whole(tracks["artists"]), 0)


def _plain(text: pa.Array) -> pa.Array:
    """Fold text for comparison; a text of nothing but punctuation, such as ``!!!``, stays as it is."""
    plain = whole(text)
    folded = pc.replace_substring_regex(pc.utf8_lower(pc.utf8_normalize(plain, "NFKD")), r"[\x{0300}-\x{036f}]", "")
    words = pc.utf8_trim_whitespace(pc.replace_substring_regex(folded, r"[^\pL\pM\pN]+", " "))
    return pc.if_else(pc.equal(words, ""), plain, words)


def _refuse_foreign_ids(result: Merged, titles: pa.Array, artists: pa.Array) -> None:
    groups = _Groups.of(whole(result.tracks["track_id"]))
    owner = groups.first[groups.number]
    title, artist = _codes(titles), _codes(artists)
    foreign = (title != title[owner]) & (artist != artist[owner])
    if foreign.any():
        result.findings += _findings(Action.REFUSED, "the id of another track", result.tracks, foreign, owner)
        result.refused = int(foreign.sum())
        result.tracks = result.tracks.filter(pa.array(~foreign))


def _merge_by(result: Merged, column: str, what: str) -> None:
    tracks = result.tracks
    groups = _Groups.of(whole(tracks[column]))
    if groups.count == tracks.num_rows:
        return
    popularity = np.asarray(tracks["popularity"])
    survivors = groups.best(np.asarray(pc.is_null(tracks["track_id"])), popularity)
    dropped = np.ones(tracks.num_rows, dtype=bool)
    dropped[survivors] = False
    result.findings += _findings(Action.MERGED, what, tracks, dropped, survivors[groups.number])
    result.merged += int(dropped.sum())
    order = np.argsort(groups.first, kind="stable")
    highest = np.zeros(groups.count, dtype=np.uint8)
    np.maximum.at(highest, groups.number, popularity)
    genres = _united(whole(tracks["genres"]), groups).take(pa.array(order))
    kept = tracks.take(pa.array(survivors[order]))
    kept = kept.set_column(kept.schema.get_field_index("genres"), "genres", genres)
    result.tracks = kept.set_column(kept.schema.get_field_index("popularity"), "popularity", pa.array(highest[order]))


@dataclass(frozen=True, slots=True)
class _Groups:
    """Rows in groups: each row's group, and each group's first row. A null is a group of its own."""

    number: NDArray[np.int64]
    first: NDArray[np.int64]

    @property
    def count(self) -> int:
        return len(self.first)

    @classmethod
    def of(cls, values: pa.Array) -> "_Groups":
        _, first, number = np.unique(_codes(values), return_index=True, return_inverse=True)
        return cls(number, first)

    def best(self, nameless: NDArray[np.bool_], popularity: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return of each group the row with an id, the most popular, the first."""
        order = np.lexsort((-popularity.astype(np.int16), nameless, self.number))
        starts = np.flatnonzero(np.diff(self.number[order], prepend=-1))
        return np.asarray(order[starts])


def _united(genres: pa.ListArray, groups: _Groups) -> pa.ListArray:
    """Return of each group the distinct genres in the order in which they occur."""
    names = pc.list_flatten(genres)
    group = groups.number[np.asarray(pc.list_parent_indices(genres), dtype=np.int64)]
    codes = _codes(pc.utf8_lower(names))
    _, places = np.unique(group * (codes.max(initial=0) + 1) + codes, return_index=True)
    places = places[np.lexsort((places, group[places]))]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(group[places], minlength=groups.count))])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), names.take(pa.array(places)))


def _make_ids(result: Merged) -> None:
    track_ids = whole(result.tracks["track_id"])
    nameless = pc.is_null(track_ids)
    keys = whole(result.tracks["key"]).filter(nameless).to_pylist()
    result.ids_made = len(keys)
    made = pa.array([hashlib.blake2b(key.encode(), digest_size=_ID_BYTES).hexdigest() for key in keys], pa.string())
    place = result.tracks.schema.get_field_index("track_id")
    result.tracks = result.tracks.set_column(
        place, "track_id", pc.replace_with_mask(track_ids, nameless, made)
    ).drop_columns("key")


def _findings(
    action: Action, what: str, tracks: pa.Table, mask: NDArray[np.bool_], into: NDArray[np.int64]
) -> list[Finding]:
    """Say of the rows of the mask which row each of them goes into or contradicts."""
    rows = tracks.filter(pa.array(mask))
    others = tracks.select(["source", "row", "track_id"]).take(pa.array(into[mask]))
    names = pc.binary_join_element_wise(rows["title"], _main_artists(rows), " by ")
    places = pc.binary_join_element_wise(
        names, " → row ", pc.cast(others["row"], pa.string()), " of ", pc.cast(others["source"], pa.string()), ""
    )
    numbers, sources = np.asarray(rows["row"]), np.asarray(pc.cast(rows["source"], pa.string()))
    found = []
    for source in dict.fromkeys(sources.tolist()):
        of_source = sources == source
        texts = whole(places).filter(pa.array(of_source))
        found.append(Finding(action, source, "", what, numbers[of_source], texts))
    return found


def _codes(values: pa.Array) -> NDArray[np.int64]:
    """Number the distinct values; every null gets a number of its own."""
    encoded = values.dictionary_encode()
    codes = np.asarray(encoded.indices.fill_null(-1), dtype=np.int64)
    nulls = codes < 0
    codes[nulls] = len(encoded.dictionary) + np.arange(nulls.sum())
    return codes
