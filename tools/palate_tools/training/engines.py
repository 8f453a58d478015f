"""Where many trainings are done at once: processes of this machine, or the workers of a Ray or Dask cluster."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

import joblib
from joblib.executor import get_memmapping_executor
from palate.errors import ConfigError

from palate_tools.groups import installing

__all__ = ["ENGINES", "Engine"]

_QUEUED: Final = 1_000
"""Calls that a cluster is given at once when it decides itself how many it does at a time."""
_CONNECT_SECONDS: Final = 10
_LOOK_SECONDS: Final = 1.0
_IDLE_SECONDS: Final = 300
"""How long processes of this machine wait for more to do."""


@dataclass(frozen=True, slots=True)
class Engine:
    """Something that calls a function in other processes.

    Attributes:
        submit: Takes a function and its argument and returns a future, which fails when its worker died.
        limit: How many futures to have under way at a time.
    """

    submit: "Callable[[Callable[[Any], Any], Any], Future[Any]]"
    limit: int


Open: TypeAlias = Callable[[int], AbstractContextManager[Engine]]
"""Opens an engine for so many calls at once, -1 for as many as there are processors. ConfigError when it cannot."""


@contextmanager
def _loky(workers: int) -> Iterator[Engine]:
    """Use processes of this machine; one at a time needs no other process than this.

    They are made as joblib makes them: it takes over what it finds, and needs what it adds to loky's own.
    """
    limit = joblib.effective_n_jobs(workers)
    if limit == 1:
        yield Engine(_call, 1)
        return
    watch = {"initializer": _end_with, "initargs": (os.getpid(),)}
    pool = partial(get_memmapping_executor, limit, timeout=_IDLE_SECONDS, **watch)  # it replaces one that broke
    try:
        yield Engine(lambda function, job: pool().submit(function, job), limit)
    except BaseException:
        pool().shutdown(kill_workers=True)
        raise


def _end_with(parent: int) -> None:
    """Let this process end when its parent was killed, which would leave it waiting for more to do."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def _call(function: Callable[[Any], Any], job: Any) -> "Future[Any]":
    future: Future[Any] = Future()
    future.set_result(function(job))
    return future


@contextmanager
def _ray(workers: int) -> Iterator[Engine]:
    """Connect to the cluster that RAY_ADDRESS names, or to one that is found or started on this machine."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray  # noqa: PLC0415 - only who asks for it needs it
    except ImportError as error:
        raise _not_installed("ray") from error
    address = os.environ.get("RAY_ADDRESS", "")
    try:
        _knock(address)
        ray.init(log_to_driver=False, logging_level="warning")
    except (OSError, RuntimeError, ValueError) as error:
        raise _unreachable("Ray", address, "RAY_ADDRESS", error) from error
    try:
        yield Engine(lambda function, job: ray.remote(function).remote(job).future(), _queued(workers))
    finally:
        ray.shutdown()


@contextmanager
def _dask(workers: int) -> Iterator[Engine]:
    """Connect to the scheduler that Dask's configuration names, or start one with workers on this machine."""
    try:
        import dask  # noqa: PLC0415 - as above
        from distributed import Client  # noqa: PLC0415 - as above
    except ImportError as error:
        raise _not_installed("dask") from error
    address = dask.config.get("scheduler-address", None)
    alone = {"n_workers": joblib.effective_n_jobs(workers), "threads_per_worker": 1, "dashboard_address": None}
    try:
        client = Client(address) if address else Client(**alone)
    except (OSError, ValueError) as error:
        raise _unreachable("Dask", address, "DASK_SCHEDULER_ADDRESS", error) from error
    with client:
        yield Engine(client.get_executor(pure=False).submit, _queued(workers))


ENGINES: Final[Mapping[str, Open]] = {"loky": _loky, "ray": _ray, "dask": _dask}
"""All of them by name."""


def _knock(address: str) -> None:
    """Raise OSError when nobody listens at ``HOST:PORT``; Ray would look for two minutes. Other addresses pass."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()


def _queued(workers: int) -> int:
    return workers if workers > 0 else _QUEUED


def _not_installed(name: str) -> ConfigError:
    return ConfigError(f"backend {name!r} is not installed; {installing(name)}")


def _unreachable(name: str, address: str, variable: str, error: Exception) -> ConfigError:
    return ConfigError(f"cannot reach the {name} cluster {address!r} ({error}); start it, or mend {variable}")
