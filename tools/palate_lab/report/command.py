"""`palate lab report`."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource
from palate.client import Client
from palate_tools.tables import open_console, print_line

from palate_lab.report.making import report_on_simulated, report_on_user

__all__ = ["make_report"]

_OF_LISTENERS: Final = ("server", "token", "token_file", "tls", "tls_ca", "data_dir", "config_path")


def make_report(  # noqa: PLR0913 - an option each
    connect: Callable[[], Client],
    *,
    user: str | None,
    config_path: Path | None,
    data_dir: Path | None,
    seed: int,
    turns: int,
    comparison: Path | None,
    out: Path,
) -> None:
    """Do what `palate lab report` says: its options are the arguments."""
    _require_fitting(user)
    if user is None:
        page = report_on_simulated(seed, turns, comparison, out)
    else:
        with connect() as client:
            page = report_on_user(client, user, config_path, data_dir, comparison, out)
    print_line(open_console(), f"The report is in {page}.")


def _require_fitting(user: str | None) -> None:
    """Refuse options that would have no effect."""
    ctx = click.get_current_context()
    unused = ("seed", "turns") if user is not None else _OF_LISTENERS
    for name in unused:
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = "--" + name.removesuffix("_path").replace("_", "-")
            needed = "goes without USER" if user is not None else "needs USER: name the listener to draw"
            raise click.UsageError(f"{option} {needed}")
