"""`palate lab ablate`: gathers the evidence, runs the tests one by one, and prints the verdict of each."""

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click
from palate.app.config import LogConfig
from palate.app.logs import set_up_logs
from palate.catalog.snapshot import Catalog
from palate_tools.catalog.bundled import bundled_catalog
from palate_tools.tables import open_console, print_facts, print_line
from rich.console import Console

from palate_lab.ablation.cases import Verdict
from palate_lab.ablation.effects import criterion, dose, equal_tuning, factorial
from palate_lab.ablation.evidence import TUNING, Evidence, make_populations, tune
from palate_lab.ablation.lists import serving
from palate_lab.ablation.robustness import isolation, mistakes, placebo, tastes_found
from palate_lab.comparison.baselines import ItemSpace
from palate_lab.comparison.intervals import caveat
from palate_lab.comparison.protocol import make_world

__all__ = ["TESTS", "run_and_show", "run_tests"]

TESTS: Final[tuple[Callable[[Evidence], Verdict], ...]] = (
    factorial,
    equal_tuning,
    dose,
    placebo,
    isolation,
    mistakes,
    tastes_found,
    criterion,
)
"""The tests, in the order of their numbers."""


def run_tests(
    catalog: Path, folder: Path, listeners: int, seed: int, watch: Callable[[str], None]
) -> Iterator[Verdict]:
    """Gather the evidence, and yield the verdict of each test.

    Args:
        catalog: The catalog file.
        folder: An empty folder for the server's state.
        listeners: How many there are of each population.
        seed: What everything is drawn from.
        watch: Told what is being done.

    Raises:
        ComparisonFailed: When a training fails.
        ConfigError: When the catalog has too few clusters.
    """
    with Catalog.open(catalog) as opened:
        watch("drawing listeners")
        world = make_world(opened)
        populations = make_populations(listeners, seed, world)
        watch("tuning")
        merged, apart = tune(world, populations.pop(TUNING), seed)
        watch("telling palate, and training")
        with serving(populations, catalog, folder, world) as (palate, sure):
            evidence = Evidence(world, ItemSpace(opened), populations, palate, sure, merged, apart, seed)
            for test in TESTS:
                watch(test.__name__.replace("_", " "))
                yield test(evidence)


def run_and_show(listeners: int, seed: int, catalog: Path | None, *, as_json: bool) -> None:
    """Do what `palate lab ablate` says: its options are the arguments."""
    set_up_logs(LogConfig(level="error"))
    console, verdicts = open_console(), []
    with tempfile.TemporaryDirectory(prefix="palate-ablate-") as name, Console(stderr=True).status("") as status:
        folder = Path(name)
        path = catalog or bundled_catalog(folder)
        for verdict in run_tests(path, folder / "served", listeners, seed, status.update):
            verdicts.append(verdict)
            if as_json:
                click.echo(json.dumps(asdict(verdict)))
            else:
                _show(console, verdict)
    if not as_json:
        print_line(console, f"{sum(verdict.passed for verdict in verdicts)} of {len(verdicts)} hold", style="bold")
        if few := caveat(listeners):
            print_line(console, few)
    if not all(verdict.passed for verdict in verdicts):
        raise click.exceptions.Exit(1)


def _show(console: Console, verdict: Verdict) -> None:
    mark, style = ("holds", "green") if verdict.passed else ("does not hold", "red")
    print_line(console, f"{verdict.number}. {verdict.title} {mark}", style=f"bold {style}")
    print_line(console, verdict.criterion)
    print_facts(console, verdict.figures)
    print_line(console, "")
