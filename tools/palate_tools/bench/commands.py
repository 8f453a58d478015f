"""`palate bench`."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from palate_tools.bench.catalogs import synthetic_catalog
from palate_tools.bench.measure import Plan, Result, measure
from palate_tools.bench.report import print_report, write_json
from palate_tools.catalog.presenting import plain_console

__all__ = ["bench"]

_SIZES: Final = (10_000, 100_000, 1_000_000)
_SMALLEST: Final = 2_000
_FOLDER: Final = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option(
    "--tracks",
    "sizes",
    multiple=True,
    default=_SIZES,
    show_default=True,
    type=click.IntRange(min=_SMALLEST),
    help="A catalog size to measure on. Repeatable.",
)
@click.option(
    "--seconds",
    default=8.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="For each kind of call.",
)
@click.option("--rounds", default=4, show_default=True, type=click.IntRange(min=1), help="Parts of these seconds.")
@click.option(
    "--concurrency", default=16, show_default=True, type=click.IntRange(min=1), help="Calls under way at once."
)
@click.option(
    "--listeners", default=500, show_default=True, type=click.IntRange(min=2), help="Listeners of three tastes."
)
@click.option("--cache", type=_FOLDER, help="Where catalogs are kept; below the system's temporary folder by default.")
@click.option("--json", "json_path", type=click.Path(path_type=Path, dir_okay=False), help="A file for all figures.")
def bench(
    sizes: Sequence[int],
    *,
    seconds: float,
    rounds: int,
    concurrency: int,
    listeners: int,
    cache: Path | None,
    json_path: Path | None,
) -> None:
    """Measure the server under load.

    Starts the real server on synthesised catalogs and drives it from this process. What it prints are ratios to an
    empty call within the same run, beside the budgets; docs/benchmarks.md says how to read them. Needs Linux.
    """
    cache = cache or Path(tempfile.gettempdir(), "palate-bench")
    with _progress() as progress:
        task = progress.add_task("")

        def say(what: str) -> None:
            progress.update(task, description=what)

        catalogs = []
        for size in sorted(set(sizes)):
            say(f"looking for a catalog of {size:,} tracks, or making it")
            catalogs.append(synthetic_catalog(cache, size))
        plan = Plan(catalogs, seconds, rounds, concurrency, listeners)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            results: list[Result] = asyncio.run(measure(plan, Path(folder), say))
    console = plain_console()
    print_report(results, console)
    if json_path is not None:
        write_json(results, plan, json_path)


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
