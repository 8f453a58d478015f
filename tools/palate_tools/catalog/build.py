"""The whole way from files of tracks to a catalog."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from palate.catalog.genres import GenreClusters
from palate.catalog.writer import write_catalog
from palate.domain.track import FEATURES
from palate.errors import CatalogError
from palate.suggestion import suggestion

from palate_tools.catalog.cleaning import Cleaned, clean
from palate_tools.catalog.columns import find_column, map_columns
from palate_tools.catalog.findings import Finding
from palate_tools.catalog.merging import merge
from palate_tools.catalog.placing import Labelled, Placement, features_of, place_by_genre, place_tracks
from palate_tools.catalog.reading import open_source
from palate_tools.catalog.rows import Source

__all__ = ["SAMPLE", "FileReport", "Import", "Watcher", "import_tracks", "write_import"]

SAMPLE: Final = Path(__file__).parent.parent / "data" / "tracks.csv"
"""The tracks of the bundled catalog; `README.md` beside it is their data card."""

Watcher = Callable[[str, int, int], None]
"""Told what is being done, how far it is and how far it goes; 0 when that is unknown."""


@dataclass(frozen=True, slots=True)
class FileReport:
    """What was read of one file.

    Attributes:
        path: The file.
        description: Its format, encoding and delimiter in words.
        columns: The columns that each field was read from.
        rows_read: How many rows it has, blank ones left out.
        rows_refused: How many of them were refused.
        notes: Sentences about whole columns.
    """

    path: Path
    description: str
    columns: Mapping[str, tuple[str, ...]]
    rows_read: int
    rows_refused: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Import:
    """Tracks that are ready to be written, and how they came about.

    Attributes:
        tracks: The columns that `palate.catalog.writer.write_catalog` takes.
        clusters: The genre clusters that they were placed into.
        files: What was read.
        findings: What was refused, repaired and merged.
        refused: How many rows were refused.
        merged: How many rows were merged into others.
        ids_made: How many tracks got an id made from title and main artist.
        placement: How the tracks were placed; None when none is left.
    """

    tracks: pa.Table
    clusters: GenreClusters
    files: tuple[FileReport, ...]
    findings: tuple[Finding, ...]
    refused: int
    merged: int
    ids_made: int
    placement: Placement | None

    @property
    def rows_read(self) -> int:
        """How many rows all files have."""
        return sum(file.rows_read for file in self.files)

    @property
    def refused_share(self) -> float:
        """The share of rows that were refused, 0 to 1."""
        return self.refused / max(self.rows_read, 1)


def import_tracks(
    inputs: Sequence[Path],
    *,
    mapping: Mapping[str, str] | None = None,
    encoding: str | None = None,
    clusters: GenreClusters | None = None,
    watch: Watcher = lambda what, done, total: None,  # noqa: ARG005 - watches nothing
) -> Import:
    """Read files of tracks, clean and merge their rows and place the tracks into genre clusters.

    Args:
        inputs: CSV or Parquet files.
        mapping: Columns named explicitly, by field; see `palate_tools.catalog.columns`.
        encoding: The encoding of the CSV files; detected for each when None.
        clusters: Where genres belong; those that palate carries when None.
        watch: Told about the progress.

    Raises:
        CatalogError: A file cannot be read or lacks a column, or no file has a column that the mapping names.
    """
    clusters = clusters or GenreClusters.load()
    sources = [open_source(path, encoding) for path in inputs]
    _check_mapping(mapping or {}, sources)
    columns = [map_columns(source.columns, mapping or {}, where=str(source.path)) for source in sources]
    cleaned = [_read(source, found, watch) for source, found in zip(sources, columns, strict=True)]
    watch("merging", 0, 0)
    merged = merge(_together(sources, cleaned))
    watch("placing", 0, 0)
    tracks = merged.tracks
    placement = place_tracks(tracks, clusters, partial(_bundled, clusters)) if tracks.num_rows else None
    return Import(
        _catalog_table(tracks, placement),
        clusters,
        tuple(
            FileReport(source.path, source.description, found, file.rows_read, file.rows_refused, tuple(file.notes))
            for source, found, file in zip(sources, columns, cleaned, strict=True)
        ),
        (*(finding for file in cleaned for finding in file.findings), *merged.findings),
        sum(file.rows_refused for file in cleaned) + merged.refused,
        merged.merged,
        merged.ids_made,
        placement,
    )


def write_import(imported: Import, out: Path, *, source: str | None = None) -> None:
    """Write imported tracks as a catalog.

    Args:
        imported: What `import_tracks` returned.
        out: The catalog file to make or to replace.
        source: Where the tracks come from, for people; the names of the files when None.

    Raises:
        CatalogError: No track is left, or the file cannot be written.
    """
    if imported.placement is None:
        raise CatalogError("there is no track to write: the files have no rows, or all of them were refused")
    source = source or ", ".join(file.path.name for file in imported.files)
    write_catalog(out, imported.tracks, imported.clusters.clusters, source=source)


def _check_mapping(mapping: Mapping[str, str], sources: Sequence[Source]) -> None:
    names = list(dict.fromkeys(name for source in sources for name in source.columns))
    for field, column in mapping.items():
        if find_column(column, names) is None:
            raise CatalogError(f"--map {field}={column} names no column{suggestion(column, names)}")


def _read(source: Source, columns: Mapping[str, tuple[str, ...]], watch: Watcher) -> Cleaned:
    size = source.path.stat().st_size
    name = source.path.name
    wanted = list(dict.fromkeys(column for names in columns.values() for column in names))
    reading = source.read(wanted, lambda done: watch(f"reading {name}", done, size))
    watch(f"cleaning {name}", 0, 0)
    return clean(reading, columns, name)


def _together(sources: Sequence[Source], cleaned: Sequence[Cleaned]) -> pa.Table:
    names = pa.array([source.path.name for source in sources])
    tables = []
    for number, file in enumerate(cleaned):
        origin = pa.DictionaryArray.from_arrays(np.full(file.tracks.num_rows, number, dtype=np.int32), names)
        tables.append(file.tracks.append_column("source", origin))
    return pa.concat_tables(tables)


def _bundled(clusters: GenreClusters) -> Labelled:
    """Return the bundled tracks whose genres these clusters can place."""
    source = open_source(SAMPLE)
    columns = map_columns(source.columns, {})
    tracks = _read(source, columns, lambda what, done, total: None).tracks  # noqa: ARG005 - watches nothing
    placed = place_by_genre(tracks, clusters)
    known = np.array([cluster_id is not None for cluster_id in placed], dtype=bool)
    if not known.any():
        raise CatalogError(
            "the genre clusters place none of the bundled tracks' genres, so that tracks without a genre cannot be "
            "placed; name more genres in the cluster file"
        )
    return Labelled(features_of(tracks)[known], [cluster_id for cluster_id in placed if cluster_id is not None])


def _catalog_table(tracks: pa.Table, placement: Placement | None) -> pa.Table:
    flat = pa.array(features_of(tracks).reshape(-1))
    cluster_ids = placement.cluster_ids if placement else []
    columns = {name: tracks[name] for name in ("track_id", "title", "artists", "genres", "popularity")}
    return pa.table(
        {
            **columns,
            "features": pa.FixedSizeListArray.from_arrays(flat, len(FEATURES)),
            "cluster": pa.array(cluster_ids, pa.string()),
        }
    )
