"""`palate serve` and `palate train`: what an operator runs."""

from pathlib import Path
from typing import Any, Final

import click
from palate.app.config import CatalogConfig, Config, load_config
from palate.app.run import run
from palate.errors import ConfigError

from palate_tools.catalog.bundled import default_catalog
from palate_tools.groups import call

__all__ = ["serve", "train"]

_FILE: Final = click.Path(path_type=Path)
_BACKENDS: Final = ("processes", "ray", "dask")
_KEYS: Final = {
    "data_dir": "data_dir",
    "host": "server.host",
    "port": "server.port",
    "workers": "server.workers",
    "metrics_port": "server.metrics_port",
    "catalog": "catalog.path",
}


@click.command()
@click.option("--config", "config_path", type=_FILE, metavar="FILE", help="The TOML file with the configuration.")
@click.option("--data-dir", type=_FILE, metavar="DIR", help="The folder for all state.  [default: palate-data]")
@click.option("--host", help="The address to listen on.  [default: 127.0.0.1]")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="The port to listen on; 0 takes a free one.  [default: 50051]"
)
@click.option("--workers", type=click.IntRange(1, 256), help="How many processes serve.  [default: 1]")
@click.option(
    "--metrics-port", type=click.IntRange(0, 65535), help="The port to answer Prometheus on; 0 for none.  [default: 0]"
)
@click.option("--catalog", type=_FILE, metavar="FILE", help="The catalog file.  [default: the one that palate brings]")
def serve(config_path: Path | None, **options: Any) -> None:
    """Serve recommendations until SIGTERM or Ctrl-C.

    Options outrank the environment (PALATE_SERVER__PORT and its like), which outranks the file. Exits with 2 and a
    sentence that says what to do when it cannot serve.
    """
    config = load_config(config_path, {_KEYS[name]: value for name, value in options.items() if value is not None})
    _make_folder(config.data_dir)
    run(_with_catalog(config))


@click.command()
@click.argument("users", metavar="[USER...]", nargs=-1)
@click.option("--config", "config_path", type=_FILE, metavar="FILE", help="The TOML file with the configuration.")
@click.option("--data-dir", type=_FILE, metavar="DIR", help="The folder for all state.  [default: palate-data]")
@click.option(
    "--taste", "tastes", multiple=True, metavar="TASTE", help="Only this taste's own model; with USER. Repeatable."
)
@click.option("--dry-run", is_flag=True, help="Train and evaluate, but write nothing.")
@click.option("--watch", is_flag=True, help="Keep training listeners as they become due, until SIGTERM or Ctrl-C.")
@click.option(
    "--interval",
    default=30.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds between two checks, with --watch.",
)
@click.option("--jobs", default=-1, help="How many listeners at once.  [default: one for each processor]")
@click.option("--backend", default="processes", show_default=True, type=click.Choice(_BACKENDS), help="Where to train.")
def train(**options: Any) -> None:
    """Train the models of the USERs, or of all listeners who are due, and publish those that win.

    The server may run meanwhile: its next answer uses the models that were published. Exits with 1 when a training
    failed. Needs the extra train.
    """
    call("palate_tools.training.commands:train", **options)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot make the data folder {folder}: {error.strerror}; name another with --data-dir"
        ) from error


def _with_catalog(config: Config) -> Config:
    """Return the configuration with the default catalog where it names none."""
    if config.catalog.path is not None:
        return config
    return config.model_copy(update={"catalog": CatalogConfig(path=default_catalog(config.data_dir))})
