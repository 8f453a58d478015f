"""Training many listeners at once, on this machine or on a cluster, through joblib."""

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import joblib
import numpy as np
import structlog
from numpy.typing import NDArray
from palate.config import Config
from palate.errors import ConfigError, PalateError
from palate.logs import set_up_logs

from palate_tools.training.report import ListenerReport, Outcome, TasteReport
from palate_tools.training.trainer import train_listener
from palate_tools.training.workshop import open_workshop

__all__ = ["BACKENDS", "Job", "train_fleet"]

BACKENDS: Final = ("loky", "ray", "dask")
"""Where the work is done: processes of this machine, or a Ray or Dask cluster."""

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


def train_fleet(jobs: Sequence[Job], workers: int, backend: str) -> Iterator[ListenerReport]:
    """Train listeners and yield what came of each as it is done.

    Workers open catalog and store themselves: on a cluster both must be within reach of every machine, the
    catalog under the same path and the store by its URL.

    Args:
        jobs: One for each listener.
        workers: How many at once; -1 for as many as there are processors.
        backend: One of `BACKENDS`.

    Raises:
        ConfigError: When the backend is not installed.
    """
    with _backend(backend), joblib.parallel_config(backend=backend, n_jobs=workers):
        # Ray's backend cannot give back results one by one.
        returns = "list" if backend == "ray" else "generator_unordered"
        yield from joblib.Parallel(return_as=returns)(joblib.delayed(_train)(job) for job in jobs)


@contextmanager
def _backend(name: str) -> Iterator[None]:
    """Make a backend known to joblib, on the cluster that its own environment variables name or on a local one."""
    try:
        if name == "ray":
            from ray.util.joblib import register_ray  # noqa: PLC0415 - only who asks for it needs it

            register_ray()
        if name == "dask":
            from distributed import Client  # noqa: PLC0415 - as above

            with Client():
                yield
                return
    except ImportError as error:
        raise ConfigError(f"backend {name!r} is not installed; pip install 'palate[{name}]'") from error
    yield


def _train(job: Job) -> ListenerReport:
    """Train one listener. Whatever goes wrong there is told of that listener, and the others go on."""
    if not structlog.is_configured():
        set_up_logs(job.config.log)
    try:
        with open_workshop(job.config) as workshop:
            return train_listener(workshop, job.user_id, job.common, tastes=job.tastes, dry_run=job.dry_run)
    except PalateError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 - a defect must not take the others down
        _log.error("training failed", user_id=job.user_id, traceback=traceback.format_exc())
        reason = f"{type(error).__name__}: {error}"
    return ListenerReport(job.user_id, (TasteReport(job.user_id, "", Outcome.FAILED, reason, 0, 0),))
