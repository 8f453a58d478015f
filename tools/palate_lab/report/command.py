"""`palate report`."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource
from palate.client import Client
from palate_tools.connecting import reaching
from palate_tools.extras import installing
from palate_tools.tables import open_console, print_line

from palate_lab.story.defaults import SEED, TURNS

__all__ = ["OUT", "missing_extra", "report"]

OUT: Final = Path("palate-report")
_FILE: Final = click.Path(path_type=Path)
_LIBRARIES: Final = ("jinja2", "joblib", "lightgbm", "matplotlib", "onnx", "scipy", "sklearn", "threadpoolctl")
_OF_LISTENERS: Final = ("server", "token", "tls", "tls_ca", "data_dir", "config_path")


@click.command()
@reaching
@click.option(
    "--user", metavar="USER", help="The listener to draw.  [default: a simulated one, at a server of its own]"
)
@click.option("--config", "config_path", type=_FILE, metavar="FILE", help="The server's configuration; with --user.")
@click.option(
    "--data-dir",
    type=_FILE,
    metavar="DIR",
    help="The server's data folder; with --user.  [default: palate-data]",
)
@click.option(
    "--seed", default=SEED, show_default=True, type=click.IntRange(0), help="What the simulated one is drawn from."
)
@click.option(
    "--turns", default=TURNS, show_default=True, type=click.IntRange(1), help="How many slates that one is shown."
)
@click.option("--comparison", type=_FILE, metavar="DIR", help="What `palate compare --out DIR` wrote, to be drawn too.")
@click.option("--out", type=_FILE, default=OUT, show_default=True, metavar="DIR", help="Where to write.")
@click.pass_context
def report(  # noqa: PLR0913 - an option each
    ctx: click.Context,
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
    """Draw what palate knows of a listener: one page for a browser, and each picture as PNG.

    Without --user a simulated listener of three tastes climbs every stage of the stages at a server of their own first,
    which takes a minute. Needs `pip install 'palate[report]'`.
    """
    _require_fitting(ctx, user)
    lacking = missing_extra()
    if lacking:
        raise click.UsageError(lacking)
    from palate_lab.report.making import report_on_simulated, report_on_user  # noqa: PLC0415 - may be absent

    if user is None:
        page = report_on_simulated(seed, turns, comparison, out)
    else:
        with connect() as client:
            page = report_on_user(client, user, config_path, data_dir, comparison, out)
    print_line(open_console(), f"The report is in {page}.")


def missing_extra() -> str:
    """Say what has to be installed before anything can be drawn; empty when nothing."""
    if all(find_spec(library) for library in _LIBRARIES):
        return ""
    return f"the report needs the extra report: {installing('report')}"


def _require_fitting(ctx: click.Context, user: str | None) -> None:
    """Refuse options that would have no effect."""
    unused = ("seed", "turns") if user is not None else _OF_LISTENERS
    for name in unused:
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = "--" + name.removesuffix("_path").replace("_", "-")
            needed = "goes without --user" if user is not None else "needs --user: name the listener to draw"
            raise click.UsageError(f"{option} {needed}")
