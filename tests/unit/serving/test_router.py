"""Requests go down the stages, and every answer is guarded."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from palate.domain import Profile, Rating, RecordedTrack, Tally, Taste, Verdict
from palate.domain.track import GenreCluster
from palate.errors import NotFound, Overloaded, StrategyFailed
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
)
from palate.plugins.slate import without_excluded
from palate.serving.router import Router
from structlog.testing import capture_logs

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
    main_artist = np.arange(TRACKS, dtype=np.int32) // 2
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
    """A strategy that answers as a test tells it to, and remembers what it was asked."""

    config_type: ClassVar[type[NoOptions]] = NoOptions
    stage: ClassVar[Stage | None] = None

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


@pytest.fixture
def executor(gate: Gate) -> Iterator[ThreadPoolExecutor]:
    """Return threads that strategies run in; they end with the test."""
    with ThreadPoolExecutor(16) as executor:
        yield executor
        gate.open()


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[Any]]:
    """Return the lines of the log as they come."""
    with capture_logs() as lines:
        yield lines


def registered(name: str, strategy: Acting | None, stage: Stage | None, reason: str = "") -> Registered:
    """Return a strategy as the registry keeps it."""
    state = StrategyState.FAILED if strategy is None else StrategyState.LOADED
    return Registered(name, f"palate-{name}", "1.0", state, reason, strategy, stage)


def registry(lowest: Acting, middle: Acting | None = None, highest: Acting | None = None) -> Registry:
    """Return a stages of up to three strategies."""
    stages = {"lowest": (lowest, LOWEST), "middle": (middle, MIDDLE), "highest": (highest, HIGHEST)}
    return Registry(registered(name, strategy, stage) for name, (strategy, stage) in stages.items() if strategy)


def profile(likes: int) -> Profile:
    """Return a profile with one taste of so many likes: confidence ``likes / (likes + 4)``."""
    evidence = RecordedTrack((0.5,) * 9, ())
    ratings = {str(n): Rating(str(n), Verdict.LIKE, "rock", evidence, n + 1) for n in range(likes)}
    taste = Taste("rock", opened=1, revision=max(likes, 1), liked=Tally(count=likes))
    return Profile("ana", likes, {"rock": taste} if likes else {}, ratings)


ADVANCED = profile(10)


def request(limit: int = 3, excluded: Sequence[int] = (), artists: Sequence[int] = ()) -> SlateRequest:
    """Return a request."""
    return SlateRequest(limit, np.array(excluded, dtype=np.int32), frozenset(artists), seed=7)


@pytest.mark.parametrize(("likes", "name"), [(0, "lowest"), (1, "middle"), (2, "middle"), (3, "highest")])
def test_the_stage_is_the_highest_rung_that_admits_the_profile(
    executor: ThreadPoolExecutor, likes: int, name: str
) -> None:
    """Both the confidence and the interactions must be reached."""
    router = Router(registry(offering(0), offering(1), offering(2)), executor, timeout=5)
    assert name == router.stage_of(profile(likes)).name
    assert name == router.recommend(profile(likes), request(1), CONTEXT).strategy


def test_a_rung_below_that_does_not_admit_the_profile_is_not_asked(executor: ThreadPoolExecutor) -> None:
    """A stage is a promise to the strategy about the profiles that it meets."""
    strict = offering(5)
    stages = [
        registered("lowest", offering(0), LOWEST),
        registered("strict", strict, Stage(0.1, 100)),
        registered("highest", offering(), HIGHEST),
    ]
    slate = Router(Registry(stages), executor, timeout=5).recommend(ADVANCED, request(), CONTEXT)
    assert ("lowest", []) == (slate.strategy, strict.requests)


def test_a_short_slate_is_filled_up_from_the_rungs_below(executor: ThreadPoolExecutor) -> None:
    """Each is asked for what is left, and knows the rows and artists that the slate has already."""
    middle, lowest = offering(2, 30, 31), offering(31, 8, 9)
    router = Router(registry(lowest, middle, offering(40, 4)), executor, timeout=5)
    slate = router.recommend(ADVANCED, request(5, excluded=[2, 50], artists=[29]), CONTEXT)
    assert [("highest", [4]), ("middle", [30, 31]), ("lowest", [8, 9])] == [
        (name, [placed.choice.row for placed in slate.items if placed.strategy == name])
        for name in ("highest", "middle", "lowest")
    ]
    assert [2, 4, 50] == middle.requests[0].excluded.tolist()
    assert [2, 4, 30, 31, 50] == lowest.requests[0].excluded.tolist()
    assert (4, 2) == (middle.requests[0].limit, lowest.requests[0].limit)
    assert frozenset({29, 2, 15}) == lowest.requests[0].artists
    assert ("highest", "1.0", False) == (slate.strategy, slate.version, slate.degraded)


def test_a_full_slate_asks_nobody_below(executor: ThreadPoolExecutor) -> None:
    """One strategy, one hop."""
    lowest = offering(0)
    Router(registry(lowest, offering(1, 2, 3)), executor, timeout=5).recommend(profile(1), request(3), CONTEXT)
    assert [] == lowest.requests


def test_an_empty_slate_falls_through_and_is_named_after_who_filled_it(executor: ThreadPoolExecutor) -> None:
    """The slate's strategy is the first one that contributed; an empty answer is no failure."""
    slate = Router(registry(offering(7), offering()), executor, timeout=5).recommend(profile(1), request(), CONTEXT)
    assert ("lowest", [7], False) == (slate.strategy, [placed.choice.row for placed in slate.items], slate.degraded)


def test_when_nothing_is_left_the_slate_is_empty(executor: ThreadPoolExecutor) -> None:
    """A catalog that is used up is no failure."""
    slate = Router(registry(offering(7), offering(8)), executor, timeout=5).recommend(
        profile(1), request(excluded=[7, 8]), CONTEXT
    )
    assert ("lowest", (), False) == (slate.strategy, slate.items, slate.degraded)


def test_a_failure_above_an_empty_answer_is_no_failure_of_the_slate(executor: ThreadPoolExecutor) -> None:
    """The lowest strategy has answered that nothing is left; the slate says that the one above failed."""
    router = Router(registry(offering(), raising(ValueError("no"))), executor, timeout=5)
    slate = router.recommend(profile(1), request(), CONTEXT)
    assert ("lowest", (), True) == (slate.strategy, slate.items, slate.degraded)


ERRORS = [ValueError("no such matrix"), TimeoutError("slow upstream"), SystemExit("bye"), Overloaded("busy")]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_strategy_that_raises_is_logged_once_and_the_next_one_down_answers(
    executor: ThreadPoolExecutor, logs: list[Any], error: BaseException
) -> None:
    """The log has the traceback, the strategy, its distribution and version; the listener has a slate."""
    router = Router(registry(offering(7), raising(error)), executor, timeout=5)
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


def test_a_strategy_that_runs_out_of_time_is_left_behind(
    executor: ThreadPoolExecutor, gate: Gate, logs: list[Any]
) -> None:
    """The next one down answers, and the abandoned call is counted until it ends."""
    router = Router(registry(offering(7), gate.hanging()), executor, timeout=0.2)
    slate = router.recommend(profile(1), request(1), CONTEXT)
    assert ("lowest", [7], True) == (slate.strategy, [placed.choice.row for placed in slate.items], slate.degraded)
    assert 1 == router.abandoned
    assert [("warning", "middle", "palate-middle")] == [
        (line["log_level"], line["strategy"], line["distribution"]) for line in logs
    ]
    gate.open()
    executor.shutdown()
    assert 0 == router.abandoned


def test_a_strategy_with_too_many_abandoned_calls_is_passed_over_until_they_end(
    executor: ThreadPoolExecutor, gate: Gate
) -> None:
    """Whoever hangs costs nobody any time after the first few calls, and comes back when it can."""
    router = Router(registry(offering(7), gate.hanging()), executor, timeout=0.2, max_abandoned=2)
    for _ in range(2):
        router.recommend(profile(1), request(1), CONTEXT)
    started = time.monotonic()
    assert "lowest" == router.recommend(profile(1), request(1), CONTEXT).strategy
    with pytest.raises(StrategyFailed, match="2 calls that ran out of time have not ended yet"):
        router.recommend(profile(1), request(1), CONTEXT, name="middle")
    assert time.monotonic() - started < 0.2
    assert 2 == gate.entered
    gate.open()
    while router.abandoned:
        time.sleep(0.001)
    assert "middle" == router.recommend(profile(1), request(1), CONTEXT).strategy


def test_a_strategy_that_hangs_never_holds_more_threads_than_allowed(executor: ThreadPoolExecutor, gate: Gate) -> None:
    """However many callers come at once, and all of them get a slate."""
    router = Router(registry(offering(7), gate.hanging()), executor, timeout=0.2, max_abandoned=3)
    with ThreadPoolExecutor(12) as callers:
        slates = list(callers.map(lambda _: router.recommend(profile(1), request(1), CONTEXT), range(24)))
    assert {"lowest"} == {slate.strategy for slate in slates}
    assert (3, 3) == (gate.entered, router.abandoned)


def test_a_strategy_that_declines_is_passed_over_and_nothing_has_failed(
    executor: ThreadPoolExecutor, logs: list[Any]
) -> None:
    """The next one down answers, the slate may be kept, and the log has no line."""
    lowest, declining = offering(7), raising(Declined("no model serves 'ana'"))
    router = Router(registry(lowest, declining, declining), executor, timeout=5)
    slate = router.recommend(ADVANCED, request(1), CONTEXT)
    assert ("lowest", [7], False) == (slate.strategy, [placed.choice.row for placed in slate.items], slate.degraded)
    assert 1 == lowest.requests[0].limit
    assert [] == logs


def test_a_strategy_that_declines_leaves_the_scores_to_the_next_one_down(executor: ThreadPoolExecutor) -> None:
    """Rank falls through as Recommend does."""
    router = Router(registry(scoring([1.0]), raising(Declined("no model"))), executor, timeout=5)
    assert "lowest" == router.score(profile(1), np.zeros(1, dtype=np.int32), CONTEXT)[0]


class Needing(Acting):
    """A strategy that needs models."""

    stage = Stage(0.0, 0, frozenset({"logistic"}))


def test_a_strategy_that_needs_models_is_asked_only_for_listeners_who_have_some(executor: ThreadPoolExecutor) -> None:
    """For the others it is as if it had declined, without a thread and whoever else is on the stages."""
    needing = Needing(lambda asked: [choice(8)] if isinstance(asked, SlateRequest) else Scores(_ZERO, [""]))
    router = Router(registry(offering(7), needing), executor, timeout=5)
    served = replace(CONTEXT, models={"rock": Speaking()})
    without, with_models = (router.recommend(ADVANCED, request(1), context) for context in (CONTEXT, served))
    assert ("lowest", False, "middle") == (without.strategy, without.degraded, with_models.strategy)
    assert 1 == len(needing.requests)
    assert "middle" == router.score(ADVANCED, np.zeros(1, dtype=np.int32), served)[0]
    assert "middle" == router.recommend(ADVANCED, request(1), CONTEXT, name="middle").strategy


def test_the_lowest_strategy_is_asked_even_if_it_needs_models(executor: ThreadPoolExecutor) -> None:
    """Somebody has to answer."""
    router = Router(registry(Needing(lambda _: [choice(8)])), executor, timeout=5)
    assert "lowest" == router.recommend(profile(1), request(1), CONTEXT).strategy


def test_a_failure_above_a_strategy_that_declines_is_not_forgotten(executor: ThreadPoolExecutor) -> None:
    """The slate is degraded; where nobody answers, the failure is what is reported."""
    declining, broken = raising(Declined("no model")), raising(ValueError("no such matrix"))
    assert (
        Router(registry(offering(7), declining, broken), executor, timeout=5)
        .recommend(ADVANCED, request(1), CONTEXT)
        .degraded
    )
    with pytest.raises(StrategyFailed, match="no such matrix"):
        Router(registry(declining, broken), executor, timeout=5).recommend(profile(1), request(1), CONTEXT)


def test_a_strategy_asked_for_by_name_that_declines_says_why(executor: ThreadPoolExecutor) -> None:
    """The caller wanted this one and no other, and there is nothing to show."""
    router = Router(registry(offering(7), raising(Declined("no model serves 'ana'"))), executor, timeout=5)
    for ask in (
        lambda: router.recommend(profile(1), request(1), CONTEXT, name="middle"),
        lambda: router.score(profile(1), np.zeros(1, dtype=np.int32), CONTEXT, name="middle"),
    ):
        with pytest.raises(StrategyFailed, match="it declined: no model serves 'ana'") as caught:
            ask()
        assert ("middle", "1.0") == (caught.value.strategy, caught.value.version)


def test_the_time_left_is_shared_so_that_the_lowest_stage_can_still_answer(
    executor: ThreadPoolExecutor, gate: Gate
) -> None:
    """Two strategies that hang do not use up the caller's deadline."""
    router = Router(registry(offering(7), gate.hanging(), gate.hanging()), executor, timeout=10)
    deadline = time.monotonic() + 1
    slate = router.recommend(ADVANCED, request(1), CONTEXT, deadline=deadline)
    assert "lowest" == slate.strategy
    assert time.monotonic() < deadline


def test_what_is_there_in_time_is_answered_when_filling_up_takes_too_long(
    executor: ThreadPoolExecutor, gate: Gate
) -> None:
    """A short slate in time is better than a full one too late."""
    router = Router(registry(gate.hanging(), offering(7)), executor, timeout=10)
    deadline = time.monotonic() + 0.6
    slate = router.recommend(profile(1), request(3), CONTEXT, deadline=deadline)
    assert ("middle", [7], True) == (slate.strategy, [placed.choice.row for placed in slate.items], slate.degraded)
    assert time.monotonic() < deadline


def test_the_lowest_stage_gets_a_moment_even_after_the_deadline(executor: ThreadPoolExecutor) -> None:
    """The strategies above are not begun any more."""
    middle = offering(8)
    router = Router(registry(offering(7), middle), executor, timeout=5)
    slate = router.recommend(profile(1), request(1), CONTEXT, deadline=time.monotonic() - 1)
    assert ("lowest", []) == (slate.strategy, middle.requests)


def test_the_lowest_stage_is_waited_for_as_long_as_the_caller_waits(executor: ThreadPoolExecutor, gate: Gate) -> None:
    """A slate that comes late is better than none; where there is a part of one, no more time is spent on it."""
    slow = Acting(lambda _: time.sleep(0.5) or [choice(3)])  # type: ignore[func-returns-value]  # sleeps, then answers
    router = Router(registry(slow, offering(7)), executor, timeout=0.1)
    assert [3] == [placed.choice.row for placed in router.recommend(profile(0), request(1), CONTEXT).items]
    assert [7] == [placed.choice.row for placed in router.recommend(profile(1), request(2), CONTEXT).items]
    router = Router(registry(gate.hanging()), executor, timeout=0.1)
    with pytest.raises(StrategyFailed, match=r"did not end within 0\.[34]"):
        router.recommend(profile(0), request(1), CONTEXT, deadline=time.monotonic() + 0.4)


def test_when_every_strategy_fails_the_lowest_one_is_named(executor: ThreadPoolExecutor) -> None:
    """It is the one that must not fail."""
    router = Router(registry(raising(ValueError("low")), raising(ValueError("mid"))), executor, timeout=5)
    with pytest.raises(StrategyFailed) as caught:
        router.recommend(profile(1), request(), CONTEXT)
    assert ("lowest", "1.0", "it raised ValueError: low") == (
        caught.value.strategy,
        caught.value.version,
        caught.value.why,
    )


def test_without_a_free_thread_the_call_is_overloaded_and_nothing_counts_as_abandoned(gate: Gate) -> None:
    """What was never begun is no fault of the strategy."""
    lowest = offering(7)
    with ThreadPoolExecutor(1) as executor:
        executor.submit(gate.hanging().act, None)
        router = Router(registry(lowest), executor, timeout=5)
        with pytest.raises(Overloaded, match="no thread became free"):
            router.recommend(profile(0), request(), CONTEXT, deadline=time.monotonic() + 0.2)
        assert (0, []) == (router.abandoned, lowest.requests)
        gate.open()


def test_a_strategy_asked_for_by_name_answers_alone(executor: ThreadPoolExecutor) -> None:
    """Nothing steps in and nothing fills up, whatever the stage."""
    lowest = offering(0, 1, 2)
    router = Router(registry(lowest, None, offering(7)), executor, timeout=5)
    slate = router.recommend(profile(0), request(3), CONTEXT, name="highest")
    assert ("highest", [7], []) == (slate.strategy, [placed.choice.row for placed in slate.items], lowest.requests)


def test_a_strategy_without_a_stage_answers_by_name_only(executor: ThreadPoolExecutor) -> None:
    """It stands on no stage."""
    stages = [registered("lowest", offering(0), LOWEST), registered("aside", offering(9), None)]
    router = Router(Registry(stages), executor, timeout=5)
    assert "lowest" == router.recommend(ADVANCED, request(1), CONTEXT).strategy
    assert "aside" == router.recommend(ADVANCED, request(1), CONTEXT, name="aside").strategy


def test_a_strategy_asked_for_by_name_that_raises_is_reported(executor: ThreadPoolExecutor) -> None:
    """The error has its name, version and cause."""
    router = Router(registry(offering(0), raising(ValueError("no such matrix"))), executor, timeout=5)
    with pytest.raises(StrategyFailed) as caught:
        router.recommend(profile(0), request(), CONTEXT, name="middle")
    assert ("middle", "1.0", "it raised ValueError: no such matrix") == (
        caught.value.strategy,
        caught.value.version,
        caught.value.why,
    )


def test_a_strategy_asked_for_by_name_that_hangs_is_reported(executor: ThreadPoolExecutor, gate: Gate) -> None:
    """Time over is a failure like any other."""
    router = Router(registry(offering(0), gate.hanging()), executor, timeout=0.2)
    with pytest.raises(StrategyFailed, match=r"did not end within 0\.2 seconds"):
        router.recommend(profile(0), request(), CONTEXT, name="middle")


def test_a_strategy_asked_for_by_name_that_is_not_loaded_is_reported_with_the_reason(
    executor: ThreadPoolExecutor,
) -> None:
    """The caller learns that it is installed and why it does not serve."""
    broken = registered("broken", None, None, "importing x raised ImportError")
    router = Router(Registry([registered("lowest", offering(0), LOWEST), broken]), executor, timeout=5)
    with pytest.raises(StrategyFailed, match="not loaded: importing x raised ImportError"):
        router.recommend(profile(0), request(), CONTEXT, name="broken")


def test_an_unknown_name_is_not_found(executor: ThreadPoolExecutor) -> None:
    """For Recommend as for Rank."""
    router = Router(registry(offering(0)), executor, timeout=5)
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
    executor: ThreadPoolExecutor, logs: list[Any], flawed: list[Any], cause: str
) -> None:
    """The promises of a slate hold for any plugin; what is sound in its answer is kept in its order."""
    acting = Acting(lambda _: [choice(9), *flawed, choice(np.int32(8), score=np.float32(1))])
    router = Router(registry(acting), executor, timeout=5)
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
def test_an_answer_that_is_no_sequence_counts_as_a_failure(executor: ThreadPoolExecutor, answer: object) -> None:
    """The reason says what came instead."""
    router = Router(registry(offering(7), Acting(lambda _: answer)), executor, timeout=5)
    assert "lowest" == router.recommend(profile(1), request(), CONTEXT).strategy
    with pytest.raises(StrategyFailed, match="not a sequence of choices"):
        router.recommend(profile(1), request(), CONTEXT, name="middle")


REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")


def test_strategies_see_the_context_variables_of_the_call(executor: ThreadPoolExecutor) -> None:
    """What they log carries the call's request id."""
    seen: list[str] = []
    router = Router(registry(Acting(lambda _: seen.append(REQUEST_ID.get()) or [])), executor, timeout=5)  # type: ignore[func-returns-value]  # appends, then answers
    token = REQUEST_ID.set("r-1")
    router.recommend(profile(0), request(), CONTEXT)
    REQUEST_ID.reset(token)
    assert ["r-1"] == seen


ROWS = np.array([4, 2, 9], dtype=np.int32)


def test_tracks_are_scored_by_the_stage_of_the_profile(executor: ThreadPoolExecutor) -> None:
    """The answer names the strategy."""
    router = Router(registry(scoring([1, 2, 3]), scoring([0.5, 0.1, 0.2])), executor, timeout=5)
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
def test_scores_that_cannot_be_used_fall_through(executor: ThreadPoolExecutor, acting: Acting) -> None:
    """There is a finite score for every track, whoever gives it; by name the failure is told."""
    router = Router(registry(scoring([1, 2, 3]), acting), executor, timeout=5)
    assert "lowest" == router.score(profile(1), ROWS, CONTEXT)[0]
    with pytest.raises(StrategyFailed):
        router.score(profile(1), ROWS, CONTEXT, name="middle")


def test_scoring_that_hangs_falls_through_within_the_deadline(executor: ThreadPoolExecutor, gate: Gate) -> None:
    """Rank keeps the same promises about time as Recommend."""
    router = Router(registry(scoring([1, 2, 3]), gate.hanging()), executor, timeout=10)
    deadline = time.monotonic() + 0.6
    assert "lowest" == router.score(profile(1), ROWS, CONTEXT, deadline=deadline)[0]
    assert time.monotonic() < deadline
