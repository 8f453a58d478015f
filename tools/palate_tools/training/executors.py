"""Where tasks run: in processes of this machine, or on the workers of a Ray or Dask cluster."""

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

__all__ = ["EXECUTORS", "Executor"]

_QUEUED: Final = 1_000
"""Calls that are submitted at once to a cluster that decides itself how many run at a time."""
_CONNECT_SECONDS: Final = 10
_PARENT_CHECK_SECONDS: Final = 1.0
_IDLE_SECONDS: Final = 300
"""After how long an idle process of this machine ends."""


@dataclass(frozen=True, slots=True)
class Executor:
    """Something that calls a function in other processes.

    Attributes:
        submit: Takes a function and its argument and returns a future, which fails when its worker died.
        limit: How many futures may be pending at a time.
    """

    submit: "Callable[[Callable[[Any], Any], Any], Future[Any]]"
    limit: int


Open: TypeAlias = Callable[[int], AbstractContextManager[Executor]]
"""Opens an executor for so many calls at once, -1 for one on each processor. ConfigError when it cannot."""


@contextmanager
def _processes(workers: int) -> Iterator[Executor]:
    """Use processes of this machine; one call at a time runs in this process.

    The pool is joblib's: joblib reuses a pool that exists, and needs what it adds to those of loky.
    """
    limit = joblib.effective_n_jobs(workers)
    if limit == 1:
        yield Executor(_call, 1)
        return
    watch = {"initializer": _end_with, "initargs": (os.getpid(),)}
    pool = partial(get_memmapping_executor, limit, timeout=_IDLE_SECONDS, **watch)  # replaces a broken pool
    try:
        yield Executor(lambda function, argument: pool().submit(function, argument), limit)
    except BaseException:
        pool().shutdown(kill_workers=True)
        raise


def _end_with(parent: int) -> None:
    """Let this process end when its parent was killed, which would leave it waiting for more calls."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_CHECK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def _call(function: Callable[[Any], Any], argument: Any) -> "Future[Any]":
    future: Future[Any] = Future()
    future.set_result(function(argument))
    return future


@contextmanager
def _ray(workers: int) -> Iterator[Executor]:
    """Connect to the cluster that RAY_ADDRESS names, or find or start one on this machine."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray  # noqa: PLC0415 - an optional dependency
    except ImportError as error:
        raise _not_installed("ray") from error
    address = os.environ.get("RAY_ADDRESS", "")
    try:
        _require_listener(address)
        ray.init(log_to_driver=False, logging_level="warning")
    except (OSError, RuntimeError, ValueError) as error:
        raise _unreachable("Ray", address, "RAY_ADDRESS", error) from error
    try:
        yield Executor(lambda function, argument: ray.remote(function).remote(argument).future(), _queued(workers))
    finally:
        ray.shutdown()


@contextmanager
def _dask(workers: int) -> Iterator[Executor]:
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
        yield Executor(client.get_executor(pure=False).submit, _queued(workers))


EXECUTORS: Final[Mapping[str, Open]] = {"processes": _processes, "ray": _ray, "dask": _dask}
"""All of them by name."""


def _require_listener(address: str) -> None:
    """Raise OSError when nobody listens at ``HOST:PORT``; Ray would try for two minutes. Other addresses pass."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()


def _queued(workers: int) -> int:
    return workers if workers > 0 else _QUEUED


def _not_installed(name: str) -> ConfigError:
    return ConfigError(f"backend {name!r} is not installed; {installing(name)}")


def _unreachable(name: str, address: str, variable: str, error: Exception) -> ConfigError:
    return ConfigError(f"cannot reach the {name} cluster {address!r} ({error}); start it, or correct {variable}")
