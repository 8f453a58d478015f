"""Recording feedback of many listeners together."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from palate.catalog.snapshot import Catalog
from palate.domain import EventKind, replay
from palate.domain.features import FeatureMap
from palate.errors import InvalidField, NotFound, StoreUnavailable
from palate.serving.feedback import Feedback, FeedbackService, Recorded
from palate.store import open_store
from palate.store.contract import Store, Transaction
from palate.testing.catalog import small_catalog
from support.factories import record, walk

LIKE, DISLIKE, RETRACT, DELETE_TASTE = EventKind


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return an empty store."""
    with closing(open_store(f"sqlite:///{tmp_path / 'store.db'}")) as opened:
        yield opened


@pytest.fixture
def service(store: Store, catalog: Catalog) -> Iterator[FeedbackService]:
    """Return a service that writes to it."""
    with closing(FeedbackService(store, catalog)) as running:
        yield running


@pytest.fixture
def tracks(catalog: Catalog) -> list[str]:
    """Return tracks that count for one taste."""
    return catalog.track_ids(catalog.popular(catalog.cluster_number("j-pop") or 0)[:8])


def together(store: Store, *starts: Callable[[], Future[list[Recorded]]]) -> list[Future[list[Recorded]]]:
    """Start recordings that are written in one transaction, because they have to wait for another one."""
    with store.transaction():
        return [start() for start in starts]


def test_a_listener_whose_profile_is_damaged_holds_up_nobody_else(tmp_path: Path, catalog: Catalog) -> None:
    """What waits for the disk together fails one by one, and nobody reads another listener's name in an error."""
    path = tmp_path / "palate.db"
    track_id = catalog.track_id(0)
    with closing(open_store(f"sqlite:///{path}")) as store, closing(FeedbackService(store, catalog)) as service:
        service.record([Feedback("ana", EventKind.LIKE, track_id)]).result()
        with closing(sqlite3.connect(path)) as raw, raw:
            raw.execute("UPDATE tastes SET state = ?", (b"{",))
        user_ids = [*(f"before {number}" for number in range(5)), "ana", *(f"after {number}" for number in range(5))]
        with store.transaction():  # until it ends, what comes in has to wait and comes together
            recordings = {
                user_id: service.record([Feedback(user_id, EventKind.LIKE, track_id)]) for user_id in user_ids
            }
        with pytest.raises(StoreUnavailable, match="'ana'"):
            recordings.pop("ana").result()
        assert {1} == {recorded.revision for recording in recordings.values() for recorded in recording.result()}
        assert {1} == {len(store.events(user_id)) for user_id in user_ids}


def test_an_identical_repeat_gets_the_first_answer(service: FeedbackService, store: Store, tracks: list[str]) -> None:
    """A like, a retraction and a deletion may each arrive any number of times."""
    like = Feedback("ana", LIKE, tracks[0], request_id="like")
    other = Feedback("ana", LIKE, tracks[1], request_id="other")
    retract = Feedback("ana", RETRACT, tracks[0], request_id="retract")
    delete = Feedback("ana", DELETE_TASTE, taste_id="j-pop", request_id="delete")
    first = [service.record([feedback]).result() for feedback in (like, other, retract, delete)]
    again = [service.record([feedback]).result() for feedback in (like, other, retract, delete)]
    assert first == again
    assert [1, 2, 3, 4] == [event.revision for event in store.events("ana")]


@pytest.mark.parametrize("other", ["kind", "track", "retraction", "taste", "deletion"])
def test_a_request_id_that_was_used_for_something_else_is_refused(
    service: FeedbackService, store: Store, tracks: list[str], other: str
) -> None:
    """An acknowledgement of something that was not recorded would be a lie."""
    service.record([Feedback("ana", LIKE, tracks[0], request_id="like")]).result()
    service.record([Feedback("ana", LIKE, tracks[1])]).result()
    service.record([Feedback("ana", DELETE_TASTE, taste_id="j-pop", request_id="delete")]).result()
    feedback = {
        "kind": Feedback("ana", DISLIKE, tracks[0], request_id="like"),
        "track": Feedback("ana", LIKE, tracks[1], request_id="like"),
        "retraction": Feedback("ana", RETRACT, tracks[0], request_id="like"),
        "taste": Feedback("ana", DELETE_TASTE, taste_id="metal", request_id="delete"),
        "deletion": Feedback("ana", DELETE_TASTE, taste_id="j-pop", request_id="like"),
    }[other]
    with pytest.raises(InvalidField, match="something else") as refused:
        service.record([feedback]).result()
    assert "request_id" == refused.value.path
    assert 3 == len(store.events("ana"))


@pytest.mark.parametrize("where", ["log", "batch"])
def test_a_batch_with_a_request_id_of_something_else_is_refused_as_a_whole(
    service: FeedbackService, store: Store, tracks: list[str], where: str
) -> None:
    """The path names the place, nothing of the batch is written, and those who waited beside it are served."""
    service.record([Feedback("ana", LIKE, tracks[0], request_id="logged")]).result()
    batch = [
        Feedback("ana", LIKE, tracks[1], request_id="new", path="requests[0]."),
        Feedback("ana", LIKE, tracks[2], request_id={"log": "logged", "batch": "new"}[where], path="requests[1]."),
    ]
    before, refused, after = together(
        store,
        lambda: service.record([Feedback("ben", LIKE, tracks[0])]),
        lambda: service.record(batch),
        lambda: service.record([Feedback("ana", LIKE, tracks[3])]),
    )
    with pytest.raises(InvalidField) as caught:
        refused.result()
    assert "requests[1].request_id" == caught.value.path
    assert (1, 2) == (before.result()[0].revision, after.result()[0].revision)
    assert [tracks[0], tracks[3]] == [event.track_id for event in store.events("ana")]


def test_a_repeat_within_a_batch_counts_once(service: FeedbackService, store: Store, tracks: list[str]) -> None:
    """Its answer is the one that the first occurrence gets."""
    like = Feedback("ana", LIKE, tracks[0], request_id="once")
    first, again, other = service.record(
        [like, replace(like, path="requests[1]."), Feedback("ana", LIKE, tracks[1])]
    ).result()
    assert (first, 1, 2) == (again, first.revision, other.revision)
    assert 2 == len(store.events("ana"))


def test_a_batch_with_an_unknown_track_is_refused_as_a_whole(
    service: FeedbackService, store: Store, tracks: list[str]
) -> None:
    """NotFound names the track, and nothing is written."""
    with pytest.raises(NotFound, match="'nothing'"):
        service.record([Feedback("ana", LIKE, tracks[0]), Feedback("ana", LIKE, "nothing", request_id="x")]).result()
    assert [] == store.events("ana")


def test_a_repeat_of_feedback_on_a_track_that_left_the_catalog_gets_the_first_answer(
    store: Store, catalog: Catalog, tmp_path: Path, tracks: list[str]
) -> None:
    """Whoever did not see the acknowledgement must not learn from a new catalog that nothing was recorded."""
    like = Feedback("ana", LIKE, tracks[0], request_id="once")
    with closing(FeedbackService(store, catalog)) as service:
        first = service.record([like]).result()
    with small_catalog(tmp_path / "other.arrow", tracks_per_cluster=10) as other:  # noqa: SIM117 - closed in order
        with closing(FeedbackService(store, other)) as service:
            assert first == service.record([like]).result()
            with pytest.raises(NotFound, match=tracks[0]):
                service.record([replace(like, request_id="twice")]).result()


def test_a_retraction_among_others_is_refused(service: FeedbackService, tracks: list[str]) -> None:
    """Its refusal could come after the first write."""
    with pytest.raises(ValueError, match="alone"):
        service.record([Feedback("ana", LIKE, tracks[0]), Feedback("ana", RETRACT, tracks[0])])


class CountingStore:
    """A store that counts the events of each transaction, and whose disk can be full."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.events: list[int] = []
        self.full = False

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open a transaction of the real store."""
        with self._store.transaction() as transaction:
            before = self._logged(transaction)
            yield transaction
            self.events.append(self._logged(transaction) - before)
            if self.full:
                raise StoreUnavailable("the disk is full")

    @staticmethod
    def _logged(transaction: Transaction) -> int:
        header = transaction.header("ana")
        return header.revision if header else 0


def counting(store: Store, catalog: Catalog) -> tuple[CountingStore, AbstractContextManager[FeedbackService]]:
    """Return a store that counts and a service that writes to it."""
    counted = CountingStore(store)
    return counted, closing(FeedbackService(counted, catalog))  # type: ignore[arg-type]  # it needs no more of a store


@pytest.mark.parametrize(("jobs", "size", "largest"), [(6, 400, 1_000), (600, 1, 256), (2, 1_500, 1_500)])
def test_a_transaction_holds_no_more_than_its_share(
    store: Store, catalog: Catalog, tracks: list[str], jobs: int, size: int, largest: int
) -> None:
    """At most 256 jobs and 1,000 events, unless one job has more, so that others get at the store in between."""
    counted, running = counting(store, catalog)
    with running as service:
        recordings = together(store, *[lambda: service.record([Feedback("ana", LIKE, tracks[0])] * size)] * jobs)
        assert jobs * size == max(recorded.revision for recording in recordings for recorded in recording.result())
    assert jobs * size == sum(counted.events)
    assert largest >= max(counted.events)


def test_each_caller_of_a_group_that_fails_gets_an_error_of_their_own(
    store: Store, catalog: Catalog, tracks: list[str]
) -> None:
    """An instance that several raise would gather the tracebacks of all."""
    counted, running = counting(store, catalog)
    counted.full = True
    with running as service:
        recordings = together(store, *[lambda: service.record([Feedback("ana", LIKE, tracks[0])])] * 5)
        errors = [recording.exception() for recording in recordings]
    assert {"the disk is full"} == {str(error) for error in errors}
    assert 5 == len({id(error) for error in errors})


def test_what_waits_is_written_before_the_service_ends(store: Store, catalog: Catalog, tracks: list[str]) -> None:
    """Closing loses nothing that was submitted, however many transactions it takes."""
    service = FeedbackService(store, catalog)
    with store.transaction():
        recordings = [service.record([Feedback("ana", LIKE, tracks[0])]) for _ in range(600)]
        ending = threading.Thread(target=service.close)
        ending.start()
    ending.join()
    assert all(recording.done() for recording in recordings)
    assert 600 == len(store.events("ana"))


@pytest.fixture
def outdated(tmp_path: Path) -> Iterator[Store]:
    """Return a store with two profiles that were computed with another feature map."""
    with closing(open_store(f"sqlite:///{tmp_path / 'palate.db'}?timeout=0.5")) as opened:
        with opened.transaction() as transaction:
            walk(transaction, "ana", 40)
            walk(transaction, "ben", 40, seed=1)
        yield opened


class Disturbed(FeatureMap):
    """Lets something happen while a log is replayed with it for the first time."""

    disturbance: Callable[[], None] | None = None

    def normalize(self, features: Any) -> Any:
        """Let it happen, then normalize."""
        happens, self.disturbance = self.disturbance, None
        if happens is not None:
            happens()
        return super().normalize(features)


@pytest.fixture
def feature_map(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> Disturbed:
    """Return the feature map that the catalog has from now on."""
    disturbed = Disturbed.from_bytes(catalog.feature_map.to_bytes())
    monkeypatch.setattr(catalog, "feature_map", disturbed)
    return disturbed


def assert_replayed(store: Store, feature_map: FeatureMap, user_id: str, revision: int) -> None:
    """Compare a profile with the replay of its log."""
    stored = store.profile(user_id)
    assert stored is not None
    assert feature_map.fingerprint == stored[1].feature_map
    assert revision == stored[0].revision
    assert replay(user_id, store.events(user_id), feature_map) == stored[0]


def test_others_write_while_a_log_is_replayed(outdated: Store, catalog: Catalog, feature_map: Disturbed) -> None:
    """And what arrives for the same listener meanwhile is applied too."""

    def write() -> None:
        for user_id in ("ana", "eva"):
            with outdated.transaction() as transaction:
                record(transaction, user_id, EventKind.LIKE, "late", "metal")

    feature_map.disturbance = write
    with closing(FeedbackService(outdated, catalog)) as service:
        [recorded] = service.record([Feedback("ana", EventKind.LIKE, catalog.track_id(0))]).result()
    assert 42 == recorded.revision
    assert_replayed(outdated, feature_map, "ana", 42)


def test_a_profile_that_begins_anew_meanwhile_is_another_one(
    outdated: Store, catalog: Catalog, feature_map: Disturbed
) -> None:
    """What was replayed of its predecessor is forgotten."""

    def begin_anew() -> None:
        with outdated.transaction() as transaction:
            transaction.delete("ana")
            walk(transaction, "ana", 50, seed=2)

    feature_map.disturbance = begin_anew
    with closing(FeedbackService(outdated, catalog)) as service:
        service.record([Feedback("ana", EventKind.LIKE, catalog.track_id(0))]).result()
    assert_replayed(outdated, feature_map, "ana", 51)


def test_a_batch_over_several_outdated_profiles_is_written_together(
    outdated: Store, catalog: Catalog, feature_map: FeatureMap
) -> None:
    """Each is replayed, and nothing is written before all are."""
    batch = [Feedback(user_id, EventKind.LIKE, catalog.track_id(0)) for user_id in ("eva", "ana", "ben", "ana")]
    with closing(FeedbackService(outdated, catalog)) as service:
        recorded = service.record(batch).result()
    assert [1, 41, 41, 42] == [answer.revision for answer in recorded]
    for user_id, revision in (("eva", 1), ("ana", 42), ("ben", 41)):
        assert_replayed(outdated, feature_map, user_id, revision)
