"""The models that a worker keeps."""

import asyncio
import contextvars
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from palate.bursts import Burst
from palate.errors import StoreUnavailable
from palate.models.artifact import UnusableModel
from palate.models.session import ServedModel
from palate.models.sessions import SessionCache

Make = Callable[..., ServedModel]


class Loader:
    """Loads models, counts how often, waits at a gate for some versions and fails for others."""

    def __init__(self, make: Make) -> None:
        self.make = make
        self.loads: Counter[str] = Counter()
        self.failures: dict[str, Exception] = {}
        self.gates: dict[str, threading.Event] = {}
        self.begun = threading.Event()
        self.broken: list[tuple[str, str]] = []

    def load(self, version: str) -> ServedModel:
        """Load a version."""
        self.loads[version] += 1
        if version in self.gates:
            self.begun.set()
            assert self.gates[version].wait(10)
        if version in self.failures:
            raise self.failures[version]
        return self.make(version=version)

    def cache(self, max_bytes: int = 10**9) -> SessionCache:
        """Return a cache that loads from here."""
        return SessionCache(self.load, max_bytes, lambda version, reason: self.broken.append((version, reason)))


@pytest.fixture
def loader(make_model: Make) -> Loader:
    """Return a loader."""
    return Loader(make_model)


def test_a_version_is_loaded_once(loader: Loader) -> None:
    """The second call gets the same model."""
    cache = loader.cache()
    assert cache.get("v1") is cache.get("v1")
    assert "v1" == cache.get("v1").version
    assert {"v1": 1} == loader.loads


def test_who_has_loaded_a_version_lets_the_event_loop_go_on_before_using_it(loader: Loader) -> None:
    """The loop stands still for a call, but not for the loading of a model and for the slate by it in one go."""
    cache, log = loader.cache(), list[str]()
    loader.gates["v1"] = threading.Event()

    def work() -> None:
        cache.get("v1")
        log.append("the model is used")

    async def run() -> None:
        burst = Burst(asyncio.get_running_loop(), seconds=60)
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(contextvars.copy_context().run, burst.run, work)
            threading.Timer(0.05, loader.gates["v1"].set).start()
            burst.stand()
            log.append("the loop goes on")
            await asyncio.wrap_future(future)

    asyncio.run(run())
    assert ["the loop goes on", "the model is used"] == log


def test_many_who_ask_for_a_cold_version_at_once_load_it_once(loader: Loader) -> None:
    """Two load calls loaded twice, and simultaneous cold requests thrashed, elsewhere."""
    loader.gates["v1"] = threading.Event()
    cache = loader.cache()
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(cache.get, "v1") for _ in range(8)]
        assert loader.begun.wait(10)
        loader.gates["v1"].set()
        assert 1 == len({id(each.result(10)) for each in waiting})
    assert {"v1": 1} == loader.loads


def test_a_load_keeps_nobody_else_waiting(loader: Loader) -> None:
    """A lock around loading blocked requests for warm models, elsewhere; here other cold ones do not wait either."""
    loader.gates["slow"] = threading.Event()
    cache = loader.cache()
    warm = cache.get("warm")
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(cache.get, "slow")
        assert loader.begun.wait(10)
        assert warm is cache.get("warm")
        assert "cold" == cache.get("cold").version
        assert not slow.done()
        loader.gates["slow"].set()
        assert "slow" == slow.result(10).version


def test_a_version_that_cannot_be_used_is_reported_once_and_not_tried_again(loader: Loader) -> None:
    """Every call hears the reason; the load that failed is not repeated."""
    loader.failures["bad"] = UnusableModel("its opset is 3")
    cache = loader.cache()
    for _ in range(3):
        with pytest.raises(UnusableModel, match="its opset is 3"):
            cache.get("bad")
    assert {"bad": 1} == loader.loads
    assert [("bad", "its opset is 3")] == loader.broken


def test_all_who_wait_for_a_load_hear_that_it_failed(loader: Loader) -> None:
    """A second failing load returned success, elsewhere."""
    loader.gates["bad"] = threading.Event()
    loader.failures["bad"] = UnusableModel("cut off")
    cache = loader.cache()
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(cache.get, "bad") for _ in range(4)]
        assert loader.begun.wait(10)
        loader.gates["bad"].set()
        assert 4 == sum(isinstance(each.exception(10), UnusableModel) for each in waiting)
    assert 1 == len(loader.broken)


def test_what_the_store_could_not_give_is_tried_again(loader: Loader) -> None:
    """One blip of the store does not leave a model out for good."""
    loader.failures["v1"] = StoreUnavailable("database is locked")
    cache = loader.cache()
    with pytest.raises(StoreUnavailable):
        cache.get("v1")
    del loader.failures["v1"]
    assert "v1" == cache.get("v1").version
    assert [] == loader.broken


def test_the_least_recently_used_go_when_memory_is_used_up(loader: Loader, make_model: Make) -> None:
    """The bound is in bytes, and holds."""
    size = make_model(version="v1").size_bytes
    cache = loader.cache(max_bytes=3 * size)
    for version in ("v1", "v2", "v3", "v1", "v4"):
        cache.get(version)
        assert cache.size_bytes <= 3 * size
    for version in ("v1", "v3", "v4"):
        cache.get(version)
    assert 1 == max(loader.loads.values())
    cache.get("v2")
    assert 2 == loader.loads["v2"]


def test_a_model_that_alone_is_too_large_still_answers(loader: Loader) -> None:
    """It is loaded for every answer, and not kept."""
    cache = loader.cache(max_bytes=10)
    assert ["v1", "v1"] == [cache.get("v1").version for _ in range(2)]
    assert 0 == cache.size_bytes
    assert {"v1": 2} == loader.loads


def test_failures_do_not_pile_up(loader: Loader) -> None:
    """Those that are remembered count as memory too."""
    cache = loader.cache(max_bytes=10_000)
    for number in range(100):
        loader.failures[str(number)] = UnusableModel("bad")
        with pytest.raises(UnusableModel):
            cache.get(str(number))
    assert 0 < cache.size_bytes <= 10_000
