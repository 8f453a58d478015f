"""Assembles the server from its parts and runs it, in one process or in several."""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Final

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from palate import __version__
from palate.catalog.snapshot import Catalog
from palate.config import Config
from palate.errors import ConfigError, PalateError
from palate.logs import set_up_logs
from palate.rpc.calls import CallInterceptor
from palate.rpc.catalog import CatalogServicer
from palate.rpc.feedback import FeedbackServicer
from palate.rpc.model import ModelServicer
from palate.rpc.profile import ProfileServicer
from palate.rpc.recommendation import RecommendationServicer
from palate.rpc.strategy import StrategyServicer
from palate.service.feedback import FeedbackService
from palate.service.listeners import Listeners
from palate.service.paging import PageTokens
from palate.service.profiles import ProfileService
from palate.service.recommend import RecommendationService
from palate.store import open_store
from palate.strategy.contract import Stage
from palate.strategy.registry import Registry
from palate.strategy.router import Router
from palate.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    feedback_pb2,
    feedback_pb2_grpc,
    model_pb2,
    model_pb2_grpc,
    profile_pb2,
    profile_pb2_grpc,
    recommendation_pb2,
    recommendation_pb2_grpc,
    strategy_pb2,
    strategy_pb2_grpc,
)

__all__ = ["SERVICES", "Server", "run"]

SERVICES: Final[tuple[str, ...]] = tuple(
    contract.DESCRIPTOR.services_by_name[name].full_name
    for contract in (catalog_pb2, feedback_pb2, model_pb2, profile_pb2, recommendation_pb2, strategy_pb2)
    for name in contract.DESCRIPTOR.services_by_name
)
"""Full names of palate's services, as health and reflection know them."""

_THREADS: Final = 8
_log = structlog.get_logger(__name__)


class Server:
    """One process's server: an asynchronous context manager that serves between entering and leaving.

    Leaving drains it: health turns NOT_SERVING, new calls are refused, calls in flight finish.

    Args:
        config: The configuration; `server.port` 0 takes a free port.
        reuse_port: Whether other processes listen on the same port.

    Attributes:
        port: The port that it listens on, once entered.
        grpc_server: The gRPC server; handlers of other services can be added before entering.

    Raises:
        PalateError: When it cannot serve, with a sentence that says what to do.
    """

    def __init__(self, config: Config, *, reuse_port: bool = False) -> None:
        self._config = config
        self.port = config.server.port
        self.grpc_server = grpc.aio.server(
            interceptors=[CallInterceptor(config.server.max_concurrent_calls, config.auth.tokens)],
            options=[("grpc.so_reuseport", int(reuse_port))],
        )
        self._health = health.aio.HealthServicer()
        self._closing = AsyncExitStack()

    async def __aenter__(self) -> "Server":
        """Open catalog and store, load the strategies, listen, and only then report SERVING."""
        async with AsyncExitStack() as stack:
            self._assemble(stack)
            self._listen()
            await self.grpc_server.start()
            stack.push_async_callback(self._drain)
            for service in ("", *SERVICES):
                await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
            self._closing = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Drain, then let go of everything in the reverse order."""
        await self._closing.aclose()

    def _assemble(self, stack: AsyncExitStack) -> None:
        config, server = self._config, self.grpc_server
        catalog = stack.enter_context(Catalog.open(config.catalog_path))
        store = stack.enter_context(contextlib.closing(open_store(config.store_url)))
        registry = Registry.load(
            options=config.strategies.options,
            ladder={name: Stage(**stage.model_dump()) for name, stage in config.ladder.items()},
            allow=config.strategies.allow,
            required=config.strategies.required,
        )
        attempts = stack.enter_context(_threads("strategy"))
        threads = stack.enter_context(_threads("call"))
        router = Router(registry, attempts, config.strategies.timeout_seconds)
        listeners = Listeners(store, catalog, config.cache.max_ratings)
        tokens = PageTokens(store.secret("page tokens"))
        feedback = stack.enter_context(contextlib.closing(FeedbackService(store, catalog)))
        profiles = ProfileService(catalog, store, listeners, router)
        recommendations = RecommendationService(catalog, listeners, router, tokens)
        recommendation_pb2_grpc.add_RecommendationServiceServicer_to_server(
            RecommendationServicer(recommendations, store, catalog, threads, config.cache.max_slates), server
        )
        feedback_pb2_grpc.add_FeedbackServiceServicer_to_server(FeedbackServicer(feedback), server)
        profile_pb2_grpc.add_ProfileServiceServicer_to_server(ProfileServicer(profiles, feedback, threads), server)
        catalog_pb2_grpc.add_CatalogServiceServicer_to_server(CatalogServicer(catalog, tokens, threads), server)
        strategy_pb2_grpc.add_StrategyServiceServicer_to_server(StrategyServicer(registry), server)
        model_pb2_grpc.add_ModelServiceServicer_to_server(ModelServicer(), server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection((*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        _log.info("assembled", catalog=catalog.version, tracks=len(catalog), strategies=registry.names())

    def _listen(self) -> None:
        config = self._config.server
        address = f"{config.host}:{config.port}"
        try:
            if config.tls_certificate and config.tls_key:
                key, certificate = config.tls_key.read_bytes(), config.tls_certificate.read_bytes()
                credentials = grpc.ssl_server_credentials([(key, certificate)])
                self.port = self.grpc_server.add_secure_port(address, credentials)
            else:
                self.port = self.grpc_server.add_insecure_port(address)
        except OSError as error:
            raise ConfigError(f"the TLS certificate or key cannot be read: {error}") from error
        except RuntimeError as error:
            raise ConfigError(f"cannot listen on {address}: {_port_advice(config.host, config.port)}") from error

    async def _drain(self) -> None:
        await self._health.enter_graceful_shutdown()
        await self.grpc_server.stop(self._config.server.drain_seconds)


def run(config: Config) -> None:
    """Serve until SIGTERM or SIGINT, then drain.

    Raises:
        PalateError: When serving cannot begin.
    """
    set_up_logs(config.log)
    if config.server.workers == 1:
        asyncio.run(_serve(config))
    else:
        _supervise(config)


async def _serve(config: Config, ready: Connection | None = None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Server(config, reuse_port=ready is not None) as server:
        if ready is None:
            _announce(config, server.port)
        else:
            ready.send(None)
        await stop.wait()
        _log.info("draining")
    _log.info("stopped")


def _supervise(config: Config) -> None:
    """Run the workers, start a new one where one dies, and pass SIGTERM on."""
    with _reserved_port(config) as port:
        fixed = config.model_copy(update={"server": config.server.model_copy(update={"port": port})})
        stopping = False

        def stop(*_: object) -> None:
            nonlocal stopping
            stopping = True

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        workers = [_start_worker(fixed) for _ in range(config.server.workers)]
        _announce(config, port)
        while not stopping:
            multiprocessing.connection.wait([worker.sentinel for worker in workers], timeout=0.2)
            for place, worker in enumerate(workers):
                if not worker.is_alive() and not stopping:
                    _log.error("a worker died; starting another", exit_code=worker.exitcode)
                    time.sleep(_RESTART_PAUSE_SECONDS)
                    workers[place] = _start_worker(fixed)
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join()


_RESTART_PAUSE_SECONDS: Final = 0.5


def _start_worker(config: Config) -> BaseProcess:
    """Start a worker and wait until it serves. ConfigError with its own words when it cannot."""
    here, there = multiprocessing.Pipe(duplex=False)
    worker = multiprocessing.get_context("spawn").Process(target=_work, args=(config, there))
    worker.start()
    there.close()
    try:
        trouble = here.recv()
    except EOFError:
        worker.join()
        trouble = f"a worker ended with exit code {worker.exitcode} before it could serve"
    if trouble is not None:
        raise ConfigError(trouble)
    return worker


def _work(config: Config, ready: Connection) -> None:
    set_up_logs(config.log)
    try:
        asyncio.run(_serve(config, ready))
    except PalateError as error:
        ready.send(str(error))
        sys.exit(1)


@contextmanager
def _reserved_port(config: Config) -> Iterator[int]:
    """Hold the port that the workers share. ConfigError when somebody else has it."""
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
        raise ConfigError(f"cannot listen on {host}:{port}: {_port_advice(host, port)}") from error
    with reserved:
        yield reserved.getsockname()[1]


def _port_advice(host: str, port: int) -> str:
    return f"is another process using port {port}, and is {host} an address of this machine? Choose another with --port"


def _threads(name: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix=name)


def _announce(config: Config, port: int) -> None:
    open_to_all = not config.auth.tokens
    if open_to_all and config.server.host not in ("127.0.0.1", "localhost", "::1"):
        _log.warning("anybody who reaches this address may call everything; set [[auth.tokens]]")
    print(f"palate {__version__} is serving on {config.server.host}:{port}", flush=True)  # noqa: T201 - what a person waits for
