"""Training many listeners at once, on this machine or on a cluster."""

import traceback
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

import numpy as np
import structlog
from numpy.typing import NDArray
from palate.app.config import Config
from palate.app.logs import set_up_logs
from palate.errors import PalateError

from palate_tools.training.engines import ENGINES, Engine
from palate_tools.training.report import ListenerReport, Outcome, TasteReport
from palate_tools.training.trainer import train_listener
from palate_tools.training.workshop import open_workshop

__all__ = ["Job", "train_fleet"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """The training of one listener.

    Attributes:
        config: The configuration, with absolute paths.
        user_id: The listener.
        common: float64 ``(k, 9)``, directions that other listeners share.
        tastes: Only these tastes' own models; all models when empty.
        dry_run: Whether to write nothing.
    """

    config: Config
    user_id: str
    common: NDArray[np.float64]
    tastes: tuple[str, ...] = ()
    dry_run: bool = False


_Done: TypeAlias = ListenerReport | Exception
"""What came of a job, or why its worker gave no answer."""


def train_fleet(jobs: Sequence[Job], workers: int, backend: str) -> Iterator[ListenerReport]:
    """Train listeners and yield what came of each as it is done; one report for each.

    Workers open catalog and store themselves: on a cluster both must be within reach of every machine, the
    catalog under the same path and the store by its URL.

    When a worker dies, whatever it and others of its pool had in hand is trained again, one listener at a time, so that
    one who kills workers takes nobody along.

    Args:
        jobs: One for each listener.
        workers: How many at once; -1 for as many as there are processors.
        backend: One of `ENGINES`.

    Raises:
        ConfigError: When the backend is not installed or cannot be reached.
    """
    with ENGINES[backend](workers) as engine:
        lost = []
        for job, done in _work_off(engine, jobs, engine.limit):
            if isinstance(done, Exception):
                lost.append(job)
            else:
                yield done
        for job, done in _work_off(engine, lost, limit=1):
            yield _failed(job, _first_line(done)) if isinstance(done, Exception) else done


def _work_off(engine: Engine, jobs: Iterable[Job], limit: int) -> Iterator[tuple[Job, _Done]]:
    """Train listeners, so many at once, and yield what came of each as it is done."""
    waiting = iter(jobs)
    under_way = {_submitted(engine, job): job for job in islice(waiting, limit)}
    while under_way:
        done, _ = wait(under_way, return_when=FIRST_COMPLETED)
        for future in done:
            yield under_way.pop(future), _done(future)
        under_way |= {_submitted(engine, job): job for job in islice(waiting, limit - len(under_way))}


def _submitted(engine: Engine, job: Job) -> "Future[ListenerReport]":
    try:
        return engine.submit(_train, job)
    except Exception as error:  # noqa: BLE001 - whatever an engine says when its workers are gone
        failed: Future[ListenerReport] = Future()
        failed.set_exception(error)
        return failed


def _done(future: "Future[ListenerReport]") -> _Done:
    try:
        return future.result()
    except Exception as error:  # noqa: BLE001 - as above; what goes wrong in training is in the report
        return error


def _first_line(error: Exception) -> str:
    """Say why a worker gave no answer; engines say it in many lines."""
    lines = str(error).strip().splitlines() or [""]
    return f"its worker gave no answer, twice ({type(error).__name__}: {lines[0]}); the next run trains again"


def _train(job: Job) -> ListenerReport:
    """Train one listener. Whatever goes wrong there is told of that listener, and the others go on."""
    if not structlog.is_configured():
        set_up_logs(job.config.log)
    try:
        with open_workshop(job.config) as workshop:
            return train_listener(workshop, job.user_id, job.common, tastes=job.tastes, dry_run=job.dry_run)
    except PalateError as error:
        return _failed(job, str(error))
    except Exception as error:  # noqa: BLE001 - a defect must not take the others down
        _log.error("training failed", user_id=job.user_id, traceback=traceback.format_exc())
        return _failed(job, f"{type(error).__name__}: {error}")


def _failed(job: Job, reason: str) -> ListenerReport:
    return ListenerReport(job.user_id, (TasteReport(job.user_id, "", Outcome.FAILED, reason, 0, 0),))
