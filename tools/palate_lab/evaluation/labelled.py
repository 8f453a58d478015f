"""One listener's likes and dislikes as a file has them, the catalog of their tracks, and which labels are held out."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray
from palate.catalog.snapshot import Catalog
from palate.errors import CatalogError
from palate_tools.catalog.build import Import, import_tracks, write_import
from palate_tools.catalog.columns import find_column, map_columns
from palate_tools.catalog.findings import Action
from palate_tools.catalog.reading import open_source
from palate_tools.catalog.rows import Reading
from palate_tools.tables import counted
from sklearn.model_selection import train_test_split

__all__ = ["LabelledTracks", "Split", "impossible_sizes", "make_splits", "read_labelled"]

_TARGETS: Final = ("target", "liked", "label")
_LIKED: Final = frozenset({"1", "1.0", "true", "yes", "like", "liked"})
_DISLIKED: Final = frozenset({"0", "0.0", "false", "no", "dislike", "disliked"})
_TITLE, _ARTISTS = "name", "track_artist"
"""The least telling names that the importer takes for title and artists; a file without them gets such columns."""
_FIRST_ROW: Final = 2
"""The number of the first row of the file that the importer is given; the header is row 1."""


@dataclass(frozen=True, slots=True)
class LabelledTracks:
    """The tracks that a listener liked or disliked.

    Attributes:
        track_ids: Their ids in the catalog, `n` of them.
        liked: bool ``(n,)``, True for a like.
        raw: float64 ``(n, 9)``, features in the units of the source.
        normalized: float64 ``(n, 9)``, the catalog's normal scores.
        notes: Sentences about rows that are no tracks of their own.
    """

    track_ids: tuple[str, ...]
    liked: NDArray[np.bool_]
    raw: NDArray[np.float64]
    normalized: NDArray[np.float64]
    notes: tuple[str, ...] = ()


def read_labelled(path: Path, catalog_path: Path, target: str | None = None) -> LabelledTracks:
    """Build a catalog of a file's tracks with the importer, and return their labels.

    Rows that the importer refuses are left out; of rows that it merges the one that stands for them gives the label.

    Args:
        path: A CSV or Parquet file with the nine features and a column of likes and dislikes.
        catalog_path: The catalog file to make.
        target: The column; found by its name when None.

    Raises:
        CatalogError: When the file, the column or every row cannot be used.
    """
    source = open_source(path)
    column = _target(source.columns, target, path)
    added = [name for name in (_TITLE, _ARTISTS) if find_column(name, source.columns) is None]
    fields = map_columns([*source.columns, *added], {}, where=str(path))
    wanted = {name for field, names in fields.items() if field != "id" for name in names} - set(added)
    reading = source.read([*sorted(wanted), column], lambda done: None)  # noqa: ARG005 - watches nothing
    track_ids = [f"row-{number}" for number in reading.rows.tolist()]
    prepared = catalog_path.with_suffix(".csv")
    _write(prepared, reading, track_ids, sorted(wanted), added)
    labels = _labels(reading.columns[column], column, path)
    imported = import_tracks([prepared])
    notes = tuple(_notes(reading, imported, column, labels))
    if notes and imported.placement is None:
        raise CatalogError(f"{path}: {notes[0]}")
    write_import(imported, catalog_path)
    with Catalog.open(catalog_path) as catalog:
        rows = catalog.rows(track_ids)
        kept = (rows >= 0) & ~np.isnan(labels)
        return LabelledTracks(
            tuple(np.array(track_ids)[kept].tolist()),
            labels[kept] > 0,
            catalog.features[rows[kept]].astype(np.float64),
            catalog.normalized[rows[kept]].astype(np.float64),
            notes,
        )


def _target(columns: Sequence[str], target: str | None, path: Path) -> str:
    names = _TARGETS if target is None else (target,)
    found = next((column for name in names if (column := find_column(name, columns)) is not None), None)
    if found is None:
        raise CatalogError(
            f"{path} has no column {' or '.join(names)}; its columns are {', '.join(columns)}. "
            "Name the one that holds 1 for a like and 0 for a dislike with --target COLUMN"
        )
    return found


def _write(path: Path, reading: Reading, track_ids: list[str], columns: list[str], added: list[str]) -> None:
    invented = {name: pa.array([f"{name} {track_id}" for track_id in track_ids]) for name in added}
    told = {name: reading.columns[name] for name in columns}
    pa.csv.write_csv(pa.table({"track_id": pa.array(track_ids), **told, **invented}), path)


def _labels(column: pa.Array, name: str, path: Path) -> NDArray[np.float64]:
    """Return 1 for a like, 0 for a dislike, and not a number where nothing stands."""
    labels = []
    for value in column.to_pylist():
        text = "" if value is None else str(value).strip().casefold()
        if text and text not in _LIKED | _DISLIKED:
            raise CatalogError(f"{path}: column {name} holds {value!r}, which is neither 1 nor 0")
        labels.append(math.nan if not text else float(text in _LIKED))
    return np.array(labels)


def _notes(reading: Reading, imported: Import, column: str, labels: NDArray[np.float64]) -> Iterator[str]:
    """Say how many rows are left out and merged, and which is the first of them."""
    reasons = {
        **{one.row: f"{one.fields} fields where the header has {one.expected}" for one in reading.misfits},
        **dict.fromkeys(reading.rows[np.isnan(labels)].tolist(), f"column {column}: missing"),
        **_found(reading, imported, Action.REFUSED),
    }
    if reasons:
        total = len(reading.rows) + len(reading.misfits)
        yield f"left out {counted(len(reasons), 'row')} of {total:,}; the first is {_first(reasons)}"
    merged = _found(reading, imported, Action.MERGED)
    if merged:
        yield f"merged {counted(len(merged), 'row')} into others of the same track; the first is {_first(merged)}"


def _found(reading: Reading, imported: Import, action: Action) -> dict[int, str]:
    """Return what the importer found, by the row's number in the file."""
    return {
        row: f"column {finding.column}: {finding.what}" if finding.column else finding.what
        for finding in imported.findings
        if finding.action is action
        for row in reading.rows[finding.rows - _FIRST_ROW].tolist()
    }


def _first(reasons: Mapping[int, str]) -> str:
    row = min(reasons)
    return f"row {row}, {reasons[row]}"


@dataclass(frozen=True, slots=True)
class Split:
    """Which labels are told and which are held out.

    Attributes:
        size: How many are told.
        seed: What drew them.
        told: Their positions, in the order in which they are told.
        held: Positions of all others.
    """

    size: int
    seed: int
    told: NDArray[np.intp]
    held: NDArray[np.intp]

    @property
    def user_id(self) -> str:
        """The listener that stands for it."""
        return f"listener-{self.size}-{self.seed}"


def make_splits(liked: NDArray[np.bool_], sizes: Sequence[int], seeds: int) -> list[Split]:
    """Draw labels of both kinds in their proportion, `seeds` times for each size; none of them impossible."""
    return [
        Split(size, seed, *train_test_split(np.arange(len(liked)), train_size=size, random_state=seed, stratify=liked))
        for size in sizes
        for seed in range(seeds)
    ]


def impossible_sizes(liked: NDArray[np.bool_], sizes: Sequence[int], least_held: int) -> dict[int, str]:
    """Say of each size that these labels are too few for why.

    Args:
        liked: bool ``(n,)``, True for a like.
        sizes: How many labels are to be told.
        least_held: How many must be held out at least.
    """
    count, likes = len(liked), int(liked.sum())
    rarer, kind = min((likes, "like"), (count - likes, "dislike"))
    reasons = {}
    for size in sizes:
        if size + least_held > count:
            reasons[size] = f"{counted(count, 'label')} are too few to tell so many and to hold out {least_held}"
        elif not 1 <= size * rarer / count <= rarer - 1:
            reasons[size] = f"too few {kind}s, {rarer} of {counted(count, 'label')}, to tell some and to hold out some"
    return reasons
