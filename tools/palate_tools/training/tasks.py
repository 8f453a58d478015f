"""The training of many listeners: one task for each, carried out by an executor."""

import traceback
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

import numpy as np
import structlog
from numpy.typing import NDArray
from palate.app.config import Config
from palate.app.logs import set_up_logs
from palate.catalog.snapshot import Catalog
from palate.errors import NotFound, PalateError
from palate.store import open_store

from palate_tools.training.due import common_direction, due_listeners
from palate_tools.training.executors import EXECUTORS, Executor
from palate_tools.training.report import ListenerReport, Outcome, TasteReport
from palate_tools.training.resources import open_resources
from palate_tools.training.trainer import train_listener

__all__ = ["Task", "run_tasks", "training_tasks"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Task:
    """The training of one listener.

    Attributes:
        config: The configuration, with absolute paths.
        user_id: The listener.
        common: float64 ``(k, 9)``, directions that other listeners share; k may be 0.
        tastes: Only these tastes' own models; all models when empty.
        dry_run: Whether to write nothing.
    """

    config: Config
    user_id: str
    common: NDArray[np.float64]
    tastes: tuple[str, ...] = ()
    dry_run: bool = False


_Result: TypeAlias = ListenerReport | Exception
"""What came of a task, or why its worker gave no answer."""


def training_tasks(
    config: Config, users: Sequence[str] = (), tastes: tuple[str, ...] = (), *, dry_run: bool = False
) -> list[Task]:
    """Return a task for each of some listeners, or for all who are due.

    Args:
        config: The configuration, with absolute paths.
        users: The listeners; all who are due when empty.
        tastes: Only these tastes' own models; all models when empty.
        dry_run: Whether to write nothing.

    Raises:
        NotFound: When there is no such listener.
    """
    with Catalog.open(config.catalog_path) as catalog:
        feature_map = catalog.feature_map
    with closing(open_store(config.store_url, create=False)) as store:
        for user_id in users:
            if store.header(user_id) is None:
                raise NotFound("profile", user_id, "is not there: nothing is known of this listener yet")
        chosen = list(users or due_listeners(store, config.training.interactions, feature_map.fingerprint))
        sample = config.training.other_listeners if chosen else 0
        common = common_direction(store, feature_map, sample)
    return [Task(config, user_id, common.without(user_id), tastes, dry_run) for user_id in chosen]


def run_tasks(tasks: Sequence[Task], workers: int, backend: str) -> Iterator[ListenerReport]:
    """Train listeners and yield a report of each as it is done.

    Workers open catalog and store themselves: on a cluster every machine must reach both, the catalog under the same
    path and the store by its URL.

    When a worker dies, its task and those of other workers that died with it are run again, one at a time, so that a
    listener whose training kills workers harms no other.

    Args:
        tasks: One for each listener.
        workers: How many at once; -1 for as many as there are processors.
        backend: One of `EXECUTORS`.

    Raises:
        ConfigError: When the backend is not installed or cannot be reached.
    """
    with EXECUTORS[backend](workers) as executor:
        lost = []
        for task, result in _results(executor, tasks, executor.limit):
            if isinstance(result, Exception):
                lost.append(task)
            else:
                yield result
        for task, result in _results(executor, lost, limit=1):
            yield _failed(task, _no_answer(result)) if isinstance(result, Exception) else result


def _results(executor: Executor, tasks: Iterable[Task], limit: int) -> Iterator[tuple[Task, _Result]]:
    """Run tasks, at most so many at once, and yield the result of each as it is done."""
    waiting = iter(tasks)
    running = {_submit(executor, task): task for task in islice(waiting, limit)}
    while running:
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            yield running.pop(future), _result(future)
        running |= {_submit(executor, task): task for task in islice(waiting, limit - len(running))}


def _submit(executor: Executor, task: Task) -> "Future[ListenerReport]":
    try:
        return executor.submit(_run, task)
    except Exception as error:  # noqa: BLE001 - executors document no errors for workers that are gone
        failed: Future[ListenerReport] = Future()
        failed.set_exception(error)
        return failed


def _result(future: "Future[ListenerReport]") -> _Result:
    try:
        return future.result()
    except Exception as error:  # noqa: BLE001 - as above; what goes wrong in training is in the report
        return error


def _run(task: Task) -> ListenerReport:
    """Train one listener. Whatever goes wrong is reported for this listener; the other tasks go on."""
    if not structlog.is_configured():
        set_up_logs(task.config.log)
    try:
        with open_resources(task.config) as resources:
            return train_listener(resources, task.user_id, task.common, tastes=task.tastes, dry_run=task.dry_run)
    except PalateError as error:
        return _failed(task, str(error))
    except Exception as error:  # noqa: BLE001 - a defect must not end the other tasks
        _log.error("training failed", user_id=task.user_id, traceback=traceback.format_exc())
        return _failed(task, f"{type(error).__name__}: {error}")


def _no_answer(error: Exception) -> str:
    """Say why a worker gave no answer. Executors need many lines for it; the first one says what happened."""
    lines = str(error).strip().splitlines() or [""]
    return f"its worker gave no answer, twice ({type(error).__name__}: {lines[0]}); the next run trains again"


def _failed(task: Task, reason: str) -> ListenerReport:
    return ListenerReport(task.user_id, (TasteReport(task.user_id, "", Outcome.FAILED, reason, 0, 0),))
