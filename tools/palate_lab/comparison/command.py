"""`palate lab compare`: plays the comparison, stores it and prints it."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from palate.app.config import LogConfig
from palate.app.logs import set_up_logs
from palate.catalog.snapshot import Catalog
from palate_tools.catalog.bundled import bundled_catalog
from palate_tools.tables import open_console, print_line

from palate_lab.comparison.compare import baseline_names, compare, strategy_names
from palate_lab.comparison.presenting import print_comparison
from palate_lab.comparison.protocol import Course
from palate_lab.progress import show_progress
from palate_lab.simulation.command import choose_kinds
from palate_lab.simulation.results import ResultFolder
from palate_lab.simulation.run import Plan
from palate_lab.simulation.session import Habits

__all__ = ["compare_all"]


def compare_all(
    *,
    strategies: tuple[str, ...],
    baselines: tuple[str, ...],
    catalog: Path | None,
    out: Path,
    jobs: int,
    **options: Any,
) -> None:
    """Do what `palate lab compare` says: its options are the arguments."""
    if jobs == 0:
        raise click.UsageError("--jobs must not be 0; write 1 for one process, -1 for all processors")
    set_up_logs(LogConfig(level="error"))
    played = strategy_names(strategies)
    course, results = _course(**options), ResultFolder(out)
    with tempfile.TemporaryDirectory(prefix="palate-compare-") as name, show_progress() as watch:
        path = catalog or bundled_catalog(Path(name))
        chosen = baseline_names(path, baselines)
        results.claim(_manifest(course, path, [*played, *chosen]))
        found = compare(course, path, Path(name), played, chosen, jobs, watch)
    results.store("measures.parquet", found.measures)
    results.store("shown.parquet", found.shown)
    console = open_console()
    print_comparison(console, found, course.plan.seed)
    print_line(console, f"Every figure is in {out}.")


def _course(
    *, kinds_path: Path | None, names: tuple[str, ...], known: int, train_at: tuple[int, ...], **options: Any
) -> Course:
    habits = Habits(options["page_size"], options["feedback"])
    kinds = choose_kinds(kinds_path, names)
    plan = Plan(options["seed"], options["listeners"], options["turns"], kinds, habits)
    return Course(plan, known, train_at)


def _manifest(course: Course, path: Path, algorithms: Sequence[str]) -> dict[str, Any]:
    """Return everything that the results depend on."""
    with Catalog.open(path) as catalog:
        version = catalog.version
    return {
        **course.plan.manifest(version),
        "known": course.known,
        "train_at": sorted(course.train_at),
        "algorithms": list(algorithms),
    }
