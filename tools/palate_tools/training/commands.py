"""`palate train`."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import click
from palate.app.config import CatalogConfig, Config, load_config
from palate.app.logs import set_up_logs
from palate.errors import ConfigError, StoreUnavailable
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from palate_tools.catalog.bundled import default_catalog
from palate_tools.tables import open_console, print_line
from palate_tools.training.fleet import train_fleet
from palate_tools.training.jobs import training_jobs
from palate_tools.training.presenting import print_listener, print_summary
from palate_tools.training.report import Outcome, TasteReport

__all__ = ["train", "training_config"]


@dataclass(frozen=True, slots=True)
class _Order:
    """What to train: the listeners and tastes that were named, or all that are due."""

    users: tuple[str, ...]
    tastes: tuple[str, ...]
    dry_run: bool


def train(  # noqa: PLR0913 - an option each
    users: tuple[str, ...],
    *,
    config_path: Path | None,
    data_dir: Path | None,
    tastes: tuple[str, ...],
    dry_run: bool,
    watch: bool,
    interval: float,
    jobs: int,
    backend: str,
) -> None:
    """Train as `palate train` says: its options are the arguments."""
    if tastes and not users:
        raise click.UsageError("--taste needs USER: name the listener whose taste it is")
    if jobs == 0:
        raise click.UsageError("--jobs must not be 0; write 1 for one listener at a time, -1 for all processors")
    config = training_config(config_path, data_dir)
    set_up_logs(config.log.model_copy(update={"level": "warning"}))
    console = open_console()
    order = _Order(users, tastes, dry_run)
    failed = False
    try:
        with _stopped_like_a_service() if watch else nullcontext():
            failed = _train(config, order, jobs, backend, console)
            while watch and not Event().wait(interval):
                try:
                    failed |= _train(config, order, jobs, backend, console)
                except StoreUnavailable as error:
                    print_line(console, f"{error}; looking again in {interval:g} seconds")
    except KeyboardInterrupt:
        if not watch:
            raise
        print_line(console, "stopped")
    if failed:
        raise click.exceptions.Exit(1)


@contextmanager
def _stopped_like_a_service() -> Iterator[None]:
    """Have SIGTERM do what Ctrl-C does, so that the processes that train are ended and cleaned up after."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def training_config(config_path: Path | None, data_dir: Path | None) -> Config:
    """Read the configuration as the server does, with absolute paths, so that any process can use it.

    Raises:
        ConfigError: When the configuration is wrong, or the data folder is none of a server's; nothing is made there.
    """
    config = load_config(config_path, {"data_dir": data_dir} if data_dir is not None else {})
    folder = config.data_dir.absolute()
    if not config.store.url and not (folder / "palate.db").exists():
        raise ConfigError(
            f"{config.data_dir} is no data folder: there is no palate.db in it. Start a server with `palate serve`, or "
            "name the folder of the one that there is with --data-dir DIR"
        )
    path = config.catalog.path or default_catalog(folder)
    return config.model_copy(update={"data_dir": folder, "catalog": CatalogConfig(path=path.absolute())})


def _train(config: Config, order: _Order, jobs: int, backend: str, console: Console) -> bool:
    """Train once and show it. Return whether a training failed."""
    work = training_jobs(config, order.users, order.tastes, dry_run=order.dry_run)
    if not work:
        print_line(
            console,
            f"no listener is due: none has had {config.training.interactions} events since the last run; "
            "`palate train USER` trains one all the same",
        )
        return False
    reports: list[TasteReport] = []
    with _progress() as progress:
        for done in progress.track(train_fleet(work, jobs, backend), len(work), description="listeners"):
            print_listener(console, done, dry_run=order.dry_run)
            reports += done.tastes
    reports.sort(key=lambda report: (report.user_id, report.taste_id))
    print_summary(console, reports, dry_run=order.dry_run)
    return any(report.outcome is Outcome.FAILED for report in reports)


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
