"""From a request to a slate, the pure part of an answer: which strategies are asked, in which order, for how long."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import Final, TypeAlias, TypeVar

import numpy as np
import structlog

from palate.domain import Profile
from palate.errors import Overloaded, StrategyDeclined, StrategyFailed
from palate.metrics import Metrics
from palate.plugins.isolation import Isolation, OutOfTime
from palate.plugins.registry import Registered, Registry
from palate.plugins.strategy import CatalogIndex, Choice, Context, Declined, Rows, Scores, SlateRequest, Strategy
from palate.serving.guard import UnusableAnswer, guarded_choices, guarded_scores

__all__ = ["Placed", "Router", "Slate", "stages_for"]

T = TypeVar("T")
_Failure: TypeAlias = StrategyFailed | StrategyDeclined | Overloaded

_LAST_CHANCE_SECONDS: Final = 0.05
"""What the lowest stage gets when the stages above it have left less."""
_PATIENCE_SECONDS: Final = 10.0
"""What the lowest stage gets at most, where nothing could be answered without it."""
_INLINE_COST: Final = 400
"""Tastes times items up to which a built-in strategy computes on the event loop: about 20 milliseconds."""
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

    Strategies of the distribution ``palate`` are called directly, on the event loop, or in one compute thread where
    many tastes and items take long; their tests hold them to the contract. All others are isolated (see
    `palate.plugins.isolation`), and their answers pass `palate.serving.guard`. Use it on one event loop.

    Args:
        registry: The strategies.
        timeout: How many seconds a third-party strategy may take where others could answer in its place.
        limit: How many calls of one third-party strategy run at a time, and so how many can be abandoned.
        metrics: Counts strategies that fail, and models that take part.
    """

    def __init__(self, registry: Registry, timeout: float, metrics: Metrics, limit: int = 4) -> None:
        self._registry = registry
        self._timeout = timeout
        self._metrics = metrics
        isolated = [each for each in registry.listing() if not each.builtin]
        self._threads: Executor = ThreadPoolExecutor(max(limit * len(isolated), 1), thread_name_prefix="strategy")
        self._isolated = {each.name: Isolation(each, self._threads, limit) for each in isolated}
        self._compute = ThreadPoolExecutor(1, thread_name_prefix="compute")

    @property
    def abandoned(self) -> int:
        """How many calls of strategies run on though nobody waits for them; they occupy their threads."""
        return sum(isolation.abandoned for isolation in self._isolated.values())

    def close(self) -> None:
        """Close the threads, except those of abandoned calls."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._compute.shutdown()

    def stage_of(self, profile: Profile, context: Context) -> Registered:
        """Return the highest strategy that applies to a profile with its models."""
        return next(self._stages(profile, context, name=""))

    async def recommend(
        self,
        profile: Profile,
        request: SlateRequest,
        context: Context,
        *,
        name: str = "",
        deadline: float | None = None,
    ) -> Slate:
        """Make a slate.

        Without a name the strategy of the profile's stage is asked; what it leaves open, through failure, lack of
        time or lack of tracks, the stages below fill up one after the other. A strategy that declines is passed over.

        Args:
            profile: The listener.
            request: What is asked for.
            context: The catalog, what the listener rated, and their models.
            name: The only strategy to ask; empty for those that apply, highest stage first.
            deadline: When the caller stops waiting, on the clock of `time.monotonic`.

        Raises:
            NotFound: For a name that no strategy has or that the operator does not allow.
            StrategyFailed: When the named strategy, or the lowest stage and all above it, failed.
            StrategyDeclined: When it declined.
            Overloaded: When it could not begin in time.
        """
        answers: list[tuple[Registered, tuple[Choice, ...]]] = []
        failure: _Failure | None = None
        degraded = False
        for asked in self._stages(profile, context, name):
            work = partial(_choose, asked, profile, request, context)
            seconds = self._seconds(asked, name, deadline, spare=bool(answers))
            try:
                choices = await self._ask(asked, work, seconds, len(profile.tastes) * request.limit)
            except StrategyDeclined as error:
                failure = failure or error
                continue
            except (StrategyFailed, Overloaded) as error:
                failure, degraded = error, True
                continue
            failure = None
            answers.append((asked, choices))
            if len(choices) == request.limit:
                break
            request = _narrowed(request, choices, context.catalog)
        contributions = [answer for answer in answers if answer[1]]
        if failure is not None and not contributions:
            raise failure
        leader, _ = contributions[0] if contributions else answers[-1]
        items = tuple(Placed(choice, asked.name) for asked, choices in contributions for choice in choices)
        self._count_models(context, {placed.choice.model_version for placed in items})
        return Slate(leader.name, leader.version, items, degraded)

    async def score(
        self, profile: Profile, rows: Rows, context: Context, *, name: str = "", deadline: float | None = None
    ) -> tuple[str, Scores]:
        """Score given tracks with the strategy of the profile's stage, or the next one down that can.

        Args:
            profile: The listener.
            rows: The tracks.
            context: The catalog, what the listener rated, and their models.
            name: The only strategy to ask; empty for those that apply, highest stage first.
            deadline: When the caller stops waiting, on the clock of `time.monotonic`.

        Returns:
            The name of the strategy that answered, and its scores.

        Raises:
            NotFound: For a name that no strategy has or that the operator does not allow.
            StrategyFailed: When the named strategy, or the last one that was asked, failed.
            StrategyDeclined: When it declined.
            Overloaded: When it could not begin in time.
        """
        failure: _Failure
        for asked in self._stages(profile, context, name):
            work = partial(_score, asked, profile, rows, context)
            seconds = self._seconds(asked, name, deadline)
            try:
                scores = await self._ask(asked, work, seconds, _scoring_cost(profile, rows))
            except (StrategyFailed, StrategyDeclined, Overloaded) as error:
                failure = error
            else:
                self._count_models(context, set(scores.model_versions))
                return asked.name, scores
        raise failure

    def _count_models(self, context: Context, versions: Collection[str]) -> None:
        """Count the models that took part in an answer."""
        for model in context.models.values():
            if model.version in versions:
                self._metrics.models_served.labels(model.learner).inc()

    def _stages(self, profile: Profile, context: Context, name: str) -> Iterator[Registered]:
        """Iterate over the strategies to ask, first one first; there is always one."""
        return iter([self._registry.get(name)]) if name else stages_for(self._registry, profile, context)

    def _seconds(self, asked: Registered, name: str, deadline: float | None, *, spare: bool = False) -> float:
        """Return how long to wait for a strategy.

        Half of what is left is reserved for the stages below, and for the answer where there is a part of it already
        (`spare`). The one that was named gets all the rest, and so does the lowest stage, whose time limit does not
        count then: giving up would leave the listener without a slate.
        """
        left = inf if deadline is None else deadline - time.monotonic()
        if spare or not (name or asked.stage_number == 1):
            return min(self._timeout, left / 2)
        longest = self._timeout if name else max(self._timeout, _PATIENCE_SECONDS)
        return min(longest, max(left, _LAST_CHANCE_SECONDS))

    async def _ask(self, asked: Registered, work: Callable[[Strategy], T], seconds: float, cost: int) -> T:
        """Let a strategy do some work. StrategyFailed, StrategyDeclined and Overloaded are the only errors."""
        if asked.strategy is None:
            raise self._failed(asked, "not_loaded", f"it is not loaded: {asked.reason}")
        if seconds <= 0:
            raise self._failed(asked, "timeout", "no time was left for it")
        attempt = partial(_attempt, work, asked.strategy)
        try:
            result, error = await self._run(asked, attempt, seconds, cost)
        except OutOfTime as late:
            raise self._failed(asked, "timeout", str(late)) from late
        except Overloaded:
            self._metrics.strategy_failures.labels(asked.name, "overloaded").inc()
            raise
        if isinstance(error, Declined):
            raise StrategyDeclined(asked.name, asked.version, str(error)) from error
        if error is not None:
            unusable = isinstance(error, UnusableAnswer)
            why = str(error) if unusable else f"it raised {type(error).__name__}: {error}"
            _log.error("strategy failed", **asked.identity, reason=why, exc_info=error)
            raise self._failed(asked, "unusable_answer" if unusable else "error", why) from error
        return result  # type: ignore[return-value]  # there is a result where there is no error

    async def _run(self, asked: Registered, attempt: Callable[[], T], seconds: float, cost: int) -> T:
        """Run a strategy where it belongs: here, in the compute thread, or isolated."""
        isolation = self._isolated.get(asked.name)
        if isolation is not None:
            return await isolation.run(attempt, seconds)
        if cost <= _INLINE_COST:
            return attempt()
        return await asyncio.get_running_loop().run_in_executor(self._compute, copy_context().run, attempt)

    def _failed(self, asked: Registered, reason: str, why: str) -> StrategyFailed:
        self._metrics.strategy_failures.labels(asked.name, reason).inc()
        return StrategyFailed(asked.name, asked.version, why)


def stages_for(registry: Registry, profile: Profile, context: Context) -> Iterator[Registered]:
    """Iterate over the stages that apply to a profile with its models, the highest first; there is always one."""
    learners = [model.learner for model in context.models.values()]
    for staged in reversed(registry.stages):
        if staged.stage is not None and staged.stage.admits(profile) and staged.stage.has_model(learners):
            yield staged


def _attempt(work: Callable[[Strategy], T], strategy: Strategy) -> tuple[T | None, BaseException | None]:
    """Return what came of some work: third-party code may raise anything, and may try to exit."""
    try:
        return work(strategy), None
    except BaseException as error:  # noqa: BLE001 - whoever asked turns it into a status
        return None, error


def _choose(
    asked: Registered, profile: Profile, request: SlateRequest, context: Context, strategy: Strategy
) -> tuple[Choice, ...]:
    answer = strategy.recommend(profile, request, context)
    if asked.builtin:
        return tuple(answer)
    choices, dropped = guarded_choices(answer, request, context.catalog)
    if dropped:
        _log.warning("choices dropped", **asked.identity, dropped=dict(dropped))
    return choices


def _score(asked: Registered, profile: Profile, rows: Rows, context: Context, strategy: Strategy) -> Scores:
    scores = strategy.score(profile, rows, context)
    return scores if asked.builtin else guarded_scores(scores, rows)


def _scoring_cost(profile: Profile, rows: Rows) -> int:
    """Return what scoring costs beside choosing: a track of the caller's takes about a tenth of an item's time."""
    return len(profile.tastes) + len(rows) // 10


def _narrowed(request: SlateRequest, choices: Sequence[Choice], catalog: CatalogIndex) -> SlateRequest:
    """Return what is left to ask for once some choices are made."""
    shown = np.array([choice.row for choice in choices], dtype=np.int32)
    rows = np.sort(shown)
    return replace(
        request,
        limit=request.limit - len(rows),
        excluded=np.insert(request.excluded, np.searchsorted(request.excluded, rows), rows),
        artists=(*request.artists, *catalog.main_artist[shown].tolist()),
    )
