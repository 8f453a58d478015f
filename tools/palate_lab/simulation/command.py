"""`palate lab simulate`: plays a run against a server, and summarises it."""

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import click
import pyarrow as pa
import pyarrow.compute as pc
from palate.client import CallFailed, Client
from palate.errors import ConfigError
from palate.suggestion import suggestion
from palate_tools.simulation.kinds import Kind, load_kinds
from palate_tools.tables import Column, open_console, print_line, print_rows

from palate_lab.progress import show_progress
from palate_lab.simulation.results import ResultFolder
from palate_lab.simulation.run import Plan, simulate
from palate_lab.simulation.session import Habits

__all__ = ["choose_kinds", "simulate_listeners", "summarize"]

_COLUMNS: Final = (
    Column("kind"),
    Column("listeners", number=True),
    Column("liked of what was shown", number=True, narrowest=10),
    Column("in the first tenth of the turns", number=True, narrowest=10),
    Column("in the last tenth", number=True, narrowest=10),
)


def choose_kinds(path: Path | None, names: tuple[str, ...]) -> Mapping[str, Kind]:
    """Return all kinds of a file, or those that were named.

    Raises:
        ConfigError: When the file cannot be used, or has no kind of a name.
    """
    kinds = load_kinds(path)
    for name in names:
        if name not in kinds:
            raise ConfigError(f"there is no kind of listener {name!r}{suggestion(name, kinds)}")
    return {name: kinds[name] for name in names} if names else kinds


def simulate_listeners(  # noqa: PLR0913 - an option each
    connect: Callable[[], Client],
    *,
    as_json: bool,
    listeners: int,
    turns: int,
    seed: int,
    out: Path,
    kinds_path: Path | None,
    names: tuple[str, ...],
    page_size: int,
    feedback: int,
    strategy: str,
    concurrency: int,
) -> None:
    """Do what `palate lab simulate` says: its options are the arguments."""
    plan = Plan(seed, listeners, turns, choose_kinds(kinds_path, names), Habits(page_size, feedback, strategy))
    folder = ResultFolder(out)
    try:
        with show_progress() as watch, ExitStack() as closing:
            clients = [closing.enter_context(connect()) for _ in range(concurrency)]
            simulate(clients, plan, folder, lambda count: watch("turns", count, listeners * turns))
    except CallFailed:
        if folder.begun:
            click.echo(f"stopped; the same command continues from what is in {out}", err=True)
        raise
    _show(summarize(folder.read()), out, as_json=as_json)


def summarize(shown: pa.Table) -> list[dict[str, Any]]:
    """Return what share of the tracks shown each kind of listener liked: of all, in the first and in the last tenth."""
    tenth = max(1, (pc.max(shown["turn"]).as_py() + 1) // 10)
    last = pc.max(shown["turn"]).as_py() + 1 - tenth
    kinds = pc.cast(shown["kind"], pa.string())
    rows = []
    for kind in pc.unique(kinds).to_pylist():
        own = shown.filter(pc.equal(kinds, kind))
        rows.append(
            {
                "kind": kind,
                "listeners": pc.count_distinct(own["listener"]).as_py(),
                "liked": _share(own),
                "liked_first": _share(own.filter(pc.less(own["turn"], tenth))),
                "liked_last": _share(own.filter(pc.greater_equal(own["turn"], last))),
            }
        )
    return rows


def _share(shown: pa.Table) -> float | None:
    share: float | None = pc.mean(shown["liked"]).as_py()
    return share


def _show(summary: list[dict[str, Any]], out: Path, *, as_json: bool) -> None:
    if as_json:
        for row in summary:
            click.echo(json.dumps(row))
        return
    console = open_console()
    print_rows(console, _COLUMNS, [[_text(value) for value in row.values()] for row in summary])
    print_line(console, f"Every track that was shown is in {out}.")


def _text(value: object) -> str:
    return "-" if value is None else f"{value:.1%}" if isinstance(value, float) else str(value)
