"""Assembles the server from its parts."""

from contextlib import AsyncExitStack, closing
from typing import Final, Self

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from palate import __version__
from palate.app.config import Config
from palate.catalog.snapshot import Catalog
from palate.errors import ConfigError
from palate.metrics import Metrics
from palate.models.cache import ModelCache
from palate.plugins.registry import Registry
from palate.rpc.catalog import CatalogServicer
from palate.rpc.feedback import FeedbackServicer
from palate.rpc.interceptor import CallInterceptor, Token
from palate.rpc.model import ModelServicer
from palate.rpc.profile import ProfileServicer
from palate.rpc.recommendation import RecommendationServicer
from palate.rpc.strategy import StrategyServicer
from palate.service_names import SERVICES
from palate.serving.feedback import FeedbackService
from palate.serving.fields import PageTokens
from palate.serving.models import ModelService
from palate.serving.profile_views import ProfileService
from palate.serving.profiles import Profiles
from palate.serving.rank import RankService
from palate.serving.recommend import RecommendService
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

_FAREWELL_SECONDS: Final = 0.5
"""What the last answers get to be sent after draining; whoever watches the health would never be done by themselves."""
_log = structlog.get_logger(__name__)


class Server:
    """One process's server: an asynchronous context manager that serves between entering and leaving.

    Leaving drains it: health turns NOT_SERVING, new calls are refused, calls in flight finish.

    Args:
        config: The configuration; `server.port` 0 takes a free port.
        reuse_port: Whether other processes listen on the same port.
        metrics: What it counts on.

    Attributes:
        port: The port that it listens on, once entered.
        grpc_server: The gRPC server; handlers of other services can be added before entering.

    Raises:
        PalateError: When it cannot serve, with a sentence that says what to do.
    """

    def __init__(self, config: Config, *, reuse_port: bool = False, metrics: Metrics | None = None) -> None:
        self._config = config
        self._metrics = metrics or Metrics()
        self.port = config.server.port
        tokens = [Token(token.name, token.sha256, token.role) for token in config.auth.tokens]
        self._calls = CallInterceptor(config.server.max_concurrent_calls, tokens, self._metrics)
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
        """Drain, then close everything in the reverse order."""
        await self._closing.aclose()

    @property
    def abandoned(self) -> int:
        """How many calls of strategies run on though nobody waits for them; their threads cannot be ended."""
        return self._router.abandoned

    def _assemble(self, stack: AsyncExitStack) -> None:
        config, metrics, server = self._config, self._metrics, self.grpc_server
        catalog = stack.enter_context(Catalog.open(config.catalog_path))
        store = stack.enter_context(closing(open_store(config.store_url)))
        strategies = config.strategies
        registry = Registry.load(strategies.options, config.strategy_stages, strategies.allow, strategies.required)
        self._router = router = stack.enter_context(closing(Router(registry, strategies.timeout_seconds, metrics)))
        fingerprint = catalog.feature_map.fingerprint
        models = stack.enter_context(
            closing(ModelCache(store.models, fingerprint, config.models.session_bytes, metrics))
        )
        cache = config.cache
        profiles = Profiles(store, catalog, models, cache.max_ratings, cache.candidate_bytes, metrics)
        tokens = PageTokens(store.secret("page tokens"))
        feedback = stack.enter_context(closing(FeedbackService(store, catalog, metrics=metrics)))
        limit = strategies.artists_limit
        recommend = RecommendService(catalog, profiles, router, tokens, cache.slate_bytes, metrics, limit)
        recommendation_pb2_grpc.add_RecommendationServiceServicer_to_server(
            RecommendationServicer(recommend, RankService(catalog, profiles, router, metrics)), server
        )
        feedback_pb2_grpc.add_FeedbackServiceServicer_to_server(FeedbackServicer(feedback), server)
        profile_pb2_grpc.add_ProfileServiceServicer_to_server(
            ProfileServicer(ProfileService(catalog, store, profiles, router), feedback), server
        )
        catalog_pb2_grpc.add_CatalogServiceServicer_to_server(CatalogServicer(catalog, tokens), server)
        strategy_pb2_grpc.add_StrategyServiceServicer_to_server(StrategyServicer(registry), server)
        model_pb2_grpc.add_ModelServiceServicer_to_server(ModelServicer(ModelService(store.models, tokens)), server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection((*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        metrics.build_info.labels(__version__, catalog.version).set(1)
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
