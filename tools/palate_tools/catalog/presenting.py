"""What an import and a catalog look like on a terminal, and in a pipe."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from palate.catalog.snapshot import Catalog
from palate.domain.track import FEATURES
from rich.console import Console

from palate_tools.catalog.build import FileReport, Import
from palate_tools.catalog.columns import FIELDS
from palate_tools.catalog.findings import Action, Finding
from palate_tools.catalog.placing import Placement
from palate_tools.tables import Column, print_facts, print_line, print_rows

__all__ = ["describe_catalog", "describe_import"]

_EXAMPLES: Final = 3
_LONGEST_VALUE: Final = 100
_GENRES_SHOWN: Final = 8
_CLUSTERS: Final = (Column("genre cluster", narrowest=16), Column("id"), Column("tracks", number=True))
_FEATURES: Final = (
    Column("feature"),
    Column("lowest", number=True),
    Column("median", number=True),
    Column("highest", number=True),
)
_ABSENT: Final = {
    "id": "ids are made from title and main artist",
    "genres": "tracks are placed by their features",
    "popularity": "set to 0 (unknown)",
}


def describe_import(imported: Import, console: Console) -> None:
    """Print what was read, refused, repaired, merged and placed."""
    for file in imported.files:
        _print(console, _file_lines(file))
    refused = f"refused {imported.refused:,} of {imported.rows_read:,} rows ({imported.refused_share:.2%})"
    _print(console, [refused, *_finding_lines(imported.findings, Action.REFUSED)])
    repaired = list(_finding_lines(imported.findings, Action.REPAIRED))
    if repaired:
        _print(console, ["repaired", *repaired])
    merged = f"merged {imported.merged:,} rows into others"
    _print(console, [merged, *_finding_lines(imported.findings, Action.MERGED)])
    if imported.ids_made:
        _print(console, [f"made {imported.ids_made:,} ids from title and main artist"])
    if imported.placement:
        _print(console, _placement_lines(imported.placement))


def describe_catalog(catalog: Catalog, path: Path, console: Console) -> None:
    """Print what a catalog holds."""
    facts = {
        "file": f"{path} ({path.stat().st_size / 1e6:,.1f} MB)",
        "version": f"{catalog.version}, written by palate {catalog.palate_version}",
        "source": catalog.source,
        "tracks": f"{len(catalog):,}",
        "main artists": f"{len(np.unique(catalog.main_artist)):,}",
        "genres": f"{len(catalog.genres):,}",
        "popularity": f"median {np.median(catalog.popularity):.0f}, unknown for {(catalog.popularity == 0).mean():.1%}",
    }
    print_facts(console, facts)
    print_line(console, "")
    rows = [
        [
            f"{cluster.display_name} (never recommended)" if cluster.excluded else cluster.display_name,
            cluster.cluster_id,
            f"{count:,}",
        ]
        for cluster, count in zip(catalog.clusters, catalog.track_counts, strict=True)
    ]
    print_rows(console, _CLUSTERS, rows)
    print_line(console, "")
    print_rows(console, _FEATURES, [_feature_row(name, catalog.features[:, n]) for n, name in enumerate(FEATURES)])


def _feature_row(name: str, values: NDArray[np.float32]) -> list[str]:
    return [name, *(f"{value:.4g}" for value in (values.min(), np.median(values), values.max()))]


def _print(console: Console, lines: Iterable[str]) -> None:
    for line in lines:
        print_line(console, line)


def _file_lines(file: FileReport) -> Iterator[str]:
    yield f"{file.path}: {file.rows_read:,} rows, {file.description}"
    found = [f"{field} ← {' + '.join(file.columns[field])}" for field in FIELDS if field in file.columns]
    yield f"  {', '.join(found)}"
    for field in FIELDS:
        if field not in file.columns:
            yield f"  no column for {field}: {_ABSENT[field]}"
    for note in file.notes:
        yield f"  {note}"


def _finding_lines(findings: Iterable[Finding], action: Action) -> Iterator[str]:
    chosen = sorted((finding for finding in findings if finding.action is action), key=_place)
    for (source, column, what), group in groupby(chosen, key=_place):
        same = list(group)
        count = sum(len(finding.rows) for finding in same)
        place = f"{source}, {column}" if column else source
        rows = "row" if count == 1 else "rows"
        examples = [f"row {row}: {_short(value)}" for row, value in same[0].examples(_EXAMPLES)]
        if sum(map(len, examples)) <= _LONGEST_VALUE:
            yield f"  {place}: {what}: {count:,} {rows} ({', '.join(examples)}{', …' if count > len(examples) else ''})"
        else:
            yield f"  {place}: {what}: {count:,} {rows}"
            yield from (f"    {example}" for example in examples)


def _place(finding: Finding) -> tuple[str, str, str]:
    return finding.source, finding.column, finding.what


def _placement_lines(placement: Placement) -> Iterator[str]:
    after = f" after {placement.reference}" if placement.by_features else ""
    yield f"placed {placement.by_genre:,} tracks by genre, {placement.by_features:,} by their features{after}"
    if placement.unplaced_genres:
        common = placement.unplaced_genres.most_common(_GENRES_SHOWN)
        names = ", ".join(f"{_short(genre)} ({count:,})" for genre, count in common)
        more = len(placement.unplaced_genres) - len(common)
        yield f"  genres that no cluster takes: {names}{f' and {more:,} more' if more else ''}"
    if placement.excluded:
        yield f"  {placement.excluded:,} of them are in clusters that are never recommended"


def _short(value: str) -> str:
    if not value:
        return "empty"
    text = "".join(character if character.isprintable() else "·" for character in value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
