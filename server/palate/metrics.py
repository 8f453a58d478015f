"""The metrics for Prometheus: every one of them, with its name and its labels; the reference lists the same."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = ["Metrics"]

_SECONDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_EVENTS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class Metrics:
    """What one process counts. The parts of the server count on its attributes directly.

    Args:
        registry: Where the metrics can be collected; by default one that nobody collects.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self.build_info = Gauge(
            "palate_build_info",
            "Always 1; the labels say which palate serves which catalog.",
            ["version", "catalog_version"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._add_calls(registry)
        self._add_answers(registry)
        self._add_models(registry)

    def _add_calls(self, registry: CollectorRegistry) -> None:
        self.calls = Counter(
            "palate_calls", "Calls that ended, by method and gRPC status.", ["method", "code"], registry=registry
        )
        self.call_seconds = Histogram(
            "palate_call_duration_seconds", "How long calls took.", ["method"], buckets=_SECONDS, registry=registry
        )
        self.calls_in_flight = Gauge(
            "palate_calls_in_flight", "Calls in flight.", registry=registry, multiprocess_mode="livesum"
        )
        self.calls_refused = Counter(
            "palate_calls_refused",
            "Calls that were refused before any work: overloaded or draining.",
            ["reason"],
            registry=registry,
        )
        self.store_unavailable = Counter(
            "palate_store_unavailable", "How often the store could not be used.", registry=registry
        )

    def _add_answers(self, registry: CollectorRegistry) -> None:
        self.slates = Counter(
            "palate_slates", "Slates that Recommend gave.", ["strategy", "degraded", "cached"], registry=registry
        )
        self.rankings = Counter("palate_rankings", "Orders that Rank gave.", ["strategy"], registry=registry)
        self.strategy_failures = Counter(
            "palate_strategy_failures",
            "Strategies that gave no answer: error, unusable_answer, timeout, overloaded or not_loaded.",
            ["strategy", "reason"],
            registry=registry,
        )
        self.feedback_recorded = Counter(
            "palate_feedback_recorded", "Feedback that was made durable.", ["kind"], registry=registry
        )
        self.feedback_batch = Histogram(
            "palate_feedback_batch_size", "Events in one transaction.", buckets=_EVENTS, registry=registry
        )
        self.profile_updates = Counter(
            "palate_profile_updates",
            "Profiles that were brought up to date in memory, from events since, the store or a replay of the log.",
            ["source"],
            registry=registry,
        )

    def _add_models(self, registry: CollectorRegistry) -> None:
        self.sessions_opened = Counter("palate_model_sessions_opened", "Models that were opened.", registry=registry)
        self.sessions_evicted = Counter(
            "palate_model_sessions_evicted",
            "Models, usable or not, that were evicted from the cache.",
            registry=registry,
        )
        self.session_bytes = Gauge(
            "palate_model_sessions_bytes",
            "Memory of the cached models, estimated.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.models_broken = Counter(
            "palate_models_broken", "Models that were found to be unusable.", registry=registry
        )
        self.models_served = Counter(
            "palate_models_served", "Models that took part in an answer.", ["learner"], registry=registry
        )
        self.model_swaps = Counter(
            "palate_model_swaps", "Tastes that were found to be served by another model.", registry=registry
        )
