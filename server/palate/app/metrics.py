"""The metrics for Prometheus: every one of them, with its name and its labels; docs/metrics.md lists the same."""

from collections import Counter as Tally
from collections.abc import Sequence
from functools import cache
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from palate import __version__
from palate.observer import Observer

__all__ = ["Metrics"]

_SECONDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_EVENTS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class Metrics(Observer):
    """Counts what it is told. Make one for each process.

    Args:
        registry: Where the metrics can be collected.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._build = Gauge(
            "palate_build_info",
            "Always 1; the labels say which palate serves which catalog.",
            ["version", "catalog_version"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._add_calls(registry)
        self._add_answers(registry)
        self._add_models(registry)
        # Looking up labels takes longer than counting, and these three are for every call.
        self._calls_of, self._seconds_of = cache(self._calls.labels), cache(self._seconds.labels)
        self._slates_of = cache(self._slates.labels)

    def _add_calls(self, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            "palate_calls", "Calls that ended, by method and gRPC status.", ["method", "code"], registry=registry
        )
        self._seconds = Histogram(
            "palate_call_duration_seconds", "How long calls took.", ["method"], buckets=_SECONDS, registry=registry
        )
        self._in_flight = Gauge(
            "palate_calls_in_flight", "Calls in hand.", registry=registry, multiprocess_mode="livesum"
        )
        self._refused = Counter(
            "palate_calls_refused", "Calls that were refused before any work.", ["reason"], registry=registry
        )
        self._store_unavailable = Counter(
            "palate_store_unavailable", "How often the store could not be used.", registry=registry
        )

    def _add_answers(self, registry: CollectorRegistry) -> None:
        self._slates = Counter(
            "palate_slates", "Slates that Recommend gave.", ["strategy", "degraded", "cached"], registry=registry
        )
        self._rankings = Counter("palate_rankings", "Orders that Rank gave.", ["strategy"], registry=registry)
        self._failures = Counter(
            "palate_strategy_failures", "Strategies that gave no answer.", ["strategy", "reason"], registry=registry
        )
        self._feedback = Counter(
            "palate_feedback_recorded", "Feedback that was made durable.", ["verdict"], registry=registry
        )
        self._batch = Histogram(
            "palate_feedback_batch_size", "Events in one transaction.", buckets=_EVENTS, registry=registry
        )
        self._folds = Counter(
            "palate_profile_updates", "Profiles that were brought up to date in memory.", ["source"], registry=registry
        )

    def _add_models(self, registry: CollectorRegistry) -> None:
        self._loaded = Counter("palate_model_sessions_loaded", "Models that were loaded.", registry=registry)
        self._evicted = Counter("palate_model_sessions_evicted", "Models that made room.", registry=registry)
        self._bytes = Gauge(
            "palate_model_sessions_bytes",
            "Memory of the loaded models, estimated.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._broken = Counter("palate_models_broken", "Models that were found to be unusable.", registry=registry)
        self._served = Counter(
            "palate_models_served", "Models that took part in an answer.", ["learner"], registry=registry
        )
        self._swaps = Counter(
            "palate_model_swaps", "Tastes that were found to be served by another model.", registry=registry
        )

    def serving(self, catalog_version: str) -> None:
        """Say which palate serves which catalog."""
        self._build.labels(__version__, catalog_version).set(1)

    def calls_in_flight(self, count: int) -> None:
        """Set the number of calls in hand."""
        self._in_flight.set(count)

    def call_refused(self, reason: str) -> None:
        """Count a refused call."""
        self._refused.labels(reason).inc()

    def call_ended(self, method: str, code: str, seconds: float) -> None:
        """Count a call, and note how long it took."""
        name = method.rpartition("/")[2]
        self._calls_of(name, code).inc()
        self._seconds_of(name).observe(seconds)

    def store_unavailable(self) -> None:
        """Count a failure of the store."""
        self._store_unavailable.inc()

    def slate_answered(self, strategy: str, *, degraded: bool, cached: bool) -> None:
        """Count a slate."""
        self._slates_of(strategy, _word(degraded), _word(cached)).inc()

    def tracks_ranked(self, strategy: str) -> None:
        """Count an order."""
        self._rankings.labels(strategy).inc()

    def strategy_failed(self, strategy: str, reason: str) -> None:
        """Count a failure of a strategy."""
        self._failures.labels(strategy, reason).inc()

    def feedback_written(self, kinds: Sequence[str]) -> None:
        """Count feedback, and note how much went into one transaction."""
        self._batch.observe(len(kinds))
        for kind, count in Tally(kinds).items():
            self._feedback.labels(kind).inc(count)

    def profile_updated(self, source: str) -> None:
        """Count a fold."""
        self._folds.labels(source).inc()

    def models_swapped(self, count: int) -> None:
        """Count tastes with another model."""
        self._swaps.inc(count)

    def model_served(self, learner: str) -> None:
        """Count a model's part in an answer."""
        self._served.labels(learner).inc()

    def model_broken(self) -> None:
        """Count a model that cannot be used."""
        self._broken.inc()

    def sessions_changed(self, *, loaded: int, evicted: int, size_bytes: int) -> None:
        """Count what came and went, and note what is taken."""
        self._loaded.inc(loaded)
        self._evicted.inc(evicted)
        self._bytes.set(size_bytes)


def _word(truth: bool) -> str:
    return "true" if truth else "false"
