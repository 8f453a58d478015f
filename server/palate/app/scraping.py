"""Answers Prometheus over HTTP, for one process or for several workers together."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry, start_http_server, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from palate.app.config import ServerConfig
from palate.errors import ConfigError
from palate.metrics import Metrics

__all__ = ["WorkerMetrics", "answering_scrapes", "answering_scrapes_of_workers"]

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - the folder is made with a name of its own, for its owner alone
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerMetrics:
    """Where workers write their metrics, each into files of its place.

    A worker that takes the place of a dead one goes on with the dead one's counters: nothing that was counted is
    lost, and however many die, the files stay as many.

    Attributes:
        path: The folder, which belongs to the process that looks after the workers; None when nobody asks for metrics.
    """

    path: str | None

    def metrics(self, place: int) -> Metrics:
        """Return what a worker, which is this process, counts on. At most once in a process."""
        if self.path is None:
            return Metrics()
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = self.path
        library: Any = values
        library.ValueClass = values.MultiProcessValue(lambda: place)  # type: ignore[no-untyped-call]  # the library leaves its types out
        return Metrics()

    def forget(self, place: int) -> None:
        """Forget the calls that a dead worker had in flight."""
        if self.path is not None:
            mark_process_dead(place, self.path)  # type: ignore[no-untyped-call]  # the library leaves its types out


@contextmanager
def answering_scrapes(server: ServerConfig) -> Iterator[Metrics]:
    """Answer scrapes while the block runs, and yield what this process counts on.

    Raises:
        ConfigError: When the port cannot be listened on.
    """
    if server.metrics_port == 0:
        yield Metrics()
        return
    registry = CollectorRegistry()
    with _listening(server, registry):
        yield Metrics(registry)


@contextmanager
def answering_scrapes_of_workers(server: ServerConfig) -> Iterator[WorkerMetrics]:
    """Answer scrapes for all workers while the block runs, and yield where they write.

    The files are mapped into the workers' memory. They stand in memory where the system has a place for that: a full
    disk would end a worker that writes to a new page of them.

    Raises:
        ConfigError: When the port cannot be listened on.
    """
    if server.metrics_port == 0:
        yield WorkerMetrics(None)
        return
    memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="palate-metrics-", dir=memory, ignore_cleanup_errors=True) as path:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path)  # type: ignore[no-untyped-call]  # the library leaves its types out
        with _listening(server, registry):
            yield WorkerMetrics(path)


@contextmanager
def _listening(server: ServerConfig, registry: CollectorRegistry) -> Iterator[None]:
    address = server.model_copy(update={"port": server.metrics_port}).address
    try:
        http, thread = start_http_server(server.metrics_port, server.host, registry)
    except OSError as error:
        raise ConfigError(f"cannot listen on {address} for metrics: {error}; choose with --metrics-port") from error
    _log.info("metrics are served", url=f"http://{address}/metrics")
    try:
        yield
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
