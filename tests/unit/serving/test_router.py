"""Requests go down the stages, and the answers of third-party strategies are guarded."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from palate.domain import Profile, Rating, RecordedTrack, Tally, Taste, Verdict
from palate.domain.track import GenreCluster
from palate.errors import ConfigError, NotFound, Overloaded, StrategyDeclined, StrategyFailed
from palate.metrics import Metrics
from palate.plugins import (
    Choice,
    Context,
    Declined,
    Reason,
    ReasonKind,
    Registered,
    Registry,
    Rows,
    Scores,
    SlateRequest,
    Stage,
    StrategyState,
    TasteModel,
)
from palate.plugins.slate import without_excluded
from palate.serving.router import Router, Slate
from structlog.testing import capture_logs
from support.loops import Run, until

TRACKS = 60
LOWEST, MIDDLE, HIGHEST = Stage(0.0, 0), Stage(0.15, 0), Stage(0.4, 3)


class SmallCatalog:
    """Sixty tracks in three clusters, the last of which is excluded; two tracks of each artist."""

    version = "small"
    clusters: Sequence[GenreCluster] = [
        GenreCluster("rock", "Rock", excluded=False),
        GenreCluster("latin", "Latin", excluded=False),
        GenreCluster("sleep", "Sleep", excluded=True),
    ]
    features = np.zeros((TRACKS, 9), dtype=np.float32)
    normalized = np.zeros((TRACKS, 9), dtype=np.float32)
    popularity = np.zeros(TRACKS, dtype=np.uint8)
    cluster = np.repeat(np.arange(3, dtype=np.uint8), TRACKS // 3)
    main_artist = np.arange(TRACKS, dtype=np.int32) % (TRACKS // 2)
    occasional = np.zeros(TRACKS, dtype=np.bool_)
    cluster_mean = np.zeros((3, 9), dtype=np.float32)
    cluster_variance = np.ones((3, 9), dtype=np.float32)

    def __len__(self) -> int:
        return TRACKS

    def cluster_number(self, cluster_id: str) -> int | None:
        """Return the position of a cluster."""
        return next((n for n, cluster in enumerate(self.clusters) if cluster.cluster_id == cluster_id), None)

    def popular(self, cluster: int) -> Rows:
        """Return all tracks of a cluster."""
        return np.flatnonzero(self.cluster == cluster).astype(np.int32)

    def popularity_quantile(self, cluster: int, share: float) -> float:  # noqa: ARG002 - all are alike
        """Return 0, since no track is known to be popular."""
        return 0.0

    def nearest(self, cluster: int, direction: NDArray[np.float32], affinity: NDArray[np.float32], limit: int) -> Rows:  # noqa: ARG002 - all are alike
        """Return all tracks of a cluster."""
        return self.popular(cluster)

    def genre_weights(self, distribution: Mapping[str, float]) -> NDArray[np.float32]:  # noqa: ARG002 - it has no genres
        """Return no weights."""
        return np.zeros(0, dtype=np.float32)

    def by_artists(self, artists: NDArray[np.int32]) -> Rows:
        """Return all tracks of some artists."""
        return np.flatnonzero(np.isin(self.main_artist, artists)).astype(np.int32)

    def genre_share(self, cluster: int) -> NDArray[np.float32]:  # noqa: ARG002 - it has no genres
        """Return no shares."""
        return np.zeros(0, dtype=np.float32)

    def genre_affinity(self, rows: Rows, weights: NDArray[np.float32]) -> NDArray[np.float32]:  # noqa: ARG002 - it has no genres
        """Return no affinity."""
        return np.zeros(len(rows), dtype=np.float32)


CONTEXT = Context(SmallCatalog(), liked={}, disliked={})


@dataclass(frozen=True)
class NoOptions:
    """A configuration without anything to configure."""


class Acting:
    """A strategy that answers as a test tells it to, and notes what it was asked.

    It is a third party's unless `builtin` is set, and needs a model of one of its `learners` if it has any.
    """

    config_type: ClassVar[type[NoOptions]] = NoOptions
    stage: ClassVar[Stage | None] = None
    builtin = False
    learners: frozenset[str] = frozenset()

    def __init__(self, act: Callable[[Any], Any]) -> None:
        self.act = act
        self.requests: list[Any] = []

    def recommend(self, profile: Profile, request: SlateRequest, context: Context) -> Any:  # noqa: ARG002 - it only acts
        """Act on a request."""
        self.requests.append(request)
        return self.act(request)

    def score(self, profile: Profile, rows: Rows, context: Context) -> Any:  # noqa: ARG002 - it only acts
        """Act on rows."""
        self.requests.append(rows)
        return self.act(rows)


_ZERO = np.zeros(1, dtype=np.float32)


class Speaking:
    """A model, whatever it says."""

    version = learner = "any"
    ranking_slope = ranking_intercept = 0.0
    cluster_offsets: Mapping[str, float] = {}

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return no likes at all."""
        return np.zeros(len(features), dtype=np.float32)


def own(strategy: Acting) -> Acting:
    """Return a strategy as one of palate's own, which is called directly."""
    strategy.builtin = True
    return strategy


def choice(row: Any, **changes: Any) -> Choice:
    """Return a choice that only its row distinguishes."""
    return Choice(**{"row": row, "score": 0.5, "reason": Reason(ReasonKind.POPULAR)} | changes)


def offering(*rows: int) -> Acting:
    """Return a strategy that offers those of the rows that it may, as many as are asked for."""

    def act(request: SlateRequest) -> list[Choice]:
        open_rows = without_excluded(request, np.array(rows, dtype=np.int32))
        return [choice(int(row)) for row in open_rows[: request.limit]]

    return Acting(act)


def raising(error: BaseException) -> Acting:
    """Return a strategy that breaks."""

    def act(_: object) -> Any:
        raise error

    return Acting(act)


def scoring(values: Sequence[float], tastes: int | None = None) -> Acting:
    """Return a strategy that gives the same scores whatever the rows."""
    count = len(values) if tastes is None else tastes
    return Acting(lambda _: Scores(np.array(values, dtype=np.float32), [""] * count))


class Gate:
    """What hanging strategies wait for; opened when the test is over."""

    def __init__(self) -> None:
        self._opened = threading.Event()
        self.entered = 0
        self._lock = threading.Lock()

    def hanging(self) -> Acting:
        """Return a strategy that does not come back before the gate is opened."""

        def act(_: object) -> list[Choice]:
            with self._lock:
                self.entered += 1
            self._opened.wait(30)
            return [choice(19)]

        return Acting(act)

    def open(self) -> None:
        """Let all that hang come back."""
        self._opened.set()


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Return a gate that opens at the end."""
    gate = Gate()
    yield gate
    gate.open()


class Asked:
    """A router whose answers a test waits for."""

    def __init__(self, router: Router, run: Run) -> None:
        self.router = router
        self._run = run
        self.stage_of = router.stage_of

    def recommend(self, *args: Any, **kwargs: Any) -> Slate:
        """Make a slate."""
        return self._run(self.router.recommend(*args, **kwargs))

    def score(self, *args: Any, **kwargs: Any) -> tuple[str, Scores]:
        """Score tracks."""
        return self._run(self.router.score(*args, **kwargs))

    def wait_until_none_is_abandoned(self) -> None:
        """Let the event loop go on until all abandoned calls have ended."""
        self._run(until(lambda: self.router.abandoned == 0))


Route = Callable[..., Asked]


@pytest.fixture
def metrics() -> Metrics:
    """Return what routers count on."""
    return Metrics()


@pytest.fixture
def route(gate: Gate, run: Run, metrics: Metrics) -> Iterator[Route]:
    """Return a function that makes routers; what hangs comes back with the end of the test."""
    made: list[Asked] = []

    def make(strategies: Registry, timeout: float = 60, limit: int = 4) -> Asked:
        made.append(Asked(Router(strategies, timeout, metrics, limit), run))
        return made[-1]

    yield make
    gate.open()
    for asked in made:
        asked.wait_until_none_is_abandoned()
        asked.router.close()


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[Any]]:
    """Return the lines of the log as they come."""
    with capture_logs() as lines:
        yield lines


def registered(name: str, strategy: Acting | None, stage: Stage | None, reason: str = "") -> Registered:
    """Return a strategy as the registry keeps it."""
    state = StrategyState.FAILED if strategy is None else StrategyState.LOADED
    builtin = strategy is not None and strategy.builtin
    return Registered(name, f"palate-{name}", "1.0", state, reason, strategy, stage, builtin=builtin)


def registry(lowest: Acting, middle: Acting | None = None, highest: Acting | None = None) -> Registry:
    """Return up to three strategies with their stages."""
    stages = {"lowest": (lowest, LOWEST), "middle": (middle, MIDDLE), "highest": (highest, HIGHEST)}
    return Registry(
        registered(name, strategy, replace(stage, learners=strategy.learners))
        for name, (strategy, stage) in stages.items()
        if strategy
    )


TASTE = Taste("rock", opened=1, revision=1)


def profile(likes: int) -> Profile:
    """Return a profile with one taste of so many likes: confidence ``likes / (likes + 4)``."""
    track = RecordedTrack((0.5,) * 9, ())
    ratings = {str(n): Rating(str(n), Verdict.LIKE, "rock", track, n + 1) for n in range(likes)}
    taste = replace(TASTE, revision=max(likes, 1), liked=Tally(count=likes))
    return Profile("ana", likes, {"rock": taste} if likes else {}, ratings)


ADVANCED = profile(10)


def request(limit: int = 3, excluded: Sequence[int] = (), artists: Sequence[int] = ()) -> SlateRequest:
    """Return a request."""
    return SlateRequest(limit, np.array(excluded, dtype=np.int32), artists, seed=7)


@pytest.mark.parametrize(("likes", "name"), [(0, "lowest"), (1, "middle"), (2, "middle"), (3, "highest")])
def test_the_stage_is_the_highest_stage_that_admits_the_profile(route: Route, likes: int, name: str) -> None:
    """Both the confidence and the interactions must be reached."""
    router = route(registry(offering(0), offering(1), offering(2)))
    assert name == router.stage_of(profile(likes), CONTEXT).name
    assert name == router.recommend(profile(likes), request(1), CONTEXT).strategy


def test_a_stage_below_that_does_not_admit_the_profile_is_not_asked(route: Route) -> None:
    """A stage is a promise to the strategy about the profiles that it meets."""
    strict = offering(5)
    stages = [
        registered("lowest", offering(0), LOWEST),
        registered("strict", strict, Stage(0.1, 100)),
        registered("highest", offering(), HIGHEST),
    ]
    slate = route(Registry(stages)).recommend(ADVANCED, request(), CONTEXT)
    assert ("lowest", []) == (slate.strategy, strict.requests)


def test_a_short_slate_is_filled_up_from_the_stages_below(route: Route) -> None:
    """Each is asked for what is left, and knows the rows and artists that the slate has already."""
    middle, lowest = offering(2, 30, 31), offering(31, 8, 9)
    router = route(registry(lowest, middle, offering(40, 4)))
    slate = router.recommend(ADVANCED, request(5, excluded=[2, 50], artists=[29]), CONTEXT)
    assert [("highest", [4]), ("middle", [30, 31]), ("lowest", [8, 9])] == [
        (name, [placed.choice.row for placed in slate.items if placed.strategy == name])
        for name in ("highest", "middle", "lowest")
    ]
    assert [2, 4, 50] == middle.requests[0].excluded.tolist()
    assert [2, 4, 30, 31, 50] == lowest.requests[0].excluded.tolist()
    assert (4, 2) == (middle.requests[0].limit, lowest.requests[0].limit)
    assert (29, 4, 0, 1) == lowest.requests[0].artists
    assert ("highest", "1.0", False) == (slate.strategy, slate.version, slate.degraded)


def test_a_full_slate_asks_nobody_below(route: Route) -> None:
    """One strategy, one hop."""
    lowest = offering(0)
    route(registry(lowest, offering(1, 2, 3))).recommend(profile(1), request(3), CONTEXT)
    assert [] == lowest.requests


def test_an_empty_slate_falls_through_and_is_named_after_who_filled_it(route: Route) -> None:
    """The slate's strategy is the first one that contributed; an empty answer is no failure."""
    slate = route(registry(offering(7), offering())).recommend(profile(1), request(), CONTEXT)
    assert ("lowest", [7], False) == (slate.strategy, [placed.choice.row for placed in slate.items], slate.degraded)


def test_when_nothing_is_left_the_slate_is_empty(route: Route) -> None:
    """A catalog that is used up is no failure."""
    slate = route(registry(offering(7), offering(8))).recommend(profile(1), request(excluded=[7, 8]), CONTEXT)
    assert ("lowest", (), False) == (slate.strategy, slate.items, slate.degraded)


def test_a_failure_above_an_empty_answer_is_no_failure_of_the_slate(route: Route) -> None:
    """The lowest strategy has answered that nothing is left; the slate says that the one above failed."""
    router = route(registry(offering(), raising(ValueError("no"))))
    slate = router.recommend(profile(1), request(), CONTEXT)
    assert ("lowest", (), True) == (slate.strategy, slate.items, slate.degraded)


ERRORS = [ValueError("no such matrix"), TimeoutError("slow upstream"), SystemExit("bye"), Overloaded("busy")]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_strategy_that_raises_is_logged_once_and_the_next_one_down_answers(
    route: Route, logs: list[Any], error: BaseException
) -> None:
    """The log has the traceback, the strategy, its distribution and version; the listener has a slate."""
    router = route(registry(offering(7), raising(error)))
    slate = router.recommend(profile(1), request(1), CONTEXT)
    assert ("lowest", True) == (slate.strategy, slate.degraded)
    (line,) = logs
    assert ("error", "middle", "palate-middle", "1.0") == (
        line["log_level"],
        line["strategy"],
        line["distribution"],
        line["version"],
    )
    assert error is line["exc_info"]
    assert type(error).__name__ in line["reason"]


def test_a_strategy_that_runs_out_of_time_is_abandoned(route: Route, gate: Gate, logs: list[Any]) -> None:
    """The next one down answers, and the abandoned call is counted until it ends."""
    router = route(registry(own(offering(7)), gate.hanging()), timeout=0.05)
    slate = router.recommend(profile(1), request(1), CONTEXT)
    assert ("lowest", [7], True) == (slate.strategy, [placed.choice.row for placed in slate.items], slate.degraded)
    assert 1 == router.router.abandoned
    assert [("warning", "middle", "palate-middle")] == [
        (line["log_level"], line["strategy"], line["distribution"]) for line in logs
    ]
    gate.open()
    router.wait_until_none_is_abandoned()
    assert 0 == router.router.abandoned


def test_a_strategy_with_too_many_abandoned_calls_is_passed_over_until_they_end(route: Route, gate: Gate) -> None:
    """Whoever hangs costs nobody any time after the first few calls, and comes back when it can."""
    router = route(registry(own(offering(7)), gate.hanging()), timeout=0.05, limit=2)
    for _ in range(2):
        router.recommend(profile(1), request(1), CONTEXT)
    assert "lowest" == router.recommend(profile(1), request(1), CONTEXT).strategy
    with pytest.raises(StrategyFailed, match="2 calls that ran out of time have not ended yet"):
        router.recommend(profile(1), request(1), CONTEXT, name="middle")
    assert 2 == gate.entered
    gate.open()
    router.wait_until_none_is_abandoned()
    router.recommend(profile(1), request(1), CONTEXT)
    assert 3 == gate.entered


def test_a_strategy_that_hangs_never_holds_more_threads_than_allowed(route: Route, run: Run, gate: Gate) -> None:
    """However many callers come at once, and all of them get a slate."""
    router = route(registry(own(offering(7)), gate.hanging()), timeout=0.05, limit=3).router

    async def ask() -> Sequence[Slate]:
        return await asyncio.gather(*(router.recommend(profile(1), request(1), CONTEXT) for _ in range(24)))

    assert {"lowest"} == {slate.strategy for slate in run(ask())}
    assert (3, 3) == (gate.entered, router.abandoned)


def test_a_call_whose_caller_has_left_is_abandoned(route: Route, run: Run, gate: Gate) -> None:
    """It keeps its thread, and so counts until it ends."""
    router = route(registry(own(offering(7)), gate.hanging()))

    async def leave() -> bool:
        asking = asyncio.create_task(router.router.recommend(profile(1), request(1), CONTEXT))
        await until(lambda: gate.entered == 1)
        asking.cancel()
        await asyncio.wait([asking])
        return asking.cancelled()

    assert run(leave())
    assert 1 == router.router.abandoned
    gate.open()
    router.wait_until_none_is_abandoned()


def test_the_event_loop_goes_on_while_a_third_partys_strategy_hangs(route: Route, run: Run, gate: Gate) -> None:
    """Others are answered meanwhile."""
    hanging = route(registry(own(offering(7)), gate.hanging())).router
    other = route(registry(own(offering(8)))).router

    async def ask() -> tuple[bool, list[str]]:
        first = asyncio.create_task(hanging.recommend(profile(1), request(1), CONTEXT))
        await until(lambda: gate.entered == 1)
        second = await other.recommend(profile(1), request(1), CONTEXT)
        pending = not first.done()
        gate.open()
        return pending, [(await first).strategy, second.strategy]

    assert (True, ["middle", "lowest"]) == run(ask())


def test_palates_own_strategies_are_called_directly(route: Route) -> None:
    """Handing over to a thread costs more than a short answer."""
    threads: list[threading.Thread] = []

    def act(asked: Any) -> Any:
        threads.append(threading.current_thread())
        return [choice(7)] if isinstance(asked, SlateRequest) else Scores(np.zeros(3, dtype=np.float32), [""] * 3)

    router = route(registry(own(Acting(act))))
    router.recommend(profile(1), request(1), CONTEXT)
    router.score(profile(1), ROWS, CONTEXT)
    assert [threading.current_thread()] * 2 == threads


def test_the_event_loop_goes_on_while_palates_own_strategies_have_much_to_do(
    route: Route, run: Run, gate: Gate
) -> None:
    """Many tastes times many items, or tracks to score, are for the compute thread, where one comes after the other."""
    threads: list[str] = []

    def act(asked: Any) -> Any:
        gate.hanging().act(asked)
        threads.append(threading.current_thread().name)
        many = isinstance(asked, SlateRequest)
        return [choice(7)] if many else Scores(np.zeros(len(asked), dtype=np.float32), [""] * len(asked))

    router = route(registry(own(Acting(act)))).router
    tastes = {f"taste {number}": replace(TASTE, taste_id=f"taste {number}") for number in range(50)}
    listener = replace(ADVANCED, tastes=tastes)

    async def ask() -> None:
        slate = asyncio.create_task(router.recommend(listener, request(100), CONTEXT))
        scores = asyncio.create_task(router.score(listener, np.zeros(5_000, dtype=np.int32), CONTEXT))
        await until(lambda: gate.entered == 1)  # which needs the event loop
        gate.open()
        await asyncio.gather(slate, scores)

    run(ask())
    assert threading.current_thread().name not in threads
    assert (2, 1) == (len(threads), len(set(threads)))


def test_a_strategy_that_declines_is_passed_over_and_nothing_has_failed(route: Route, logs: list[Any]) -> None:
    """The next one down answers, the slate may be kept, and the log has no line."""
    lowest, declining = offering(7), raising(Declined("no model serves 'ana'"))
    router = route(registry(lowest, declining, declining))
    slate = router.recommend(ADVANCED, request(1), CONTEXT)
    assert ("lowest", [7], False) == (slate.strategy, [placed.choice.row for placed in slate.items], slate.degraded)
    assert 1 == lowest.requests[0].limit
    assert [] == logs


def test_a_strategy_that_declines_leaves_the_scores_to_the_next_one_down(route: Route) -> None:
    """Rank falls through as Recommend does."""
    router = route(registry(scoring([1.0]), raising(Declined("no model"))))
    assert "lowest" == router.score(profile(1), np.zeros(1, dtype=np.int32), CONTEXT)[0]


class Needing(Acting):
    """A strategy that needs models."""

    learners = frozenset({"any"})


def test_a_strategy_that_needs_models_is_asked_only_for_listeners_who_have_some(route: Route) -> None:
    """For the others it is as if it had declined, but it is not even asked."""
    needing = Needing(lambda asked: [choice(8)] if isinstance(asked, SlateRequest) else Scores(_ZERO, [""]))
    router = route(registry(offering(7), needing))
    served = replace(CONTEXT, models={"rock": Speaking()})
    without, with_models = (router.recommend(ADVANCED, request(1), context) for context in (CONTEXT, served))
    assert ("lowest", False, "middle") == (without.strategy, without.degraded, with_models.strategy)
    assert 1 == len(needing.requests)
    assert "middle" == router.score(ADVANCED, np.zeros(1, dtype=np.int32), served)[0]
    assert "middle" == router.recommend(ADVANCED, request(1), CONTEXT, name="middle").strategy


@pytest.mark.parametrize("models", [{}, {"rock": Speaking()}], ids=["without models", "with models"])
def test_the_stage_of_a_profile_is_that_of_the_strategy_that_answers(
    route: Route, models: Mapping[str, TasteModel]
) -> None:
    """Both look at the same models."""
    needing = Needing(lambda asked: [choice(8)] if isinstance(asked, SlateRequest) else Scores(_ZERO, [""]))
    lowest = Acting(lambda asked: [choice(7)] if isinstance(asked, SlateRequest) else Scores(_ZERO, [""]))
    router, context = route(registry(lowest, needing)), replace(CONTEXT, models=models)
    stage = router.stage_of(ADVANCED, context).name
    assert ("middle" if models else "lowest") == stage
    assert stage == router.recommend(ADVANCED, request(1), context).strategy
    assert stage == router.score(ADVANCED, np.zeros(1, dtype=np.int32), context)[0]


def test_a_strategy_that_needs_models_cannot_be_the_lowest() -> None:
    """Somebody has to answer those who have none."""
    with pytest.raises(ConfigError, match="no strategy admits every profile"):
        registry(Needing(lambda _: [choice(8)]))


def test_a_failure_above_a_strategy_that_declines_is_not_forgotten(route: Route) -> None:
    """The slate is degraded; where nobody answers, the failure is what is reported."""
    declining, broken = raising(Declined("no model")), raising(ValueError("no such matrix"))
    assert route(registry(offering(7), declining, broken)).recommend(ADVANCED, request(1), CONTEXT).degraded
    with pytest.raises(StrategyFailed, match="no such matrix"):
        route(registry(declining, broken)).recommend(profile(1), request(1), CONTEXT)


def test_a_strategy_asked_for_by_name_that_declines_says_why(route: Route) -> None:
    """The caller wanted this one and no other, and there is nothing to show; nothing has failed."""
    router = route(registry(offering(7), raising(Declined("no model serves 'ana'"))))
    for ask in (
        lambda: router.recommend(profile(1), request(1), CONTEXT, name="middle"),
        lambda: router.score(profile(1), np.zeros(1, dtype=np.int32), CONTEXT, name="middle"),
    ):
        with pytest.raises(StrategyDeclined, match="declined: no model serves 'ana'") as caught:
            ask()
        assert ("middle", "1.0") == (caught.value.strategy, caught.value.version)


def test_the_time_left_is_shared_so_that_the_lowest_stage_can_still_answer(
    route: Route, gate: Gate, logs: list[Any]
) -> None:
    """Two strategies that hang get half of the rest each, so that they do not use up the caller's deadline."""
    router = route(registry(own(offering(7)), gate.hanging(), gate.hanging()))
    slate = router.recommend(ADVANCED, request(1), CONTEXT, deadline=time.monotonic() + 0.4)
    assert "lowest" == slate.strategy
    assert [("highest", True), ("middle", True)] == [
        (line["strategy"], line["seconds"] <= limit) for line, limit in zip(logs, (0.2, 0.1), strict=True)
    ]


def test_what_is_there_in_time_is_answered_when_filling_up_takes_too_long(
    route: Route, gate: Gate, logs: list[Any]
) -> None:
    """A short slate in time is better than a full one too late: filling up gets half of the rest."""
    router = route(registry(gate.hanging(), own(offering(7))))
    slate = router.recommend(profile(1), request(3), CONTEXT, deadline=time.monotonic() + 0.4)
    assert ("middle", [7], True) == (slate.strategy, [placed.choice.row for placed in slate.items], slate.degraded)
    assert [("lowest", True)] == [(line["strategy"], line["seconds"] <= 0.2) for line in logs]


def test_the_lowest_stage_gets_a_moment_even_after_the_deadline(route: Route, gate: Gate) -> None:
    """The strategies above are not begun any more."""
    middle, over = offering(8), time.monotonic() - 1
    slate = route(registry(own(offering(7)), middle)).recommend(profile(1), request(1), CONTEXT, deadline=over)
    assert ("lowest", []) == (slate.strategy, middle.requests)
    with pytest.raises(StrategyFailed, match=r"did not end within 0\.05 seconds"):
        route(registry(gate.hanging())).recommend(profile(1), request(1), CONTEXT, deadline=over)


def test_the_lowest_stage_is_waited_for_as_long_as_the_caller_waits(route: Route, run: Run, gate: Gate) -> None:
    """A slate that comes late is better than none, and the time limit does not count then."""
    router = route(registry(gate.hanging()), timeout=0.01)

    async def ask() -> Slate:
        asking = asyncio.create_task(router.router.recommend(profile(0), request(1), CONTEXT))
        await until(lambda: gate.entered == 1)
        await asyncio.sleep(0.05)
        gate.open()
        return await asking

    assert [19] == [placed.choice.row for placed in run(ask()).items]


def test_no_longer_is_waited_for_the_lowest_stage_than_the_caller_waits(route: Route, gate: Gate) -> None:
    """Nobody would hear the answer."""
    router = route(registry(gate.hanging()), timeout=0.01)
    with pytest.raises(StrategyFailed, match=r"did not end within 0\.[12]"):
        router.recommend(profile(0), request(1), CONTEXT, deadline=time.monotonic() + 0.2)


def test_the_lowest_stage_is_not_waited_for_where_there_is_a_part_of_a_slate(route: Route, gate: Gate) -> None:
    """The time limit counts then."""
    router = route(registry(gate.hanging(), own(offering(7))), timeout=0.01)
    assert [7] == [placed.choice.row for placed in router.recommend(profile(1), request(2), CONTEXT).items]


def test_when_every_strategy_fails_the_lowest_one_is_named(route: Route) -> None:
    """It is the one that must not fail."""
    router = route(registry(raising(ValueError("low")), raising(ValueError("mid"))))
    with pytest.raises(StrategyFailed) as caught:
        router.recommend(profile(1), request(), CONTEXT)
    assert ("lowest", "1.0", "it raised ValueError: low") == (
        caught.value.strategy,
        caught.value.version,
        caught.value.why,
    )


def test_a_call_that_cannot_begin_in_time_is_overloaded_and_not_abandoned(route: Route, run: Run, gate: Gate) -> None:
    """What was never begun is no fault of the strategy."""
    router = route(registry(own(offering(7)), gate.hanging()), limit=1).router

    async def ask() -> Slate:
        first = asyncio.create_task(router.recommend(profile(1), request(1), CONTEXT, name="middle"))
        await until(lambda: gate.entered == 1)
        with pytest.raises(Overloaded, match=r"1 calls of strategy 'middle' .* were in flight all the time"):
            await router.recommend(profile(1), request(1), CONTEXT, name="middle", deadline=time.monotonic() + 0.1)
        assert (1, 0) == (gate.entered, router.abandoned)
        gate.open()
        return await first

    assert "middle" == run(ask()).strategy


def test_a_strategy_asked_for_by_name_answers_alone(route: Route) -> None:
    """Nothing steps in and nothing fills up, whatever the stage."""
    lowest = offering(0, 1, 2)
    router = route(registry(lowest, None, offering(7)))
    slate = router.recommend(profile(0), request(3), CONTEXT, name="highest")
    assert ("highest", [7], []) == (slate.strategy, [placed.choice.row for placed in slate.items], lowest.requests)


def test_a_strategy_without_a_stage_answers_by_name_only(route: Route) -> None:
    """It stands on no stage."""
    stages = [registered("lowest", offering(0), LOWEST), registered("aside", offering(9), None)]
    router = route(Registry(stages))
    assert "lowest" == router.recommend(ADVANCED, request(1), CONTEXT).strategy
    assert "aside" == router.recommend(ADVANCED, request(1), CONTEXT, name="aside").strategy


def test_a_strategy_asked_for_by_name_that_raises_is_reported(route: Route) -> None:
    """The error has its name, version and cause."""
    router = route(registry(offering(0), raising(ValueError("no such matrix"))))
    with pytest.raises(StrategyFailed) as caught:
        router.recommend(profile(0), request(), CONTEXT, name="middle")
    assert ("middle", "1.0", "it raised ValueError: no such matrix") == (
        caught.value.strategy,
        caught.value.version,
        caught.value.why,
    )


def test_a_strategy_asked_for_by_name_that_hangs_is_reported(route: Route, gate: Gate) -> None:
    """Time over is a failure like any other."""
    router = route(registry(offering(0), gate.hanging()), timeout=0.2)
    with pytest.raises(StrategyFailed, match=r"did not end within 0\.2 seconds"):
        router.recommend(profile(0), request(), CONTEXT, name="middle")


def test_a_strategy_asked_for_by_name_that_is_not_loaded_is_reported_with_the_reason(
    route: Route,
) -> None:
    """The caller learns that it is installed and why it does not serve."""
    broken = registered("broken", None, None, "importing x raised ImportError")
    router = route(Registry([registered("lowest", offering(0), LOWEST), broken]))
    with pytest.raises(StrategyFailed, match="not loaded: importing x raised ImportError"):
        router.recommend(profile(0), request(), CONTEXT, name="broken")


def test_an_unknown_name_is_not_found(route: Route) -> None:
    """For Recommend as for Rank."""
    router = route(registry(offering(0)))
    with pytest.raises(NotFound, match="nobody"):
        router.recommend(profile(0), request(), CONTEXT, name="nobody")
    with pytest.raises(NotFound, match="nobody"):
        router.score(profile(0), np.array([1], dtype=np.int32), CONTEXT, name="nobody")


FLAWED: Mapping[str, tuple[list[Any], str]] = {
    "excluded": ([choice(3)], "excluded row"),
    "excluded cluster": ([choice(45)], "row of an excluded cluster"),
    "repeated": ([choice(9)], "repeated row"),
    "too high": ([choice(TRACKS)], "row out of range"),
    "negative": ([choice(-1)], "row out of range"),
    "huge": ([choice(2**40)], "row out of range"),
    "fraction": ([choice(1.5)], "row out of range"),
    "not a number": ([choice(1, score=float("nan"))], "score not finite"),
    "text": ([choice(1, score="high")], "score not finite"),
    "no chance": ([choice(1, propensity=0.0)], "propensity outside (0, 1]"),
    "too much chance": ([choice(1, propensity=1.5)], "propensity outside (0, 1]"),
    "undefined chance": ([choice(1, propensity=float("nan"))], "propensity outside (0, 1]"),
    "taste": ([choice(1, taste_id=None)], "taste_id or model_version not a string"),
    "no reason": ([choice(1, reason=None)], "no Reason"),
    "nearest": (
        [choice(1, reason=Reason(ReasonKind.SIMILAR, nearest_liked=99))],
        "reason's nearest_liked out of range",
    ),
    "truth": ([choice(True)], "row out of range"),
    "too large": ([choice(1, score=1e300)], "score not finite"),
    "half explored": ([choice(1, exploration="yes")], "exploration neither true nor false"),
    "no UTF-8": ([choice(1, taste_id="\ud800")], "taste_id or model_version not a string"),
    "kind": ([choice(1, reason=Reason("popular"))], "reason's kind not a ReasonKind"),  # type: ignore[arg-type]  # wrong on purpose
    "features": (
        [choice(1, reason=Reason(ReasonKind.POPULAR, features=((1, 2.0),)))],  # type: ignore[arg-type]  # wrong on purpose
        "reason's features not names with finite numbers",
    ),
    "parts": (
        [choice(1, reason=Reason(ReasonKind.POPULAR, parts={"audio": "much"}))],  # type: ignore[dict-item]  # wrong on purpose
        "reason's parts not names with finite numbers",
    ),
    "no parts": (
        [choice(1, reason=Reason(ReasonKind.POPULAR, parts=None))],  # type: ignore[arg-type]  # wrong on purpose
        "reason's parts not names with finite numbers",
    ),
    "no choice": ([12, None], "not a Choice"),
    "too many": ([choice(10), choice(11), choice(12)], "beyond the limit"),
}


@pytest.mark.parametrize(("flawed", "cause"), FLAWED.values(), ids=FLAWED.keys())
def test_choices_that_break_a_promise_are_dropped_and_logged(
    route: Route, logs: list[Any], flawed: list[Any], cause: str
) -> None:
    """The promises of a slate hold for any plugin; what is sound in its answer is kept in its order."""
    acting = Acting(lambda _: [choice(9), *flawed, choice(np.int32(8), score=np.float32(1))])
    router = route(registry(acting))
    limit = 3 if cause == "beyond the limit" else 2
    slate = router.recommend(profile(0), request(limit, excluded=[3]), CONTEXT)
    rows = [placed.choice.row for placed in slate.items]
    assert ([9, 10, 11] if cause == "beyond the limit" else [9, 8]) == rows
    (line,) = logs
    dropped = {cause: 2} if len(flawed) > 1 else {cause: 1}
    assert ("palate-lowest", dropped) == (line["distribution"], line["dropped"])


@pytest.mark.parametrize(
    "answer", [None, 5, iter([choice(1)]), {1: choice(1)}], ids=["none", "number", "iterator", "dict"]
)
def test_an_answer_that_is_no_sequence_counts_as_a_failure(route: Route, answer: object) -> None:
    """The reason says what came instead."""
    router = route(registry(offering(7), Acting(lambda _: answer)))
    assert "lowest" == router.recommend(profile(1), request(), CONTEXT).strategy
    with pytest.raises(StrategyFailed, match="not a sequence of choices"):
        router.recommend(profile(1), request(), CONTEXT, name="middle")


REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")


def test_strategies_see_the_context_variables_of_the_call(route: Route) -> None:
    """What they log carries the call's request id."""
    seen: list[str] = []
    router = route(registry(Acting(lambda _: seen.append(REQUEST_ID.get()) or [])))  # type: ignore[func-returns-value]  # appends, then answers
    token = REQUEST_ID.set("r-1")
    router.recommend(profile(0), request(), CONTEXT)
    REQUEST_ID.reset(token)
    assert ["r-1"] == seen


ROWS = np.array([4, 2, 9], dtype=np.int32)


def test_tracks_are_scored_by_the_stage_of_the_profile(route: Route) -> None:
    """The answer names the strategy."""
    router = route(registry(scoring([1, 2, 3]), scoring([0.5, 0.1, 0.2])))
    name, scores = router.score(profile(1), ROWS, CONTEXT)
    assert "middle" == name
    assert np.dtype(np.float32) == scores.values.dtype
    np.testing.assert_allclose([0.5, 0.1, 0.2], scores.values, rtol=1e-6)


UNUSABLE = {
    "raises": raising(ValueError("no")),
    "not a number": scoring([1, float("nan"), 2]),
    "infinite": scoring([1, float("inf"), 2]),
    "too large": Acting(lambda _: Scores(np.full(3, 1e300), [""] * 3)),
    "tastes": Acting(lambda _: Scores(np.zeros(3, dtype=np.float32), [None] * 3)),  # type: ignore[list-item]  # wrong on purpose
    "too few": scoring([1, 2]),
    "too few tastes": scoring([1, 2, 3], tastes=1),
    "text": Acting(lambda _: Scores(np.array(["a", "b", "c"]), [""] * 3)),
    "models": Acting(lambda _: Scores(np.zeros(3, dtype=np.float32), [""] * 3, ["m"])),
    "nothing": Acting(lambda _: None),
}


@pytest.mark.parametrize("acting", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_scores_that_cannot_be_used_fall_through(route: Route, acting: Acting) -> None:
    """There is a finite score for every track, whoever gives it; by name the failure is told."""
    router = route(registry(scoring([1, 2, 3]), acting))
    assert "lowest" == router.score(profile(1), ROWS, CONTEXT)[0]
    with pytest.raises(StrategyFailed):
        router.score(profile(1), ROWS, CONTEXT, name="middle")


def test_scoring_that_hangs_falls_through_within_the_deadline(route: Route, gate: Gate, logs: list[Any]) -> None:
    """Rank keeps the same promises about time as Recommend."""
    router = route(registry(own(scoring([1, 2, 3])), gate.hanging()))
    assert "lowest" == router.score(profile(1), ROWS, CONTEXT, deadline=time.monotonic() + 0.4)[0]
    assert [("middle", True)] == [(line["strategy"], line["seconds"] <= 0.2) for line in logs]
