"""Slates that are cached."""

import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from palate.catalog.snapshot import Catalog
from palate.domain import EventKind
from palate.metrics import Metrics
from palate.models.cache import ModelCache
from palate.plugins import Registry
from palate.serving.feedback import Feedback, FeedbackService
from palate.serving.fields import PageTokens
from palate.serving.profiles import Profiles
from palate.serving.recommend import ANSWER_BYTES, RecommendQuery, RecommendService
from palate.serving.router import Router
from palate.store import open_store
from palate.store.contract import Store
from support.loops import Run


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return an empty store."""
    with closing(open_store(f"sqlite:///{tmp_path / 'palate.db'}")) as opened:
        yield opened


class Worker:
    """Recommends as a worker does that has room for some answers."""

    def __init__(self, store: Store, catalog: Catalog, run: Run, cache_bytes: int, stack: ExitStack) -> None:
        self.metrics = Metrics()
        models = stack.enter_context(closing(ModelCache(store.models, "", 0, self.metrics)))
        router = stack.enter_context(closing(Router(Registry.load(options={}, stages={}), 60, self.metrics)))
        profiles = Profiles(store, catalog, models, 0, 0, self.metrics)
        tokens = PageTokens(bytes(32))
        self._service = RecommendService(catalog, profiles, router, tokens, cache_bytes, self.metrics)
        self._run = run

    def recommend(self, user_id: str, page_size: int = 10) -> bytes:
        """Make a slate."""
        query = RecommendQuery(user_id, page_size, digest=f"{user_id} {page_size}".encode())
        return self._run(self._service.recommend(query))

    def cached(self) -> float:
        """Return how many slates came from the cache."""
        [family] = self.metrics.slates.collect()
        return sum(
            sample.value
            for sample in family.samples
            if sample.name.endswith("_total") and sample.labels["cached"] == "true"
        )


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Return what closes things with the end of the test."""
    with ExitStack() as closes:
        yield closes


def test_an_answer_is_cached_until_the_profile_changes(
    store: Store, catalog: Catalog, run: Run, stack: ExitStack
) -> None:
    """Equal requests get the same bytes; feedback makes another slate."""
    worker = Worker(store, catalog, run, 10**6, stack)
    first, second = worker.recommend("ana"), worker.recommend("ana")
    assert (True, 1) == (first is second, worker.cached())
    with closing(FeedbackService(store, catalog)) as feedback:
        feedback.record([Feedback("ana", EventKind.LIKE, catalog.track_id(0))]).result()
    assert first != worker.recommend("ana")
    assert 1 == worker.cached()


def test_cached_answers_take_no_more_bytes_than_they_may(
    store: Store, catalog: Catalog, run: Run, stack: ExitStack
) -> None:
    """Those that were asked for least recently are evicted, and a large one takes the room of several."""
    room = 3 * (ANSWER_BYTES + len(Worker(store, catalog, run, 0, stack).recommend("ana")) + 50)
    worker = Worker(store, catalog, run, room, stack)
    for user_id in ("ana", "ben", "eve", "ana", "dan"):
        worker.recommend(user_id)
    assert 1 == worker.cached()
    for user_id in ("ana", "eve", "dan"):
        worker.recommend(user_id)
    assert 4 == worker.cached()
    worker.recommend("ben")
    assert 4 == worker.cached()
    worker.recommend("ana", page_size=20)
    worker.recommend("ben", page_size=100)
    assert 4 == worker.cached()
    worker.recommend("ben", page_size=100)
    assert 4 == worker.cached(), "one that does not fit is not cached"


def test_without_room_every_answer_is_made(store: Store, catalog: Catalog, run: Run, stack: ExitStack) -> None:
    """Nothing is cached, and equal requests get equal answers."""
    worker = Worker(store, catalog, run, 0, stack)
    assert worker.recommend("ana") == worker.recommend("ana")
    assert 0 == worker.cached()


def test_cached_answers_take_about_as_many_bytes_as_they_are_counted_for(
    store: Store, catalog: Catalog, run: Run, stack: ExitStack
) -> None:
    """What stands beside an answer is counted, and no estimate is wrong by more than a factor."""
    room = 200_000
    worker = Worker(store, catalog, run, room, stack)
    worker.recommend("nobody")
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(400):
        worker.recommend(f"listener {number}", page_size=1)
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert room / 3 < taken < 1.5 * room
    worker.recommend("listener 399", page_size=1)
    assert 1 == worker.cached()
