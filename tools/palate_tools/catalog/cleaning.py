"""Turning a file's columns into tracks: what can be fixed for certain is fixed, everything else refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from palate.domain.track import FEATURE_RANGES, FEATURES
from palate.errors import CatalogError

from palate_tools.catalog.fields import Numbers, read_artists, read_genres, read_numbers
from palate_tools.catalog.findings import Action, Finding, Ledger
from palate_tools.catalog.rows import Misfit, Reading

__all__ = ["MAX_ID_BYTES", "UNKNOWN_ARTIST", "Cleaned", "clean", "plain_track_ids"]

MAX_ID_BYTES: Final = 128
"""The longest track id that the public contract takes."""

UNKNOWN_ARTIST: Final = "Unknown artist"
"""Stands for the artist of a track that has an id but names none."""

_UNIT_FEATURES: Final = tuple(name for name in FEATURES if FEATURE_RANGES[name] == (0.0, 1.0))
_STEADY: Final = ("danceability", "energy", "valence", "liveness")
_ROUNDING: Final = 1e-3
_CLEARLY_PERCENT: Final = 0.9
_SOME: Final = 0.01
_ENOUGH_STEADY: Final = 2
_ENOUGH_ROWS: Final = 20
_SLOWEST_MEDIAN_TEMPO: Final = 20.0
_MAX_POPULARITY: Final = 100
_ID_PREFIX: Final = r"^(?:spotify:track:|https?://open\.spotify\.com/(?:intl-\w+/)?track/)([^/?#]+).*$"


@dataclass(frozen=True, slots=True)
class Cleaned:
    """One file's tracks.

    Attributes:
        tracks: ``row`` int64, ``track_id`` string (null where it must be made), ``title``, ``artists`` and
            ``genres`` list<string>, ``popularity`` uint8 and one float32 column for each feature.
        findings: What was refused and repaired.
        notes: Sentences about whole columns.
        rows_read: How many rows the file has, blank ones left out.
        rows_refused: How many of them are not in `tracks`.
    """

    tracks: pa.Table
    findings: list[Finding]
    notes: list[str]
    rows_read: int
    rows_refused: int


def clean(reading: Reading, columns: Mapping[str, tuple[str, ...]], source: str) -> Cleaned:
    """Make tracks of a file's rows.

    Args:
        reading: The file's columns and row numbers.
        columns: The columns of each field.
        source: The file's name, for the findings.

    Raises:
        CatalogError: A column as a whole is on a scale that cannot be undone.
    """
    ledger = Ledger(source, reading.rows)
    first = {field: (names[0], reading.columns[names[0]]) for field, names in columns.items()}
    features = _features(ledger, first)
    titles = _titles(ledger, *first["title"])
    track_ids = _track_ids(ledger, first.get("id"))
    artists = _artists(ledger, *first["artists"], track_ids)
    genres = [read_genres(reading.columns[name]) for name in columns.get("genres", ())]
    table = pa.table(
        {
            "row": reading.rows,
            "track_id": track_ids,
            "title": titles,
            "artists": artists,
            "genres": _joined(genres, len(reading.rows)),
            "popularity": _popularity(ledger, first.get("popularity")),
            **{name: features[name].astype(np.float32) for name in FEATURES},
        }
    )
    return Cleaned(
        table.filter(pa.array(ledger.kept)),
        [*_misfits(reading.misfits, source), *ledger.findings],
        ledger.notes,
        len(reading.rows) + len(reading.misfits),
        int((~ledger.kept).sum()) + len(reading.misfits),
    )


def _misfits(misfits: Sequence[Misfit], source: str) -> list[Finding]:
    kinds: dict[tuple[int, int], list[Misfit]] = {}
    for misfit in misfits:
        kinds.setdefault((misfit.fields, misfit.expected), []).append(misfit)
    return [
        Finding(
            Action.REFUSED,
            source,
            "",
            f"{fields} {'field' if fields == 1 else 'fields'} where the header has {expected}",
            np.array([misfit.row for misfit in group], np.int64),
            pa.array([misfit.text for misfit in group], pa.string()),
        )
        for (fields, expected), group in kinds.items()
    ]


def _titles(ledger: Ledger, name: str, column: pa.Array) -> pa.Array:
    text = _text(column)
    printable = pc.replace_substring_regex(pc.replace_substring(text, "\0", ""), r"[\x01-\x1f\x7f]+", " ")
    clean_text = pc.utf8_trim_whitespace(printable)
    ledger.refuse(_mask(pc.is_in(clean_text, pa.array(["", "nan", "<NA>"]))), name, "no title", text)
    ledger.repair(_mask(pc.match_substring(text, "\0")) & ledger.kept, name, "NUL bytes, taken out", text)
    damaged = _mask(pc.match_substring(clean_text, "�")) & ledger.kept
    ledger.repair(damaged, name, "bytes that do not decode, shown as �", text)
    return clean_text


def _artists(ledger: Ledger, name: str, column: pa.Array, track_ids: pa.Array) -> pa.Array:
    artists = read_artists(column)
    nobody = _mask(pc.equal(pc.list_value_length(artists), 0))
    if not nobody.any():
        return artists
    made = _mask(pc.is_null(track_ids))
    shown = pc.if_else(pa.array(nobody), pa.scalar(""), "")
    ledger.refuse(nobody & made, name, "neither artist nor id: nothing tells the track apart", shown)
    ledger.repair(nobody & ~made & ledger.kept, name, f"no artist, called {UNKNOWN_ARTIST}", shown)
    return pc.if_else(pa.array(nobody), pa.scalar([UNKNOWN_ARTIST], pa.list_(pa.string())), artists)


def plain_track_ids(texts: pa.StringArray) -> pa.StringArray:
    """Return track ids without blanks around them; of Spotify URIs and addresses only the id."""
    return pc.replace_substring_regex(pc.utf8_trim_whitespace(texts), _ID_PREFIX, r"\1")


def _track_ids(ledger: Ledger, named: tuple[str, pa.Array] | None) -> pa.Array:
    if named is None:
        return pa.nulls(len(ledger.rows), pa.string())
    name, column = named
    text = _text(column)
    track_ids = plain_track_ids(text)
    missing = pc.is_in(track_ids, pa.array(["", "nan", "<NA>"]))
    ledger.repair(_mask(missing) & ledger.kept, name, "no id, made from title and artist", text)
    ledger.refuse(
        _mask(pc.greater(pc.binary_length(track_ids), MAX_ID_BYTES)),
        name,
        f"an id longer than {MAX_ID_BYTES} bytes",
        pc.utf8_slice_codeunits(text, 0, MAX_ID_BYTES),
    )
    ledger.refuse(_mask(pc.match_substring_regex(track_ids, r"[\x00-\x1f\x7f]")), name, "control bytes in an id", text)
    return pc.if_else(missing, pa.scalar(None, pa.string()), track_ids)


def _popularity(ledger: Ledger, named: tuple[str, pa.Array] | None) -> NDArray[np.uint8]:
    if named is None:
        return np.zeros(len(ledger.rows), dtype=np.uint8)
    name, column = named
    numbers = read_numbers(column)
    ledger.repair(numbers.unreadable & ledger.kept, name, "not a number, set to 0 (unknown)", column)
    ledger.repair(numbers.missing & ledger.kept, name, "missing, set to 0 (unknown)", column)
    values = np.nan_to_num(numbers.values, nan=0.0)
    if len(values) and values.max() <= 1 and (values % 1 != 0).any():
        ledger.notes.append(f"{name} is on a scale from 0 to 1: multiplied by 100")
        values = values * _MAX_POPULARITY
    ledger.repair((values < 0) & ledger.kept, name, "below 0, set to 0 (unknown)", column)
    ledger.repair((values > _MAX_POPULARITY) & ledger.kept, name, "above 100, set to 100", column)
    return np.clip(np.rint(values), 0, _MAX_POPULARITY).astype(np.uint8)


def _features(ledger: Ledger, first: Mapping[str, tuple[str, pa.Array]]) -> dict[str, NDArray[np.float64]]:
    numbers = {feature: read_numbers(first[feature][1]) for feature in FEATURES}
    percent = _on_percent_scale({feature: numbers[feature].values for feature in _UNIT_FEATURES})
    _check_scales(numbers, first, ledger.source)
    features = {}
    for feature in FEATURES:
        name, column = first[feature]
        values = numbers[feature].values
        if numbers[feature].decimal_commas:
            ledger.notes.append(
                f"{name} has decimal commas in {numbers[feature].decimal_commas:,} rows: read as points"
            )
        if feature in percent:
            ledger.notes.append(f"{name} is on a scale from 0 to 100: divided by 100")
            values = values / 100
        _refuse_unusable(ledger, feature, name, numbers[feature], column)
        features[feature] = _in_range(ledger, feature, name, values, column)
    return features


def _refuse_unusable(ledger: Ledger, feature: str, name: str, numbers: Numbers, column: pa.Array) -> None:
    ledger.refuse(numbers.missing, name, "missing", column)
    ledger.refuse(numbers.unreadable, name, "not a number", column)
    if feature == "tempo":
        ledger.refuse(numbers.values == 0, name, "0, which says that no beat was found", column)


def _in_range(
    ledger: Ledger, feature: str, name: str, values: NDArray[np.float64], column: pa.Array
) -> NDArray[np.float64]:
    low, high = FEATURE_RANGES[feature]
    near = np.clip(values, low, high)
    outside = ~np.isnan(values) & (near != values)
    rounding = outside & (np.abs(near - values) <= _ROUNDING) & (feature != "tempo")
    ledger.refuse(outside & ~rounding, name, f"outside {low:g} to {high:g}", column)
    ledger.repair(rounding & ledger.kept, name, f"a rounding error outside {low:g} to {high:g}, moved inside", column)
    return near


def _on_percent_scale(features: Mapping[str, NDArray[np.float64]]) -> set[str]:
    """Find the features that a file gives from 0 to 100.

    A column is when nine in ten of its values other than 0 lie above 1. Acousticness, instrumentalness and
    speechiness are small for most tracks, so that they also are when some values lie above 1 and two of the
    steadier features clearly are on that scale.
    """
    shares = {name: _share_above_one(values) for name, values in features.items()}
    clear = {name for name, share in shares.items() if share >= _CLEARLY_PERCENT}
    if len(clear.intersection(_STEADY)) < _ENOUGH_STEADY:
        return clear
    return clear | {name for name, share in shares.items() if share >= _SOME}


def _share_above_one(values: NDArray[np.float64]) -> float:
    """Return the share of values from 1 to 100 among those that are not 0."""
    some = values[~np.isnan(values) & (values != 0)]
    return float(((some > 1 + _ROUNDING) & (some <= 100)).mean()) if len(some) else 0.0  # noqa: PLR2004 - per cent


def _check_scales(numbers: Mapping[str, Numbers], first: Mapping[str, tuple[str, pa.Array]], source: str) -> None:
    """Raise CatalogError when tempo or loudness as a whole was scaled to another range."""
    tempo, loudness = (_median(numbers[name].values) for name in ("tempo", "loudness"))
    if 0 < tempo < _SLOWEST_MEDIAN_TEMPO:
        raise CatalogError(
            f"{source}: half of column {first['tempo'][0]} lies below {tempo:.3g}; tempo must be given in beats per "
            "minute, so name the column that holds them or undo the scaling first"
        )
    if loudness > 0:
        raise CatalogError(
            f"{source}: half of column {first['loudness'][0]} lies above {loudness:.3g}; loudness must be given in "
            "decibels, from -60 to about 0, so name the column that holds them or undo the scaling first"
        )


def _median(values: NDArray[np.float64]) -> float:
    some = values[~np.isnan(values)]
    return float(np.median(some)) if len(some) >= _ENOUGH_ROWS else 0.0


def _joined(lists: Sequence[pa.Array], count: int) -> pa.Array:
    """Put the genres of several columns one after another."""
    if not lists:
        return pa.array([[]], pa.list_(pa.string())).take(pa.array(np.zeros(count, dtype=np.int64)))
    if len(lists) == 1:
        return lists[0]
    rows = zip(*(column.to_pylist() for column in lists), strict=True)
    return pa.array([list(dict.fromkeys(chain.from_iterable(row))) for row in rows], pa.list_(pa.string()))


def _text(column: pa.Array) -> pa.Array:
    return pc.cast(column, pa.string()).fill_null("")


def _mask(values: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(values, dtype=bool)
