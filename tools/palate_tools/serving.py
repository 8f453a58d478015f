"""`palate serve`."""

from pathlib import Path
from typing import Any

import click
from palate.config import CatalogConfig, Config, load_config
from palate.run import run

from palate_tools.catalog.bundled import bundled_catalog

__all__ = ["serve"]

_FILE = click.Path(path_type=Path)


@click.command()
@click.option("--config", "config_path", type=_FILE, metavar="FILE", help="The TOML file with the configuration.")
@click.option("--data-dir", type=_FILE, metavar="DIR", help="The folder for all state.  [default: palate-data]")
@click.option("--host", help="The address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="The port to listen on; 0 takes a free one.  [default: 50051]")
@click.option("--workers", type=int, metavar="N", help="How many processes serve.  [default: 1]")
@click.option("--catalog", type=_FILE, metavar="FILE", help="The catalog file.  [default: the one that palate brings]")
def serve(config_path: Path | None, **options: Any) -> None:
    """Serve recommendations until SIGTERM or Ctrl-C.

    Options outrank the environment (PALATE_SERVER__PORT and its like), which outranks the file. Exits with 2 and a
    sentence that says what to do when it cannot serve.
    """
    given = {_KEYS[name]: value for name, value in options.items() if value is not None}
    run(_with_catalog(load_config(config_path, given)))


_KEYS = {
    "data_dir": "data_dir",
    "host": "server.host",
    "port": "server.port",
    "workers": "server.workers",
    "catalog": "catalog.path",
}


def _with_catalog(config: Config) -> Config:
    """Return the configuration with the bundled catalog where it names none and the data folder holds none."""
    if config.catalog_path.exists() or config.catalog.path is not None:
        return config
    return config.model_copy(update={"catalog": CatalogConfig(path=bundled_catalog(config.data_dir))})
