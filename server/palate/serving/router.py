"""From a request to a slate: which strategies are asked, in which order, for how long."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import Final, TypeVar

import numpy as np
import structlog

from palate.domain.profile import Profile
from palate.errors import Overloaded, StrategyFailed
from palate.observer import UNOBSERVED, Observer
from palate.plugins.isolation import Bulkhead, OutOfTime
from palate.plugins.registry import Registered, Registry
from palate.plugins.strategy import CatalogIndex, Choice, Context, Declined, Rows, Scores, SlateRequest, Strategy
from palate.serving.guard import UnusableAnswer, guarded_choices, guarded_scores

__all__ = ["Placed", "Router", "Slate"]

T = TypeVar("T")
_LAST_CHANCE_SECONDS: Final = 0.05
"""What the lowest strategy gets when the strategies above it have left less."""
_PATIENCE_SECONDS: Final = 10.0
"""What the lowest strategy gets at most, where nothing could be answered without it."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Placed:
    """One track of a slate.

    Attributes:
        choice: The track and why it was chosen.
        strategy: The strategy that chose it.
    """

    choice: Choice
    strategy: str


@dataclass(frozen=True, slots=True)
class Slate:
    """What became of a request.

    Attributes:
        strategy: The highest strategy that contributed; where the slate is empty, the last one that was asked.
        version: The version of the distribution that brings it.
        items: The tracks in the order to show them.
        degraded: Whether a strategy that was asked failed or ran out of time; the next slate may be better.
    """

    strategy: str
    version: str
    items: tuple[Placed, ...]
    degraded: bool


class Router:
    """Asks the strategy of the listener's stage, and those below it where it fails or falls short.

    Every answer passes `palate.serving.guard`, so that its promises hold for any plugin.

    Args:
        registry: The strategies.
        executor: Runs them. It must not be the one whose threads call the router, and needs
            `max_abandoned` threads for each strategy to keep a strategy that hangs from holding up the others.
        timeout: How many seconds one strategy may take where others could answer in its place.
        max_abandoned: How many calls of one strategy run at a time, and so how many can be left behind by one
            that never returns; see `palate.plugins.isolation`.
        observer: Is told of strategies that fail.
    """

    def __init__(
        self,
        registry: Registry,
        executor: Executor,
        timeout: float,
        max_abandoned: int = 4,
        observer: Observer = UNOBSERVED,
    ) -> None:
        self._registry = registry
        self._timeout = timeout
        self._observer = observer
        self._bulkheads = {each.name: Bulkhead(each, executor, max_abandoned) for each in registry.listing()}

    @property
    def abandoned(self) -> int:
        """How many calls of strategies run on though nobody waits for them; they keep their threads."""
        return sum(bulkhead.abandoned for bulkhead in self._bulkheads.values())

    def stage_of(self, profile: Profile) -> Registered:
        """Return the highest strategy on the stages that applies to a profile."""
        return next(self._stages(profile, name=""))

    def recommend(
        self,
        profile: Profile,
        request: SlateRequest,
        context: Context,
        *,
        name: str = "",
        deadline: float | None = None,
    ) -> Slate:
        """Make a slate.

        Without a name the strategy of the profile's stage is asked; what it leaves open, through failure,
        lack of time or lack of tracks, the strategies below fill up one after the other. A strategy that declines
        is passed over.

        Args:
            profile: The listener.
            request: What is asked for.
            context: The catalog and what the listener rated.
            name: The only strategy to ask; empty for the stages.
            deadline: When the caller stops waiting, on the clock of `time.monotonic`.

        Raises:
            NotFound: For a name that no strategy has or that the operator does not allow.
            StrategyFailed: When the named strategy, or the lowest of the stages and all above it, failed or declined.
            Overloaded: When it could not begin in time.
        """
        answers: list[tuple[Registered, tuple[Choice, ...]]] = []
        failure: StrategyFailed | Overloaded | None = None
        degraded = False
        for stage in self._asked(profile, name, context):
            work = partial(_choose, stage, profile, request, context)
            try:
                choices = self._ask(stage, work, self._seconds(stage, name, deadline, spare=bool(answers)))
            except Declined as error:
                failure = failure or _declined(stage, error)
                continue
            except (StrategyFailed, Overloaded) as error:
                failure, degraded = error, True
                continue
            failure = None
            answers.append((stage, choices))
            if len(choices) == request.limit:
                break
            request = _narrowed(request, choices, context.catalog)
        contributions = [answer for answer in answers if answer[1]]
        if failure is not None and not contributions:
            raise failure
        leader, _ = contributions[0] if contributions else answers[-1]
        items = tuple(Placed(choice, stage.name) for stage, choices in contributions for choice in choices)
        return Slate(leader.name, leader.version, items, degraded)

    def score(
        self, profile: Profile, rows: Rows, context: Context, *, name: str = "", deadline: float | None = None
    ) -> tuple[str, Scores]:
        """Score given tracks with the strategy of the profile's stage, or the next one down that can.

        Args:
            profile: The listener.
            rows: The tracks.
            context: The catalog and what the listener rated.
            name: The only strategy to ask; empty for the stages.
            deadline: When the caller stops waiting, on the clock of `time.monotonic`.

        Returns:
            The name of the strategy that answered, and its scores.

        Raises:
            NotFound: For a name that no strategy has or that the operator does not allow.
            StrategyFailed: When the named strategy, or the whole stages, failed or declined.
            Overloaded: When the last one that was asked could not begin in time.
        """
        failure: StrategyFailed | Overloaded
        for stage in self._asked(profile, name, context):
            work = partial(_score, profile, rows, context)
            try:
                return stage.name, self._ask(stage, work, self._seconds(stage, name, deadline))
            except Declined as error:
                failure = _declined(stage, error)
            except (StrategyFailed, Overloaded) as error:
                failure = error
        raise failure

    def _asked(self, profile: Profile, name: str, context: Context) -> Iterator[Registered]:
        """Leave out the stages that would decline for want of models; the lowest one is always asked."""
        for stage in self._stages(profile, name):
            if name or context.models or stage.stage_number == 1 or not stage.needs_models:
                yield stage

    def _stages(self, profile: Profile, name: str) -> Iterator[Registered]:
        """Iterate over the strategies to ask, first one first; there is always one."""
        if name:
            yield self._registry.get(name)
            return
        for stage in reversed(self._registry.stages):
            if stage.stage is not None and stage.stage.admits(profile):
                yield stage

    def _seconds(self, stage: Registered, name: str, deadline: float | None, *, spare: bool = False) -> float:
        """Return how long to wait for a strategy.

        Half of what is left is kept for the strategies below, and for the answer where there is a part of it
        already (`spare`). The one that was named gets all the rest, and so does the lowest one, whose time limit
        does not count then: giving up would leave the listener without a slate.
        """
        left = inf if deadline is None else deadline - time.monotonic()
        if spare or not (name or stage.stage_number == 1):
            return min(self._timeout, left / 2)
        longest = self._timeout if name else max(self._timeout, _PATIENCE_SECONDS)
        return min(longest, max(left, _LAST_CHANCE_SECONDS))

    def _ask(self, stage: Registered, work: Callable[[Strategy], T], seconds: float) -> T:
        """Let a strategy do some work. StrategyFailed, Overloaded and Declined are the only errors."""
        if stage.strategy is None:
            raise self._failed(stage, "not_loaded", f"it is not loaded: {stage.reason}")
        if seconds <= 0:
            raise self._failed(stage, "timeout", "no time was left for it")
        try:
            outcome = self._bulkheads[stage.name].run(partial(work, stage.strategy), seconds)
        except OutOfTime as error:
            raise self._failed(stage, "timeout", str(error)) from error
        except Overloaded:
            self._observer.strategy_failed(stage.name, "overloaded")
            raise
        cause = outcome.exception()
        if cause is None:
            return outcome.result()
        if isinstance(cause, Declined):
            raise cause
        unusable = isinstance(cause, UnusableAnswer)
        why = str(cause) if unusable else f"it raised {type(cause).__name__}: {cause}"
        _log.error("strategy failed", **stage.identity, reason=why, exc_info=cause)
        raise self._failed(stage, "unusable_answer" if unusable else "error", why) from cause

    def _failed(self, stage: Registered, reason: str, why: str) -> StrategyFailed:
        self._observer.strategy_failed(stage.name, reason)
        return StrategyFailed(stage.name, stage.version, why)


def _declined(stage: Registered, error: Declined) -> StrategyFailed:
    """Say for a caller who gets nothing else that a strategy declined."""
    return StrategyFailed(stage.name, stage.version, f"it declined: {error}")


def _choose(
    stage: Registered, profile: Profile, request: SlateRequest, context: Context, strategy: Strategy
) -> tuple[Choice, ...]:
    answer = strategy.recommend(profile, request, context)
    choices, dropped = guarded_choices(answer, request, context.catalog)
    if dropped:
        _log.warning("choices dropped", **stage.identity, dropped=dict(dropped))
    return choices


def _score(profile: Profile, rows: Rows, context: Context, strategy: Strategy) -> Scores:
    return guarded_scores(strategy.score(profile, rows, context), rows)


def _narrowed(request: SlateRequest, choices: Sequence[Choice], catalog: CatalogIndex) -> SlateRequest:
    """Return what is left to ask for once some choices are made."""
    rows = np.sort(np.array([choice.row for choice in choices], dtype=np.int32))
    return replace(
        request,
        limit=request.limit - len(rows),
        excluded=np.insert(request.excluded, np.searchsorted(request.excluded, rows), rows),
        artists=request.artists.union(catalog.main_artist[rows].tolist()),
    )
