"""`palate console`."""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import click
from palate.client import Client

from palate_tools.connecting import reaching
from palate_tools.console.retraining import Trainer
from palate_tools.console.session import Session
from palate_tools.groups import installing

__all__ = ["console"]

_FILE: Final = click.Path(path_type=Path)
_TIMEOUT: Final = 5.0
"""Seconds that a call may take before the console says so."""


@click.command()
@reaching
@click.argument("users", metavar="[USER...]", nargs=-1)
@click.option("--config", "config_path", type=_FILE, metavar="FILE", help="The server's configuration, for training.")
@click.option(
    "--data-dir", type=_FILE, metavar="DIR", help="The server's data folder, for training.  [default: palate-data]"
)
def console(
    connect: Callable[..., Client], *, users: tuple[str, ...], config_path: Path | None, data_dir: Path | None
) -> None:
    """Listen, like and dislike in the terminal, and see the tastes, the stage and the models change.

    Needs `pip install 'palate[console]'`, and a terminal.
    """
    _require_terminal()
    try:
        from palate_tools.console.app import ConsoleApp  # noqa: PLC0415 - the extra may be absent
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("textual"):
            raise
        raise click.UsageError(f"the console needs the extra console: {installing('console')}") from error
    for user_id in users:
        user_id.encode()  # what is not UTF-8 is refused before the screen is taken
    trainer = Trainer(config_path, data_dir)
    with connect() as client:
        client.check_health()
    session = Session(partial(connect, timeout=_TIMEOUT))
    colours = "NO_COLOR" not in os.environ
    ConsoleApp(session, users or ("",), trainer, colours=colours).run()


def _require_terminal() -> None:
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):  # Textual draws on the last
        raise click.UsageError("the console needs a terminal; in a pipe use `palate recommend` and its neighbours")
    if os.environ.get("TERM", "dumb") in {"dumb", "unknown"}:
        raise click.UsageError(
            "the console draws on the whole terminal, and TERM says that this one cannot move its cursor; "
            "set TERM, or use `palate recommend` and its neighbours"
        )
