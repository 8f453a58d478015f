"""The models that a worker opens, over a real store."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from palate.errors import StoreUnavailable
from palate.metrics import Metrics
from palate.models.cache import ModelCache
from palate.plugins.strategy import TasteModel
from palate.store import open_store
from palate.store.contract import ModelState, ServingVersion, Store
from support.loops import Run
from support.models import like, make_record, make_run

FEATURE_MAP = "0123456789abcdef"
ROWS = np.zeros((1, 9), dtype=np.float32)
Make = Callable[..., Any]
Publish = Callable[..., None]
MakeCache = Callable[..., ModelCache]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return a store with a listener."""
    with closing(open_store(f"sqlite:///{tmp_path / 'palate.db'}")) as opened:
        like(opened)
        yield opened


@pytest.fixture
def publish(store: Store, make_file: Make) -> Publish:
    """Return a function that publishes a version; `content` is stored in place of the file that was hashed."""

    def published(version: str, content: bytes | None = None, learner: str = "logistic", **arguments: Any) -> None:
        file = make_file(version=version, learner=learner, **arguments)
        known = {"sha256": sha256(file).hexdigest(), "size_bytes": len(file), "learner": learner}
        record = make_record(version, **known)
        assert "" == store.models.publish(record, file if content is None else content, make_run(store, record))

    return published


class Artifacts:
    """Reads files from a store, counts how often, waits at a gate for some and fails for others."""

    def __init__(self, store: Store) -> None:
        self._read = store.models.artifact
        self.reads: Counter[str] = Counter()
        self.failures: dict[str, Exception] = {}
        self.gates: dict[str, threading.Event] = {}
        self.begun = threading.Event()

    def read(self, version: str) -> bytes | None:
        """Read a file."""
        self.reads[version] += 1
        if version in self.gates:
            self.begun.set()
            assert self.gates[version].wait(30), "nobody opened the gate"
        if version in self.failures:
            raise self.failures[version]
        return self._read(version)

    async def wait_until_begun(self) -> None:
        """Wait until the loader thread stands at a gate."""
        assert await asyncio.to_thread(self.begun.wait, 30)


@pytest.fixture
def artifacts(store: Store, monkeypatch: pytest.MonkeyPatch) -> Artifacts:
    """Return what reads the files of that store from now on."""
    reading = Artifacts(store)
    monkeypatch.setattr(store.models, "artifact", reading.read)
    return reading


@pytest.fixture
def metrics() -> Metrics:
    """Return what the caches count on."""
    return Metrics()


@pytest.fixture
def make_cache(store: Store, artifacts: Artifacts, metrics: Metrics) -> Iterator[MakeCache]:  # noqa: ARG001 - counts
    """Return a function that makes what a worker has that has opened nothing yet."""
    with ExitStack() as stack:

        def make(max_bytes: int = 10**8) -> ModelCache:
            return stack.enter_context(closing(ModelCache(store.models, FEATURE_MAP, max_bytes, metrics)))

        yield make


class Worker:
    """Opens ana's models as a worker does, from one cache."""

    def __init__(self, store: Store, cache: ModelCache, run: Run) -> None:
        self._store = store
        self._run = run
        self.cache = cache

    def open(self) -> Mapping[str, TasteModel]:
        """Open the models that serve now."""
        return self._run(self.cache.open("ana", self._store.models.serving_versions("ana")))

    def versions(self) -> dict[str, str]:
        """Return the version that serves each taste."""
        return {taste_id: model.version for taste_id, model in self.open().items()}

    def open_version(self, version: str) -> str | None:
        """Open what serves metal where the store says that it is this version, which nothing precedes."""
        model = self._run(self.cache.open("ana", self.serving(version))).get("metal")
        return model.version if model else None

    def serving(self, version: str) -> dict[str, ServingVersion]:
        """Return what the store would say if this version served."""
        record = self._store.models.record(version)
        assert record is not None
        return {"metal": ServingVersion("metal", version, record.learner, record.sha256)}


@pytest.fixture
def make_worker(store: Store, make_cache: MakeCache, run: Run) -> Callable[..., Worker]:
    """Return a function that makes workers."""
    return lambda max_bytes=10**8: Worker(store, make_cache(max_bytes), run)


@pytest.fixture
def worker(make_worker: Callable[..., Worker]) -> Worker:
    """Return a worker."""
    return make_worker()


def state(store: Store, version: str) -> tuple[ModelState, str]:
    """Return a model's state and its reason."""
    record = store.models.record(version)
    assert record is not None
    return record.state, record.reason


def test_a_published_model_serves(publish: Publish, worker: Worker) -> None:
    """It is found under its taste and answers."""
    publish("v1", bias=1.0)
    models = worker.open()
    assert ["metal"] == list(models)
    assert pytest.approx(1 / (1 + np.exp(-1))) == models["metal"].probabilities(ROWS)[0]


def test_what_is_opened_cannot_be_changed(publish: Publish, worker: Worker) -> None:
    """Strategies are handed it."""
    publish("v1")
    models: Any = worker.open()
    with pytest.raises(TypeError):
        del models["metal"]
    with pytest.raises(TypeError):
        models["latin"] = models["metal"]


def test_without_a_serving_version_there_is_no_model(worker: Worker) -> None:
    """A taste without one is not there."""
    assert {} == worker.open()


def test_a_version_is_opened_once(publish: Publish, worker: Worker, artifacts: Artifacts) -> None:
    """The second answer gets the same model."""
    publish("v1")
    assert worker.open()["metal"] is worker.open()["metal"]
    assert {"v1": 1} == artifacts.reads


def test_many_who_ask_for_a_cold_version_at_once_open_it_once(
    publish: Publish, worker: Worker, artifacts: Artifacts, run: Run
) -> None:
    """Two load calls loaded twice, and simultaneous cold requests thrashed, elsewhere."""
    publish("v1")
    artifacts.gates["v1"] = threading.Event()

    async def ask() -> list[Mapping[str, TasteModel]]:
        asking = asyncio.gather(*(worker.cache.open("ana", worker.serving("v1")) for _ in range(8)))
        await artifacts.wait_until_begun()
        artifacts.gates["v1"].set()
        return await asking

    assert 1 == len({id(models["metal"]) for models in run(ask())})
    assert {"v1": 1} == artifacts.reads


def test_the_event_loop_goes_on_while_a_model_is_opened(
    publish: Publish, worker: Worker, artifacts: Artifacts, run: Run
) -> None:
    """A lock around loading blocked requests for warm models, elsewhere: here they get theirs meanwhile."""
    publish("v1")
    publish("v2")
    assert "v1" == worker.open_version("v1")
    artifacts.gates["v2"] = threading.Event()

    async def ask() -> tuple[bool, str]:
        slow = asyncio.create_task(worker.cache.open("ana", worker.serving("v2")))
        await artifacts.wait_until_begun()
        warm = await worker.cache.open("ana", worker.serving("v1"))
        pending = not slow.done()
        artifacts.gates["v2"].set()
        await slow
        return pending, warm["metal"].version

    assert (True, "v1") == run(ask())


def test_a_caller_who_leaves_does_not_stop_the_opening_for_others(
    publish: Publish, worker: Worker, artifacts: Artifacts, run: Run
) -> None:
    """The first to ask is cancelled, and the second gets the model that the first began to open."""
    publish("v1")
    artifacts.gates["v1"] = threading.Event()

    async def ask() -> tuple[bool, str]:
        leaving, staying = (asyncio.create_task(worker.cache.open("ana", worker.serving("v1"))) for _ in range(2))
        await artifacts.wait_until_begun()
        leaving.cancel()
        await asyncio.wait([leaving])
        artifacts.gates["v1"].set()
        return leaving.cancelled(), (await staying)["metal"].version

    assert (True, "v1") == run(ask())
    assert {"v1": 1} == artifacts.reads


def test_all_who_wait_for_an_opening_hear_that_the_store_failed(
    publish: Publish, worker: Worker, artifacts: Artifacts, run: Run
) -> None:
    """A second failing load returned success, elsewhere."""
    publish("v1")
    artifacts.gates["v1"] = threading.Event()
    artifacts.failures["v1"] = StoreUnavailable("database is locked")

    async def ask() -> list[Any]:
        asking = asyncio.gather(
            *(worker.cache.open("ana", worker.serving("v1")) for _ in range(4)), return_exceptions=True
        )
        await artifacts.wait_until_begun()
        artifacts.gates["v1"].set()
        return await asking

    assert [StoreUnavailable] * 4 == [type(outcome) for outcome in run(ask())]
    assert {"v1": 1} == artifacts.reads


def test_what_the_store_could_not_give_is_tried_again(
    store: Store, publish: Publish, worker: Worker, artifacts: Artifacts
) -> None:
    """One blip of the store neither leaves a model out for good nor marks it."""
    publish("v1")
    artifacts.failures["v1"] = StoreUnavailable("database is locked")
    with pytest.raises(StoreUnavailable):
        worker.open()
    del artifacts.failures["v1"]
    assert {"metal": "v1"} == worker.versions()
    worker.cache.close()
    assert ModelState.SERVING is state(store, "v1")[0]


def test_a_swap_reaches_the_next_answer_and_leaves_the_one_in_flight(publish: Publish, worker: Worker) -> None:
    """No answer mixes two versions of one taste's model."""
    publish("v1")
    in_flight = worker.open()
    publish("v2")
    assert ("v1", {"metal": "v2"}) == (in_flight["metal"].version, worker.versions())


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file[:-1],
        lambda file: bytes(len(file)),
        lambda file: file.replace(b"Sigmoid", b"Softmax"),
        lambda _: b"",
    ],
    ids=["cut off", "zeros", "other operator", "empty"],
)
def test_a_damaged_model_leaves_the_one_before_serving_and_is_marked(
    store: Store,
    make_file: Make,
    publish: Publish,
    make_worker: Callable[..., Worker],
    damage: Callable[[bytes], bytes],
) -> None:
    """A half-written model was loaded "successfully", and a stale one served silently, elsewhere."""
    publish("v1")
    publish("v2", content=damage(make_file(version="v2")))
    worker = make_worker()
    assert [{"metal": "v1"}] * 3 == [worker.versions() for _ in range(3)]
    worker.cache.close()
    assert ModelState.BROKEN is state(store, "v2")[0]
    assert "SHA-256" in state(store, "v2")[1]
    assert {"metal": "v1"} == make_worker().versions()


def test_a_version_that_cannot_be_used_is_opened_and_marked_once(
    store: Store, publish: Publish, worker: Worker, artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed is not repeated: another version takes its place."""
    publish("v1")
    publish("v2", content=b"noise")
    marked: list[str] = []
    monkeypatch.setattr(store.models, "mark_broken", lambda version, _: marked.append(version))
    assert [None] * 3 == [worker.open_version("v2") for _ in range(3)]
    worker.cache.close()
    assert (1, ["v2"]) == (artifacts.reads["v2"], marked)


def test_a_damaged_model_is_replaced_by_the_next(publish: Publish, worker: Worker) -> None:
    """Publishing again is what fixes it."""
    publish("v1")
    publish("v2", content=b"noise")
    assert {"metal": "v1"} == worker.versions()
    publish("v3")
    assert {"metal": "v3"} == worker.versions()


def test_where_none_can_be_used_there_is_no_model(publish: Publish, worker: Worker) -> None:
    """The taste is ranked then."""
    publish("v1", content=b"noise")
    assert {} == worker.versions()
    publish("v2", content=b"more noise")
    assert {} == worker.versions()


@pytest.mark.parametrize("fields", [{"user_id": "bob"}, {"taste_id": "latin"}, {"version": "v9"}])
def test_the_model_of_somebody_else_is_not_served(
    store: Store, make_file: Make, worker: Worker, fields: dict[str, str]
) -> None:
    """A file that stands in the wrong place is broken, however sound."""
    file = make_file(**({"version": "v1"} | fields))
    record = make_record("v1", sha256=sha256(file).hexdigest(), size_bytes=len(file))
    store.models.publish(record, file, make_run(store, record))
    assert {} == worker.versions()
    worker.cache.close()
    assert ModelState.BROKEN is state(store, "v1")[0]


def test_a_model_for_another_feature_map_is_passed_over_but_not_broken(
    store: Store, publish: Publish, worker: Worker
) -> None:
    """With another catalog the same normal scores mean other tracks; with the old one it may serve again."""
    publish("v1")
    publish("v2", feature_map="another")
    assert {"metal": "v1"} == worker.versions()
    worker.cache.close()
    assert ModelState.SERVING is state(store, "v2")[0]


def test_a_serving_version_with_another_hash_is_not_followed(
    store: Store, publish: Publish, worker: Worker, run: Run
) -> None:
    """What the serving version names and what was opened must be the same bytes."""
    publish("v1")
    publish("v2")
    serving = store.models.serving_versions("ana")["metal"]
    assert ("v2", "v1") == (serving.version, serving.previous)
    models = run(worker.cache.open("ana", {"metal": replace(serving, sha256="0" * 64)}))
    assert "v1" == models["metal"].version


def test_a_version_that_the_store_does_not_have_is_no_model(worker: Worker, run: Run) -> None:
    """The taste is ranked then."""
    gone = {"metal": ServingVersion("metal", "gone", "logistic", "0" * 64, "gone too")}
    assert {} == run(worker.cache.open("ana", gone))


def test_a_broken_model_does_no_harm_where_it_cannot_be_marked(
    store: Store, publish: Publish, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one before serves, whether or not the store takes the mark."""
    publish("v1")
    publish("v2", content=b"noise")

    def unreachable(*_: str) -> None:
        raise StoreUnavailable("disk full")

    monkeypatch.setattr(store.models, "mark_broken", unreachable)
    assert {"metal": "v1"} == worker.versions()
    worker.cache.close()
    assert ModelState.SERVING is state(store, "v2")[0]


def test_the_least_recently_used_are_closed_when_memory_is_used_up(
    publish: Publish, make_model: Make, make_worker: Callable[..., Worker], artifacts: Artifacts, metrics: Metrics
) -> None:
    """The bound is in bytes, and holds; what is closed is counted."""
    for version in ("v1", "v2", "v3", "v4"):
        publish(version)
    room = 3 * make_model(version="v1").size_bytes
    worker = make_worker(max_bytes=room)
    for version in ("v1", "v2", "v3", "v1", "v4"):
        worker.open_version(version)
        assert 0 < worker.cache.size_bytes <= room
    for version in ("v1", "v3", "v4"):
        worker.open_version(version)
    assert {"v1": 1, "v2": 1, "v3": 1, "v4": 1} == artifacts.reads
    worker.open_version("v2")
    assert 2 == artifacts.reads["v2"]
    assert [2] == [sample.value for family in metrics.sessions_evicted.collect() for sample in family.samples[:1]]


def test_a_model_that_alone_is_too_large_still_answers(
    publish: Publish, make_worker: Callable[..., Worker], artifacts: Artifacts
) -> None:
    """It is opened for every answer, and not cached."""
    publish("v1")
    worker = make_worker(max_bytes=10)
    assert [{"metal": "v1"}] * 2 == [worker.versions() for _ in range(2)]
    assert (0, {"v1": 2}) == (worker.cache.size_bytes, artifacts.reads)


def test_versions_that_cannot_be_used_do_not_pile_up(make_worker: Callable[..., Worker], run: Run) -> None:
    """What is cached of them counts as memory too."""
    worker = make_worker(max_bytes=10_000)
    for number in range(100):
        gone = {"metal": ServingVersion("metal", f"gone {number}", "logistic", "0" * 64)}
        assert {} == run(worker.cache.open("ana", gone))
    assert 0 < worker.cache.size_bytes <= 10_000
