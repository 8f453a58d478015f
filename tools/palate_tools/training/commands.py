"""`palate train`."""

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
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
from palate_tools.training.report import ListenerReport, Outcome, TasteReport, print_listener, print_summary
from palate_tools.training.tasks import run_tasks, training_tasks

__all__ = ["train", "training_config"]


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
    """Do what `palate train` does; its options are the arguments."""
    if tastes and not users:
        raise click.UsageError("--taste needs USER: name the listener whose taste it is")
    if jobs == 0:
        raise click.UsageError("--jobs must not be 0; write 1 for one listener at a time, -1 for all processors")
    config = training_config(config_path, data_dir)
    set_up_logs(config.log.model_copy(update={"level": "warning"}))
    console = open_console()

    def train_once() -> bool:
        tasks = training_tasks(config, users, tastes, dry_run=dry_run)
        if not tasks:
            print_line(
                console,
                f"no listener is due: none has had {config.training.interactions} events since the last run; "
                "`palate train USER` trains one all the same",
            )
        return _report(console, run_tasks(tasks, jobs, backend), len(tasks), dry_run=dry_run) if tasks else False

    failed = False
    try:
        with _sigterm_as_interrupt() if watch else nullcontext():
            failed = train_once()
            while watch and not Event().wait(interval):
                try:
                    failed |= train_once()
                except StoreUnavailable as error:
                    print_line(console, f"{error}; trying again in {interval:g} seconds")
    except KeyboardInterrupt:
        if not watch:
            raise
        print_line(console, "stopped")
    if failed:
        raise click.exceptions.Exit(1)


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does, which ends the processes that train and cleans up after them."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def training_config(config_path: Path | None, data_dir: Path | None) -> Config:
    """Read the configuration as the server does, with absolute paths, so that any process can use it.

    Raises:
        ConfigError: When the configuration is wrong, or the data folder is not that of a server; it is left unchanged.
    """
    config = load_config(config_path, {"data_dir": data_dir} if data_dir is not None else {})
    folder = config.data_dir.absolute()
    if not config.store.url and not (folder / "palate.db").exists():
        raise ConfigError(
            f"{config.data_dir} is no data folder: there is no palate.db in it. Start a server with `palate serve`, or "
            "name the folder of your server with --data-dir DIR"
        )
    path = config.catalog.path or default_catalog(folder)
    return config.model_copy(update={"data_dir": folder, "catalog": CatalogConfig(path=path.absolute())})


def _report(console: Console, reports: Iterable[ListenerReport], count: int, *, dry_run: bool) -> bool:
    """Print reports as they come, and a summary at the end. Return whether a training failed."""
    tastes: list[TasteReport] = []
    with _progress() as progress:
        for report in progress.track(reports, count, description="listeners"):
            print_listener(console, report, dry_run=dry_run)
            tastes += report.tastes
    tastes.sort(key=lambda taste: (taste.user_id, taste.taste_id))
    print_summary(console, tastes, dry_run=dry_run)
    return any(taste.outcome is Outcome.FAILED for taste in tastes)


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
