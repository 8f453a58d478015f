"""Runs the server: in this process, or in several that share the port."""

import asyncio
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Final

import structlog

from palate import __version__
from palate.app.config import Config
from palate.app.logs import set_up_logs
from palate.app.scraping import WorkerMetrics, answering_scrapes, answering_scrapes_of_workers
from palate.app.server import Server
from palate.errors import ConfigError, PalateError
from palate.metrics import Metrics

__all__ = ["run"]

_RESTART_PAUSE_SECONDS: Final = 0.5
_MOMENT_SECONDS: Final = 0.01
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_log = structlog.get_logger(__name__)


def run(config: Config) -> None:
    """Serve until SIGTERM or SIGINT, then drain.

    Raises:
        PalateError: When serving cannot begin.
    """
    set_up_logs(config.log)
    with _reserved_port(config) as port:
        fixed = config.model_copy(update={"server": config.server.model_copy(update={"port": port})})
        if config.server.workers == 1:
            with answering_scrapes(config.server) as metrics:
                asyncio.run(_serve(fixed, metrics))
        else:
            with answering_scrapes_of_workers(config.server) as workers:
                _supervise(fixed, workers)


async def _serve(config: Config, metrics: Metrics, ready: Connection | None = None) -> None:
    """Serve in this process; with `ready` as one worker of several, which tells its parent that it serves."""
    stop = asyncio.Event()
    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Server(config, reuse_port=True, metrics=metrics) as server:
        if ready is not None:
            _stop_with_parent(stop)
            ready.send(None)
        elif not await _stopped(stop):
            _announce(config)
        await stop.wait()
        _log.info("draining")
    _log.info("stopped", abandoned=server.abandoned)
    if server.abandoned:  # the interpreter would wait for their threads, for ever if need be
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


async def _stopped(stop: asyncio.Event) -> bool:
    """Return whether the end was asked for; the loop hears of a signal only when it has turned some times."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), _MOMENT_SECONDS)
    return stop.is_set()


def _stop_with_parent(stop: asyncio.Event) -> None:
    """Let a worker drain when its parent is gone, which nobody could tell to end any more."""
    loop, parent = asyncio.get_running_loop(), multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def drain() -> None:
        loop.remove_reader(sentinel)
        stop.set()

    loop.add_reader(sentinel, drain)


def _supervise(config: Config, metrics: WorkerMetrics) -> None:
    """Run the workers, start a new one where one dies, and end all of them with this process, however it ends."""
    workers: list[BaseProcess] = []
    with _stop_requests() as stop:
        try:
            _start_workers(config, metrics, workers, stop)
            if not wait([stop], timeout=0):
                _announce(config)
            while not wait([stop], timeout=0):
                wait([stop, *(worker.sentinel for worker in workers)])
                _replace_dead(config, metrics, workers, stop)
        finally:
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.join()


def _start_workers(config: Config, metrics: WorkerMetrics, workers: list[BaseProcess], stop: Connection) -> None:
    """Start all workers side by side, and wait until they serve or the end is asked for."""
    starting = [_start_worker(config, metrics, place) for place in range(config.server.workers)]
    workers.extend(worker for worker, _ in starting)
    for worker, ready in starting:
        _wait_until_it_serves(worker, ready, stop)


def _replace_dead(config: Config, metrics: WorkerMetrics, workers: list[BaseProcess], stop: Connection) -> None:
    """Start a new worker in the place of each dead one.

    While others serve, one that cannot begin is no reason to end them: it is tried again.

    Raises:
        ConfigError: When none serves and none can begin.
    """
    for place, worker in enumerate(workers):
        if worker.is_alive() or wait([stop], timeout=0):
            continue
        _log.error("a worker died; starting another", exit_code=worker.exitcode)
        metrics.forget(place)
        time.sleep(_RESTART_PAUSE_SECONDS)
        try:
            workers[place], ready = _start_worker(config, metrics, place)
            _wait_until_it_serves(workers[place], ready, stop)
        except ConfigError as error:
            if not any(other.is_alive() for other in workers):
                raise
            _log.error("no worker can take its place; trying again", why=str(error))


def _start_worker(config: Config, metrics: WorkerMetrics, place: int) -> tuple[BaseProcess, Connection]:
    """Start a worker. Return it with the connection on which it says that it serves, or why it cannot."""
    here, there = multiprocessing.Pipe(duplex=False)
    worker = multiprocessing.get_context("spawn").Process(target=_work, args=(config, metrics, place, there))
    worker.start()
    there.close()
    return worker, here


def _wait_until_it_serves(worker: BaseProcess, ready: Connection, stop: Connection) -> None:
    """Wait until a worker serves, or kill it when the end is asked for before: it has acknowledged nothing yet.

    Raises:
        ConfigError: In the worker's own words, when it cannot serve.
    """
    with ready:
        if ready not in wait([ready, stop]):
            worker.kill()
            return
        try:
            trouble = ready.recv()
        except EOFError:
            worker.join()
            trouble = f"a worker ended with exit code {worker.exitcode} before it could serve; its log says why"
    if trouble is not None and not wait([stop], timeout=0):  # Ctrl-C reaches workers too; one that starts dies of it
        worker.join()
        raise ConfigError(trouble)


def _work(config: Config, metrics: WorkerMetrics, place: int, ready: Connection) -> None:
    set_up_logs(config.log)
    try:
        asyncio.run(_serve(config, metrics.metrics(place), ready))
    except PalateError as error:
        ready.send(str(error))
        sys.exit(1)


@contextmanager
def _stop_requests() -> Iterator[Connection]:
    """Yield something to wait for that becomes ready with the first SIGTERM or SIGINT."""
    stop, requests = multiprocessing.Pipe(duplex=False)
    for number in _SIGNALS:
        signal.signal(number, lambda *_: requests.send(None))
    with stop, requests:
        yield stop


@contextmanager
def _reserved_port(config: Config) -> Iterator[int]:
    """Hold the port to listen on, which workers share. ConfigError when somebody else has it."""
    host, port = config.server.host, config.server.port
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:  # without SO_REUSEPORT, so that no stranger shares the port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
        reserved = socket.socket(family, kind)
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(address)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {config.server.address}: {error}; choose with --host and --port"
        ) from error
    with reserved:
        yield reserved.getsockname()[1]


def _announce(config: Config) -> None:
    if not config.auth.tokens and config.server.host not in ("127.0.0.1", "localhost", "::1"):
        _log.warning("anybody who reaches this address may call everything; set [[auth.tokens]]")
    print(f"palate {__version__} is serving on {config.server.address}", flush=True)  # noqa: T201 - what a person waits for
