"""`palate lab ablate`: runs the tests, and prints the verdict of each."""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path

import click
from palate.app.config import LogConfig
from palate.app.logs import set_up_logs
from palate_tools.catalog.bundled import bundled_catalog
from palate_tools.tables import open_console, print_facts, print_line
from rich.console import Console

from palate_lab.ablation.run import run_tests
from palate_lab.ablation.verdict import Verdict
from palate_lab.comparison.intervals import caveat

__all__ = ["run_and_show"]


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
