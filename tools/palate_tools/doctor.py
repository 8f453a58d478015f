"""`palate doctor`: checks what an operator would check, and says what to do about what is wrong."""

import platform
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final, NamedTuple

import click
from grpc_health.v1.health_pb2 import HealthCheckResponse
from palate import __version__
from palate.app.config import Config, load_config
from palate.catalog.snapshot import Catalog
from palate.client import SERVICES, CallFailed, Client
from palate.errors import ConfigError, PalateError
from palate.plugins.loader import LEARNER, load_plugins
from palate.plugins.registry import Registry, StrategyState
from palate.plugins.strategy import Stage
from palate.store import open_store
from structlog.testing import capture_logs

from palate_tools.catalog.bundled import bundled_path
from palate_tools.connecting import advice, reaching
from palate_tools.groups import installing
from palate_tools.tables import open_console, print_line

__all__ = ["doctor"]

_FILE: Final = click.Path(path_type=Path)
_REQUIREMENT: Final = re.compile(r"([\w.-]+)[^;]*(?:;.*\bextra == ['\"](\w+)['\"])?")
_SHOWN: Final = ("grpcio", "numpy", "onnxruntime", "protobuf", "pyarrow", "sqlalchemy")


class _Finding(NamedTuple):
    subject: str
    ok: bool
    text: str


@click.command()
@reaching
@click.option("--config", "config_path", type=_FILE, metavar="FILE", help="The server's configuration.")
@click.option("--data-dir", type=_FILE, metavar="DIR", help="The folder for all state.  [default: palate-data]")
@click.option(
    "--only",
    "chosen",
    multiple=True,
    type=click.Choice(("installation", "state", "plugins", "server")),
    help="Check only this. Repeatable.",
)
def doctor(
    connect: Callable[[], Client], *, config_path: Path | None, data_dir: Path | None, chosen: tuple[str, ...]
) -> None:
    """Check the installation, its state, the plugins and the server.

    Prints a line for each check: ok, or failed and what to do. Changes nothing. Exits with 1 when a check failed.
    """
    console, healthy = open_console(), True
    for ok, line in _lines(connect, config_path, data_dir, chosen):
        print_line(console, line, style="" if ok else "bold red")
        healthy &= ok
    if not healthy:
        raise click.exceptions.Exit(1)


def _lines(
    connect: Callable[[], Client], config_path: Path | None, data_dir: Path | None, chosen: Sequence[str]
) -> Iterator[tuple[bool, str]]:
    for subject, ok, text in _findings(connect, config_path, data_dir, chosen):
        yield ok, f"{'ok' if ok else 'failed':<6}  {subject:<13}  {' '.join(text.split())}"


def _findings(
    connect: Callable[[], Client], config_path: Path | None, data_dir: Path | None, chosen: Sequence[str]
) -> Iterator[_Finding]:
    def wanted(group: str) -> bool:
        return not chosen or group in chosen

    if wanted("installation"):
        yield from _installation()
    if wanted("state") or wanted("plugins"):
        try:
            config = load_config(config_path, {"data_dir": data_dir} if data_dir is not None else {})
        except PalateError as error:
            yield _Finding("configuration", ok=False, text=str(error))
        else:
            yield _Finding("configuration", ok=True, text=str(config_path or "defaults and environment"))
            if wanted("state"):
                yield _checked("catalog", lambda: _catalog(config))
                yield _checked("store", lambda: _store(config))
            if wanted("plugins"):
                yield from _plugins("strategies", lambda: _strategies(config))
                yield from _plugins("learners", lambda: _learners(config))
    if wanted("server"):
        yield _server(connect)


def _missing() -> dict[str, list[str]]:
    """Return for each extra, and for ``""``, the packages that it requires and that are not installed."""
    missing: dict[str, list[str]] = {}
    for requirement in requires("palate") or ():
        found = _REQUIREMENT.match(requirement)
        name, extra = found.groups("") if found else (requirement, "")
        absent = missing.setdefault(extra, [])
        try:
            version(name)
        except PackageNotFoundError:
            absent.append(name)
    return missing


def _installation() -> Iterator[_Finding]:
    missing = _missing()
    lacking = missing.pop("", [])
    versions = ", ".join(f"{name} {version(name)}" for name in _SHOWN if name not in lacking)
    text = f"Python {platform.python_version()}, palate {__version__}, {versions}"
    if lacking:
        text += f"; {', '.join(lacking)} not installed: pip install palate"
    yield _Finding("packages", not lacking, text)
    for extra, absent in sorted(missing.items()):
        yield _Finding("extra", ok=True, text=f"{extra}: not installed; {installing(extra)}" if absent else extra)


def _checked(subject: str, check: Callable[[], str]) -> _Finding:
    try:
        return _Finding(subject, ok=True, text=check())
    except PalateError as error:
        return _Finding(subject, ok=False, text=str(error))


def _catalog(config: Config) -> str:
    path = config.catalog_path
    if config.catalog.path is None and not path.exists():
        path = bundled_path(config.data_dir)
        if not path.exists():
            return "the bundled catalog, which `palate serve` builds when it starts"
    with Catalog.open(path) as catalog:
        return f"{path}: {len(catalog):,} tracks, version {catalog.version}"


def _store(config: Config) -> str:
    if not config.store.url and not (config.data_dir / "palate.db").exists():
        raise ConfigError(
            f"there is no palate.db in {config.data_dir}; start a server with `palate serve`, or name its data folder "
            "with --data-dir DIR"
        )
    with closing(open_store(config.store_url, create=False, migrate=False)) as store:
        profiles = sum(1 for _ in store.user_ids())
    where = "the database of store.url" if config.store.url else str(config.data_dir / "palate.db")
    return f"{where}: {profiles:,} profiles, tables up to date"


def _plugins(subject: str, load: Callable[[], Iterator[_Finding]]) -> Iterator[_Finding]:
    try:
        with capture_logs():  # what fails is shown as a finding
            found = list(load())
    except PalateError as error:
        found = [_Finding(subject, ok=False, text=str(error))]
    yield from found


def _strategies(config: Config) -> Iterator[_Finding]:
    stages = {name: Stage(**stage.model_dump()) for name, stage in config.stages.items()}
    for each in Registry.load(config.strategies.options, stages, config.strategies.allow).listing():
        text = f"{each.name} of {each.distribution} {each.version}"
        failed = each.state is StrategyState.FAILED
        yield _Finding("strategy", not failed, f"{text}: {each.reason}" if each.reason else text)


def _learners(config: Config) -> Iterator[_Finding]:
    if _missing().get("train"):
        yield _Finding("learners", ok=True, text=f"not checked: training needs the extra train; {installing('train')}")
        return
    for each in load_plugins(LEARNER, config.training.options, config.training.allow):
        text = f"{each.name} of {each.distribution} {each.version}"
        failed = each.allowed and each.instance is None
        yield _Finding("learner", not failed, f"{text}: {each.reason}" if each.reason else text)


def _server(connect: Callable[[], Client]) -> _Finding:
    with connect() as client:
        try:
            answers = {service: client.check_health(service).status for service in ("", *SERVICES)}
        except CallFailed as error:
            return _Finding("server", ok=False, text=advice(error, client.address))
    down = [service or "the server" for service, status in answers.items() if status != HealthCheckResponse.SERVING]
    if down:
        text = f"{client.address} answers, but these are not SERVING: {', '.join(down)}; its log says why"
        return _Finding("server", ok=False, text=text)
    return _Finding("server", ok=True, text=f"{client.address} is SERVING")
