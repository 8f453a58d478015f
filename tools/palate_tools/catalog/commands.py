"""`palate catalog …`: build, describe and synthesise catalog files, and look at the one that a server has."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from palate.catalog.genres import GenreClusters
from palate.catalog.snapshot import Catalog
from palate.errors import CatalogError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from palate_tools.browsing import clusters, track
from palate_tools.catalog.build import Watcher, import_tracks, write_import
from palate_tools.catalog.bundled import bundled_catalog
from palate_tools.catalog.columns import parse_mapping
from palate_tools.catalog.findings import Finding, write_findings
from palate_tools.catalog.genre_report import genres_command
from palate_tools.catalog.presenting import describe_catalog, describe_import
from palate_tools.catalog.synthesize import synthesize
from palate_tools.groups import CommandGroup
from palate_tools.tables import open_console, print_line

__all__ = ["catalog"]

_FILE = click.Path(path_type=Path)


@click.group(cls=CommandGroup)
def catalog() -> None:
    """Build, describe and synthesise catalog files; show tracks and genre clusters of a server's catalog."""


@catalog.command()
@click.argument("inputs", metavar="IN...", nargs=-1, required=True, type=_FILE)
@click.option("--out", required=True, type=_FILE, help="The catalog file to make or to replace.")
@click.option("--map", "pairs", multiple=True, metavar="FIELD=COLUMN", help="Name a field's column. Repeatable.")
@click.option("--encoding", help="The encoding of the CSV files; detected when left out.")
@click.option("--genres", type=_FILE, help="A cluster file to use in place of the one that palate carries.")
@click.option(
    "--max-refused",
    default=0.05,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="The share of rows that may be refused; when more are, nothing is written.",
)
@click.option("--report", type=_FILE, help="A CSV file for everything that was refused, repaired and merged.")
@click.pass_context
def build(  # noqa: PLR0913 - an option each
    ctx: click.Context,
    inputs: tuple[Path, ...],
    *,
    out: Path,
    pairs: tuple[str, ...],
    encoding: str | None,
    genres: Path | None,
    max_refused: float,
    report: Path | None,
) -> None:
    """Make a catalog of CSV and Parquet files of tracks.

    Columns are found by their names. Impossible values are fixed where that is certain; other rows are refused,
    and rows of one track are merged. Exits with 1 when too many rows were refused, and with 2 when the files
    cannot be used at all.
    """
    console = open_console()
    _check_target(out, inputs)
    mapping = parse_mapping(pairs)
    with _progress() as watch:
        imported = import_tracks(
            inputs, mapping=mapping, encoding=encoding, clusters=GenreClusters.load(genres), watch=watch
        )
    describe_import(imported, console)
    if report is not None:
        _write_report(imported.findings, report)
    if imported.refused_share > max_refused:
        click.echo(
            f"Error: {imported.refused_share:.1%} of the rows were refused and at most {max_refused:.1%} may be; "
            "nothing was written. Fix the rows named above, map other columns, or raise --max-refused",
            err=True,
        )
        ctx.exit(1)
    with _progress() as watch:
        watch(f"writing {out.name}", 0, 0)
        write_import(imported, out)
    _say_written(out)


@catalog.command()
@click.argument("file", type=_FILE)
def info(file: Path) -> None:
    """Describe a catalog file."""
    with Catalog.open(file) as opened:
        describe_catalog(opened, file, open_console())


@catalog.command("synthesize")
@click.option("--tracks", required=True, type=click.IntRange(min=1), help="How many tracks to make.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Equal seeds make equal files.")
@click.option("--out", required=True, type=_FILE, help="The catalog file to make or to replace.")
def synthesize_command(tracks: int, seed: int, out: Path) -> None:
    """Make a catalog of any size that resembles the bundled one."""
    _check_target(out, ())
    with (
        tempfile.TemporaryDirectory() as folder,
        Catalog.open(bundled_catalog(Path(folder))) as sample,
        _progress() as watch,
    ):
        done = 0

        def count(more: int) -> None:
            nonlocal done
            done += more
            watch(f"making {out.name}", done, tracks)

        synthesize(sample, tracks, seed, out, count)
    _say_written(out)


catalog.add_command(genres_command)
catalog.add_command(track)
catalog.add_command(clusters)


def _say_written(out: Path) -> None:
    with Catalog.open(out) as written:
        size = out.stat().st_size / 1e6
        line = f"wrote {out}: {len(written):,} tracks, version {written.version}, {size:,.1f} MB"
    print_line(open_console(), line)


def _check_target(out: Path, inputs: tuple[Path, ...]) -> None:
    """Raise CatalogError before any work when the catalog could not be written in the end."""
    if out.is_dir():
        raise CatalogError(f"--out {out} is a folder; name a file in it")
    if not out.parent.is_dir():
        raise CatalogError(f"the folder of --out {out} does not exist; make it first")
    if not os.access(out.parent, os.W_OK):
        raise CatalogError(f"the folder of --out {out} cannot be written; name another file or change its permissions")
    if any(path.exists() and out.exists() and path.samefile(out) for path in inputs):
        raise CatalogError(f"--out {out} is one of the files to read; name another file")


def _write_report(findings: tuple[Finding, ...], path: Path) -> None:
    try:
        write_findings(findings, path)
    except OSError as exc:
        raise CatalogError(f"cannot write --report {path}: {exc.strerror or exc}") from exc


@contextmanager
def _progress() -> Iterator[Watcher]:
    """Show a bar on a terminal while something takes its time, and nothing in a pipe."""
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(elapsed_when_finished=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        tasks: dict[str, TaskID] = {}

        def watch(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total or None)
            progress.update(tasks[what], completed=done)

        yield watch
