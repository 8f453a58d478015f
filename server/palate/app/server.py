"""Assembles the server from its parts."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import Final, Self

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from palate.app.config import Config
from palate.catalog.snapshot import Catalog
from palate.errors import ConfigError
from palate.models.serving import ServedModels
from palate.observer import UNOBSERVED, Observer
from palate.plugins.registry import Registry
from palate.plugins.strategy import Stage
from palate.rpc.catalog import CatalogServicer
from palate.rpc.feedback import FeedbackServicer
from palate.rpc.interceptor import CallInterceptor
from palate.rpc.model import ModelServicer
from palate.rpc.profile import ProfileServicer
from palate.rpc.recommendation import RecommendationServicer
from palate.rpc.services import SERVICES
from palate.rpc.strategy import StrategyServicer
from palate.serving.feedback import FeedbackService
from palate.serving.listeners import Listeners
from palate.serving.models import ModelService
from palate.serving.paging import PageTokens
from palate.serving.profiles import ProfileService
from palate.serving.recommend import RecommendationService
from palate.serving.router import Router
from palate.store import open_store
from palate.v1 import (
    catalog_pb2_grpc,
    feedback_pb2_grpc,
    model_pb2_grpc,
    profile_pb2_grpc,
    recommendation_pb2_grpc,
    strategy_pb2_grpc,
)

__all__ = ["Server"]

_THREADS: Final = 8
_THREADS_PER_STRATEGY: Final = 4
_FAREWELL_SECONDS: Final = 0.5
"""What the last answers get to be sent after draining; whoever watches the health would never be done by themselves."""
_log = structlog.get_logger(__name__)


class Server:
    """One process's server: an asynchronous context manager that serves between entering and leaving.

    Leaving drains it: health turns NOT_SERVING, new calls are refused, calls in flight finish.

    Args:
        config: The configuration; `server.port` 0 takes a free port.
        reuse_port: Whether other processes listen on the same port.
        observer: Is told of everything that metrics are made of.

    Attributes:
        port: The port that it listens on, once entered.
        grpc_server: The gRPC server; handlers of other services can be added before entering.

    Raises:
        PalateError: When it cannot serve, with a sentence that says what to do.
    """

    def __init__(self, config: Config, *, reuse_port: bool = False, observer: Observer = UNOBSERVED) -> None:
        self._config = config
        self._observer = observer
        self.port = config.server.port
        self._calls = CallInterceptor(config.server.max_concurrent_calls, config.auth.tokens, observer)
        self.grpc_server = grpc.aio.server(
            interceptors=[self._calls],
            options=[("grpc.so_reuseport", int(reuse_port))],
        )
        self._health = health.aio.HealthServicer()
        self._closing = AsyncExitStack()

    async def __aenter__(self) -> Self:
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

    @property
    def abandoned(self) -> int:
        """How many calls of strategies run on though nobody waits for them; their threads cannot be ended."""
        return self._router.abandoned

    def _assemble(self, stack: AsyncExitStack) -> None:
        config, server, observer = self._config, self.grpc_server, self._observer
        catalog = stack.enter_context(Catalog.open(config.catalog_path))
        store = stack.enter_context(contextlib.closing(open_store(config.store_url)))
        registry = Registry.load(
            options=config.strategies.options,
            stages={name: Stage(**stage.model_dump()) for name, stage in config.stages.items()},
            allow=config.strategies.allow,
            required=config.strategies.required,
        )
        attempts = ThreadPoolExecutor(_THREADS_PER_STRATEGY * len(registry.listing()), thread_name_prefix="strategy")
        stack.callback(attempts.shutdown, wait=False, cancel_futures=True)
        threads = stack.enter_context(ThreadPoolExecutor(_THREADS, thread_name_prefix="call"))
        self._router = router = Router(
            registry, attempts, config.strategies.timeout_seconds, _THREADS_PER_STRATEGY, observer
        )
        models = stack.enter_context(
            contextlib.closing(
                ServedModels(
                    store.models,
                    catalog.feature_map.fingerprint,
                    config.models.session_bytes,
                    observer,
                )
            )
        )
        cache = config.cache
        listeners = Listeners(store, catalog, cache.max_ratings, models, observer, cache.candidate_bytes)
        tokens = PageTokens(store.secret("page tokens"))
        feedback = stack.enter_context(contextlib.closing(FeedbackService(store, catalog, observer=observer)))
        profiles = ProfileService(catalog, store, listeners, router)
        recommendations = RecommendationService(catalog, listeners, router, tokens)
        recommendation_pb2_grpc.add_RecommendationServiceServicer_to_server(
            RecommendationServicer(recommendations, store, catalog, threads, cache.slate_bytes, observer), server
        )
        feedback_pb2_grpc.add_FeedbackServiceServicer_to_server(FeedbackServicer(feedback), server)
        profile_pb2_grpc.add_ProfileServiceServicer_to_server(ProfileServicer(profiles, feedback, threads), server)
        catalog_pb2_grpc.add_CatalogServiceServicer_to_server(CatalogServicer(catalog, tokens, threads), server)
        strategy_pb2_grpc.add_StrategyServiceServicer_to_server(StrategyServicer(registry), server)
        model_pb2_grpc.add_ModelServiceServicer_to_server(
            ModelServicer(ModelService(store.models, tokens), threads), server
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection((*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        observer.serving(catalog.version)
        _log.info("assembled", catalog=catalog.version, tracks=len(catalog), strategies=registry.names())

    def _listen(self) -> None:
        config = self._config.server
        address = config.address
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
            advice = f"is the port taken, or {config.host} no address of this machine? Choose with --host and --port"
            raise ConfigError(f"cannot listen on {address}: {advice}") from error

    async def _drain(self) -> None:
        await self._health.enter_graceful_shutdown()
        await self._calls.drain(self._config.server.drain_seconds)
        await self.grpc_server.stop(_FAREWELL_SECONDS)
