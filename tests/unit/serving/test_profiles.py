"""Profiles in memory, and what is memoised of them."""

import asyncio
import threading
import tracemalloc
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from palate.catalog.snapshot import Catalog
from palate.domain import EventKind, Tally, Taste, replay
from palate.metrics import Metrics
from palate.models.cache import ModelCache
from palate.plugins.strategy import Rows
from palate.serving.feedback import Feedback, FeedbackService
from palate.serving.profiles import ArrayCache, Listener, Profiles, load_profile
from palate.store import open_store
from palate.store.contract import ServingVersion, Store
from support.factories import walk
from support.loops import Run
from support.models import make_record, make_run

METAL = Taste("metal", opened=1, revision=3, liked=Tally(2, (1,) * 9, {"death metal": 2}))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return an empty store."""
    with closing(open_store(f"sqlite:///{tmp_path / 'palate.db'}")) as opened:
        yield opened


@pytest.fixture
def feedback(store: Store, catalog: Catalog) -> Iterator[FeedbackService]:
    """Return a service that writes to it."""
    with closing(FeedbackService(store, catalog, clock=lambda: 1000)) as running:
        yield running


@pytest.fixture
def like(feedback: FeedbackService, catalog: Catalog) -> Callable[..., None]:
    """Return a function that lets a listener like the tracks of some rows together."""

    def record(*rows: int, user_id: str = "ana") -> None:
        track_ids = catalog.track_ids(np.array(rows, dtype=np.int32))
        feedback.record([Feedback(user_id, EventKind.LIKE, track_id) for track_id in track_ids]).result()

    return record


class Meanwhile:
    """A store that counts its reads, and where something happens once before or after one of them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.read: list[str] = []
        self.before: dict[str, Callable[[], object]] = {}
        self.after: dict[str, Callable[[], object]] = {}

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        return self._noting(name, found) if name in ("header", "profile", "since") else found

    def _noting(self, name: str, read: Callable[..., Any]) -> Callable[..., Any]:
        def noting(user_id: str, *arguments: Any) -> Any:
            self.read.append(f"{name} of {user_id}")
            self.before.pop(name, lambda: None)()
            result = read(user_id, *arguments)
            self.after.pop(name, lambda: None)()
            return result

        return noting

    def loads(self) -> list[str]:
        """Return every listener who was read as a whole."""
        return [read.removeprefix("profile of ") for read in self.read if read.startswith("profile of ")]


class Worker:
    """Reads listeners as a worker does, from one cache."""

    def __init__(self, store: Store, catalog: Catalog, run: Run, max_ratings: int, session_bytes: int) -> None:
        self.metrics = Metrics()
        self.store = Meanwhile(store)
        watched: Any = self.store
        self.models = ModelCache(store.models, catalog.feature_map.fingerprint, session_bytes, self.metrics)
        self.profiles = Profiles(watched, catalog, self.models, max_ratings, 10**6, self.metrics)
        self._run = run

    async def answer(self, user_id: str = "ana") -> Listener:
        """Load and resolve a listener."""
        return await self.profiles.resolve(user_id, await self.profiles.header(user_id))

    def listener(self, user_id: str = "ana") -> Listener:
        """Return a listener for one answer."""
        return self._run(self.answer(user_id))

    def updates(self, source: str) -> float:
        """Return how many profiles were brought up to date from a source."""
        [family] = self.metrics.profile_updates.collect()
        return sum(
            sample.value
            for sample in family.samples
            if sample.name.endswith("_total") and sample.labels["source"] == source
        )


@pytest.fixture
def make_worker(store: Store, catalog: Catalog, run: Run) -> Iterator[Callable[..., Worker]]:
    """Return a function that makes workers."""
    made: list[Worker] = []

    def make(max_ratings: int = 10_000, session_bytes: int = 10**8) -> Worker:
        made.append(Worker(store, catalog, run, max_ratings, session_bytes))
        return made[-1]

    yield make
    for worker in made:
        worker.models.close()


@pytest.fixture
def worker(make_worker: Callable[..., Worker]) -> Worker:
    """Return a worker."""
    return make_worker()


def assert_equal(expected: Listener, actual: Listener) -> None:
    """Compare two listeners with all of their rows."""
    assert expected.header == actual.header
    assert expected.profile == actual.profile
    np.testing.assert_array_equal(expected.rated, actual.rated, strict=True)
    for name in ("liked", "disliked"):
        left, right = getattr(expected.context, name), getattr(actual.context, name)
        assert set(left) == set(right)
        for taste_id, rows in left.items():
            np.testing.assert_array_equal(rows, right[taste_id], strict=True)


def random_feedback(catalog: Catalog, random: np.random.Generator) -> Feedback:
    """Return something that ana may do."""
    kinds = [EventKind.LIKE] * 6 + [EventKind.DISLIKE] * 4 + [EventKind.RETRACT] * 3 + [EventKind.DELETE_TASTE]
    kind = kinds[random.integers(len(kinds))]
    row = int(random.integers(len(catalog) // 20)) * 20
    if kind is EventKind.DELETE_TASTE:
        return Feedback("ana", kind, taste_id=catalog.track(row).cluster_id)
    return Feedback("ana", kind, track_id=catalog.track_id(row))


def test_a_listener_brought_up_to_date_equals_one_that_was_read_anew(
    feedback: FeedbackService, catalog: Catalog, make_worker: Callable[..., Worker]
) -> None:
    """Likes, changed minds, retractions and deleted tastes leave the same rows, however many of them came between."""
    random = np.random.default_rng(3)
    caching, reading = make_worker(), make_worker(max_ratings=0)
    for _ in range(80):
        recordings = [feedback.record([random_feedback(catalog, random)]) for _ in range(random.integers(1, 6))]
        for recording in recordings:
            recording.exception()
        assert_equal(reading.listener(), caching.listener())
    assert caching.listener().profile.interaction_count > 20
    assert 1 == len(caching.store.loads())


def test_an_unchanged_profile_costs_one_read_of_its_header(like: Callable[..., None], worker: Worker) -> None:
    """The profile that is cached is the one that answers."""
    like(0, 1)
    first = worker.listener()
    worker.store.read.clear()
    assert first.profile is worker.listener().profile
    assert ["header of ana"] == worker.store.read


def test_a_listener_without_feedback_has_an_empty_profile(worker: Worker) -> None:
    """Nothing but the header is looked for."""
    listener = worker.listener("nobody")
    assert (None, 0, 0) == (listener.header, listener.profile.revision, len(listener.rated))
    assert ["header of nobody"] == worker.store.read


def test_a_profile_that_begins_anew_between_two_reads_is_not_mixed_with_its_predecessor(
    like: Callable[..., None], feedback: FeedbackService, make_worker: Callable[..., Worker]
) -> None:
    """The header says that one like was added; before it is read the profile is deleted and begun with another two."""
    worker = make_worker()

    def begin_anew() -> None:
        feedback.delete_profile("ana").result()
        like(7)
        like(8)

    like(1)
    worker.listener()
    like(2)
    worker.store.after["header"] = begin_anew
    answered = worker.listener()
    assert_equal(make_worker(max_ratings=0).listener(), answered)


@pytest.mark.parametrize("read", ["profile", "since"])
def test_the_event_loop_goes_on_while_a_long_profile_is_read(
    like: Callable[..., None], worker: Worker, run: Run, read: str
) -> None:
    """Whether all of it is read or a hundred events since the cached one, others are answered meanwhile."""
    like(0, user_id="ben")
    if read == "since":
        like(0)
        worker.listener()
    like(*range(1, 101))
    begun, gate, passed = threading.Event(), threading.Event(), list[bool]()

    def wait() -> None:
        begun.set()
        passed.append(gate.wait(10))

    worker.store.before[read] = wait

    async def ask() -> tuple[bool, int]:
        slow = asyncio.create_task(worker.answer())
        assert await asyncio.to_thread(begun.wait, 30)
        await worker.answer("ben")
        pending = not slow.done()
        gate.set()
        return pending, (await slow).profile.revision

    assert (True, 101 if read == "since" else 100) == run(ask())
    assert [True] == passed


def test_a_profile_of_another_feature_map_is_replayed_once(store: Store, catalog: Catalog, worker: Worker) -> None:
    """It answers on the scale of the catalog, from memory the second time."""
    with store.transaction() as transaction:
        walk(transaction, "ana", 40)
    expected = replay("ana", store.events("ana"), catalog.feature_map)
    assert [expected] * 2 == [worker.listener().profile for _ in range(2)]
    assert 1 == worker.updates("replay")
    loaded = load_profile(store, catalog.feature_map, "ana")
    assert loaded is not None
    assert (expected, store.header("ana")) == loaded


def test_whoever_was_asked_for_least_recently_is_evicted(
    like: Callable[..., None], make_worker: Callable[..., Worker]
) -> None:
    """A listener who comes back again and again stays in memory, however long ago their last feedback was."""
    worker = make_worker(max_ratings=20)
    for user_id in ("ana", "ben", "cleo"):
        like(0, user_id=user_id)
    for user_id in ("ana", "ben", "ana", "cleo", "ana", "ben"):
        worker.listener(user_id)
    assert ["ana", "ben", "cleo", "ben"] == worker.store.loads()


def test_listeners_who_took_everything_back_take_room_too(
    like: Callable[..., None], feedback: FeedbackService, catalog: Catalog, make_worker: Callable[..., Worker]
) -> None:
    """However many listeners without ratings come by, no more are cached than the limit allows."""
    worker = make_worker(max_ratings=100)
    user_ids = [f"listener {number}" for number in range(50)]
    for user_id in user_ids:
        like(0, user_id=user_id)
        feedback.record([Feedback(user_id, EventKind.RETRACT, catalog.track_id(0))]).result()
    for user_id in [*user_ids, user_ids[0]]:
        worker.listener(user_id)
    assert [*user_ids, user_ids[0]] == worker.store.loads()


@pytest.fixture
def publish(store: Store, catalog: Catalog, make_file: Callable[..., bytes]) -> Callable[[str], None]:
    """Return a function that publishes a model of ana's metal."""

    def published(version: str) -> None:
        file = make_file(version=version, taste_id="metal", feature_map=catalog.feature_map.fingerprint)
        record = make_record(version, sha256=sha256(file).hexdigest(), size_bytes=len(file))
        assert "" == store.models.publish(record, file, make_run(store, record))

    return published


@pytest.fixture
def metal(like: Callable[..., None], catalog: Catalog) -> list[int]:
    """Let ana like three tracks of metal, and return the rows of others."""
    liked: list[int] = catalog.popular(catalog.cluster_number("metal") or 0).tolist()
    like(*liked[:3])
    return liked[3:]


@pytest.mark.usefixtures("metal")
def test_cached_listeners_hold_no_model(publish: Callable[[str], None], make_worker: Callable[..., Worker]) -> None:
    """Unused ones can leave memory: without room for sessions each answer opens its own."""
    publish("v1")
    worker = make_worker(session_bytes=0)
    one, other = worker.listener(), worker.listener()
    assert one.profile is other.profile
    assert ("v1", "v1") == (one.context.models["metal"].version, other.context.models["metal"].version)
    assert one.context.models["metal"] is not other.context.models["metal"]


def test_serving_versions_are_read_when_they_have_changed_and_only_then(
    store: Store,
    like: Callable[..., None],
    metal: list[int],
    publish: Callable[[str], None],
    worker: Worker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A swap costs one read more, feedback none; whoever has no model pays nothing."""
    reads: list[str] = []
    read = store.models.serving_versions

    def reading(user_id: str) -> Mapping[str, ServingVersion]:
        reads.append(user_id)
        return read(user_id)

    monkeypatch.setattr(store.models, "serving_versions", reading)
    steps: list[tuple[int, Callable[[], object]]] = [
        (0, lambda: None),
        (1, lambda: publish("v1")),
        (1, lambda: like(metal[0])),
        (2, lambda: publish("v2")),
        (2, lambda: None),
    ]
    for count, step in steps:
        step()
        listener = worker.listener()
        assert count == len(reads)
        assert listener.header == store.header("ana")
    assert "v2" == listener.context.models["metal"].version


class Finder:
    """Looks things up in a cache, and counts what is found anew."""

    def __init__(self, cache: ArrayCache) -> None:
        self.cache = cache
        self.found = 0

    def __call__(self, taste: Taste = METAL, key: Hashable = "near", user_id: str = "ana") -> Rows:
        """Look something up."""
        return self.cache.get(user_id, taste, key, self.find)

    def find(self) -> Rows:
        """Find rows that tell how often it was called."""
        self.found += 1
        return np.full(1000, self.found, dtype=np.int32)


@pytest.fixture
def ask() -> Finder:
    """Return what asks a cache with room for everything."""
    return Finder(ArrayCache(10**6))


def test_an_equal_taste_gets_what_was_memoised(ask: Finder) -> None:
    """Read again from the store it is another object and the same taste."""
    first = ask()
    assert first is ask()
    assert first is ask(Taste.from_bytes(METAL.to_bytes()))
    assert 1 == ask.found
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 7


@pytest.mark.parametrize(
    "other",
    [
        lambda ask: ask(replace(METAL, revision=4)),
        lambda ask: ask(replace(METAL, liked=Tally(2, (2,) * 9, {"death metal": 2}))),
        lambda ask: ask(key="best first"),
        lambda ask: ask(user_id="bob"),
    ],
    ids=["later revision", "profile made anew", "other key", "other listener"],
)
def test_anything_else_is_found_for_itself(ask: Finder, other: Callable[[Finder], Rows]) -> None:
    """A profile that was deleted and made anew may have the same revisions; its tastes differ all the same."""
    assert [1, 2] == [int(ask()[0]), int(other(ask)[0])]
    assert 2 == ask.found


def test_without_room_everything_is_found_anew() -> None:
    """Nothing is cached, and nothing breaks."""
    ask = Finder(ArrayCache(0))
    assert [1, 2, 3] == [int(ask()[0]) for _ in range(3)]


@pytest.mark.parametrize("size", [4, 20_000])
def test_memoised_arrays_take_about_as_many_bytes_as_they_may(size: int) -> None:
    """Small ones count with what stands beside them; no estimate is wrong by more than a factor."""
    room, cache = 10**6, ArrayCache(10**6)
    tracemalloc.start()
    for number in range(2_000):
        taste = replace(METAL, liked=Tally(number, (number,) * 9, {f"genre {number}": 1}))
        cache.get(f"listener {number}", taste, ("near", number), lambda: np.zeros(size, dtype=np.int32))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert room / 3 < taken < 1.5 * room
