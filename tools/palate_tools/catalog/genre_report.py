"""Reports on where genre names go."""

import csv
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
from palate.catalog.genres import GenreClusters
from palate.errors import CatalogError

__all__ = ["PlacementReport", "genres_command", "placement_report", "read_genre_names"]

_HEADERS: Final = ("genre", "genres", "track_genre", "name")
_FILE: Final = click.Path(path_type=Path)


@dataclass(frozen=True, slots=True)
class PlacementReport:
    """Where genre names went.

    Attributes:
        placed: From name to cluster_id, in the order of the names.
        unplaced: Names that no cluster takes, in their order.
    """

    placed: Mapping[str, str]
    unplaced: tuple[str, ...]

    @property
    def share(self) -> float:
        """The share of the names that were placed, from 0 to 1; 1 without names."""
        total = len(self.placed) + len(self.unplaced)
        return len(self.placed) / total if total else 1.0

    def sample(self, size: int, seed: int) -> list[tuple[str, str]]:
        """Draw placements to judge by eye; equal seeds draw equal names from equal reports."""
        names = random.Random(seed).sample(sorted(self.placed), min(size, len(self.placed)))  # noqa: S311 - no secret
        return [(name, self.placed[name]) for name in names]


def placement_report(names: Iterable[str], clusters: GenreClusters) -> PlacementReport:
    """Place genre names; repeated ones count once."""
    places = {name: clusters.place_genre(name) for name in names}
    placed = {name: cluster_id for name, cluster_id in places.items() if cluster_id is not None}
    return PlacementReport(placed, tuple(name for name in places if name not in placed))


def read_genre_names(path: Path) -> list[str]:
    """Read genre names from a CSV file in UTF-8.

    They stand in the column headed ``genre``, ``genres``, ``track_genre`` or ``name``; without such a header
    in the first column of every line.

    Raises:
        CatalogError: The file cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except OSError as exc:
        raise CatalogError(f"{path}: cannot be read ({exc.strerror}); name a CSV file of genre names") from exc
    except (UnicodeDecodeError, csv.Error) as exc:
        raise CatalogError(f"{path}: is no CSV file in UTF-8 ({exc}); save it as one") from exc
    header = [cell.strip().casefold() for cell in rows[0]] if rows else []
    column = next((header.index(name) for name in _HEADERS if name in header), None)
    cells = [row[0] for row in rows] if column is None else [row[column] for row in rows[1:] if len(row) > column]
    return [cell.strip() for cell in cells if cell.strip()]


@click.command("genres")
@click.argument("names", metavar="NAMES.csv", type=_FILE)
@click.option("--genres", "cluster_file", type=_FILE, help="A cluster file in place of the one that palate carries.")
@click.option(
    "--sample", "size", default=0, type=click.IntRange(min=0), help="Show so many placements, drawn by chance."
)
@click.option("--seed", default=0, show_default=True, help="Which placements are drawn.")
@click.option("--out", type=_FILE, help="A CSV file for every name and its cluster.")
def genres_command(names: Path, *, cluster_file: Path | None, size: int, seed: int, out: Path | None) -> None:
    """Report which genre cluster each of many genre names finds, and which find none."""
    clusters = GenreClusters.load(cluster_file)
    report = placement_report(read_genre_names(names), clusters)
    total = len(report.placed) + len(report.unplaced)
    click.echo(f"placed {len(report.placed):,} of {total:,} names ({report.share:.1%})")
    counts = Counter(report.placed.values())
    width = max(len(cluster.cluster_id) for cluster in clusters.clusters)
    for cluster in clusters.clusters:
        note = ", excluded" if cluster.excluded else ""
        click.echo(f"  {cluster.cluster_id:<{width}} {counts[cluster.cluster_id]:>6,}  {cluster.display_name}{note}")
    if report.unplaced:
        click.echo(f"no cluster takes: {', '.join(report.unplaced)}")
    for name, cluster_id in report.sample(size, seed):
        click.echo(f"  {cluster_id:<{width}} {name}")
    if out is not None:
        _write(report, out)


def _write(report: PlacementReport, path: Path) -> None:
    """Write name and cluster_id of every name; the cluster_id of unplaced names is empty."""
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["genre", "cluster_id"])
            writer.writerows([*report.placed.items(), *((name, "") for name in report.unplaced)])
    except OSError as exc:
        raise CatalogError(f"cannot write --out {path}: {exc.strerror}; name another file") from exc
