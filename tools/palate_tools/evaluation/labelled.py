"""One listener's likes and dislikes as a file has them, and the catalog of their tracks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray
from palate.catalog.snapshot import Catalog
from palate.errors import CatalogError

from palate_tools.catalog.build import import_tracks, write_import
from palate_tools.catalog.columns import find_column, map_columns
from palate_tools.catalog.reading import open_source
from palate_tools.catalog.rows import Reading

__all__ = ["LabelledTracks", "read_labelled"]

_TARGETS: Final = ("target", "liked", "label")
_LIKED: Final = frozenset({"1", "1.0", "true", "yes", "like", "liked"})
_DISLIKED: Final = frozenset({"0", "0.0", "false", "no", "dislike", "disliked"})
_TITLE, _ARTISTS = "name", "track_artist"
"""The least telling names that the importer takes for title and artists; a file without them gets such columns."""


@dataclass(frozen=True, slots=True)
class LabelledTracks:
    """The tracks that a listener liked or disliked.

    Attributes:
        track_ids: Their ids in the catalog, `n` of them.
        liked: bool ``(n,)``, True for a like.
        raw: float64 ``(n, 9)``, features in the units of the source.
        normalized: float64 ``(n, 9)``, the catalog's normal scores.
    """

    track_ids: tuple[str, ...]
    liked: NDArray[np.bool_]
    raw: NDArray[np.float64]
    normalized: NDArray[np.float64]


def read_labelled(path: Path, catalog_path: Path, target: str | None = None) -> LabelledTracks:
    """Build a catalog of a file's tracks with the importer, and return their labels.

    Rows that the importer refuses are left out; of rows that it merges the one that stands for them gives the label.

    Args:
        path: A CSV or Parquet file with the nine features and a column of likes and dislikes.
        catalog_path: The catalog file to make.
        target: The column; found by its name when None.

    Raises:
        CatalogError: When the file or the column cannot be used.
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
    write_import(import_tracks([prepared]), catalog_path)
    labels = _labels(reading.columns[column], column, path)
    with Catalog.open(catalog_path) as catalog:
        rows = catalog.rows(track_ids)
        kept = (rows >= 0) & ~np.isnan(labels)
        return LabelledTracks(
            tuple(np.array(track_ids)[kept].tolist()),
            labels[kept] > 0,
            catalog.features[rows[kept]].astype(np.float64),
            catalog.normalized[rows[kept]].astype(np.float64),
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
