"""What the server tells of its doings; `palate.app.metrics` counts it."""

from collections.abc import Sequence
from typing import Final

__all__ = ["UNOBSERVED", "Observer"]


class Observer:
    """Is told what happens, and does nothing with it.

    Its methods are called from several threads; an observer that overrides them must be quick and must not raise.
    """

    def serving(self, catalog_version: str) -> None:
        """This process serves a catalog from now on."""

    def calls_in_flight(self, count: int) -> None:
        """So many calls are in hand now."""

    def call_refused(self, reason: str) -> None:
        """A call was refused before any work: ``overloaded`` or ``draining``."""

    def call_ended(self, method: str, code: str, seconds: float) -> None:
        """A call of a method, such as ``/palate.v1.CatalogService/GetTrack``, ended with a gRPC status."""

    def store_unavailable(self) -> None:
        """The store could not be used for a call, or to mark a broken model."""

    def slate_answered(self, strategy: str, *, degraded: bool, cached: bool) -> None:
        """Recommend answered with a slate, from the cache or made anew."""

    def tracks_ranked(self, strategy: str) -> None:
        """Rank answered with the scores of a strategy."""

    def strategy_failed(self, strategy: str, reason: str) -> None:
        """A strategy gave no answer: ``error``, ``unusable_answer``, ``timeout``, ``overloaded`` or ``not_loaded``."""

    def feedback_written(self, kinds: Sequence[str]) -> None:
        """Feedback was written in one transaction: what kind each was, such as ``like``."""

    def profile_updated(self, source: str) -> None:
        """A profile was brought up to date: from ``events`` since, the ``store`` or a ``replay`` of the whole log."""

    def models_swapped(self, count: int) -> None:
        """So many tastes of a listener in memory were found to be served by another model than before."""

    def model_served(self, learner: str) -> None:
        """A model took part in an answer."""

    def model_broken(self) -> None:
        """A model was found that cannot be used."""

    def sessions_changed(self, *, loaded: int, evicted: int, size_bytes: int) -> None:
        """Models were loaded and evicted; those that are kept take so many bytes now."""


UNOBSERVED: Final = Observer()
"""For parts that nobody watches."""
