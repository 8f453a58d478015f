"""What every store promises about the feedback log and profiles."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest
from palate.domain.apply import Change, replay
from palate.domain.profile import Event, EventKind, RecordedTrack, Verdict
from palate.errors import NotFound, StoreUnavailable
from palate.store import open_store
from palate.store.contract import Current, Store
from support.factories import (
    assert_replay_equals_stored,
    assert_writable,
    make_feature_map,
    make_recorded_track,
    record,
    taste_bytes,
    walk,
)
from support.processes import in_processes, record_forever, record_some, until_killed

LIKE, DISLIKE, RETRACT, DELETE_TASTE = EventKind


def test_nothing_is_known_of_an_unknown_listener(store: Store) -> None:
    """Reads of a listener without feedback find nothing and raise nothing."""
    assert None is store.header("ana")
    assert None is store.profile("ana")
    assert [] == list(store.events("ana"))
    assert [] == list(store.user_ids())
    with store.transaction() as transaction:
        assert None is transaction.header("ana")
        assert None is transaction.recorded("ana", "request")
        assert Current() == transaction.current("ana", "track", "metal", "request")
        assert [] == list(transaction.events("ana"))


def test_an_event_comes_back_as_it_was_recorded(store: Store) -> None:
    """Every field survives, the features to the last bit."""
    track = RecordedTrack(make_recorded_track(5).features, ("mpb", "forró", '"quoted"', "日本語"))
    event = Event(1, LIKE, "tra'ck %s", "metal", track, "request", "slate", 1_700_000_000_000_001)
    with store.transaction() as transaction:
        transaction.append("ana", event, Change(1), "map")
    assert [event] == list(store.events("ana"))


def test_an_event_without_a_recorded_track_comes_back_without_one(store: Store) -> None:
    """Retractions and deleted tastes have none, and a track without genres has an empty list."""
    unnamed = RecordedTrack(make_recorded_track().features, ())
    with store.transaction() as transaction:
        transaction.append("ana", Event(1, LIKE, "a", "metal", unnamed), Change(1), "map")
        record(transaction, "ana", RETRACT, "a", "metal")
        record(transaction, "ana", DELETE_TASTE, taste_id="metal")
    like, retraction, deletion = store.events("ana")
    assert unnamed == like.track
    assert (None, None) == (retraction.track, deletion.track)


def test_events_are_read_from_where_the_reader_left_off(store: Store) -> None:
    """`after` and `limit` page through the log, oldest event first."""
    with store.transaction() as transaction:
        events = [record(transaction, "ana", LIKE, f"track {n}", "metal") for n in range(12)]
        assert events == list(transaction.events("ana"))
    assert events == list(store.events("ana"))
    assert events[9:] == list(store.events("ana", after=9))
    assert events[4:7] == list(store.events("ana", after=4, limit=3))
    assert [] == list(store.events("ana", after=12))


def test_a_header_comes_with_the_events_since_a_revision(store: Store) -> None:
    """Both are of one snapshot: whoever reads on learns whether it is still the same profile."""
    assert None is store.since("ana")
    with store.transaction() as transaction:
        walk(transaction, "ben", 9)
        events = [record(transaction, "ana", LIKE, f"track {n}", "metal") for n in range(4)]
        record(transaction, "ana", RETRACT, "track 1", "metal")
    header = store.header("ana")
    assert (header, store.events("ana")) == store.since("ana")
    assert (header, store.events("ana", after=3)) == store.since("ana", 3)
    assert (header, []) == store.since("ana", 5)
    assert events == list(store.events("ana", limit=4))


def test_the_header_tells_revision_feature_map_and_age(store: Store) -> None:
    """The header follows the last event, but keeps the time of the first."""
    with store.transaction() as transaction:
        record(transaction, "ana", LIKE, "a", "metal", recorded_at=1000)
        record(transaction, "ana", LIKE, "b", "metal", recorded_at=2000)
        header = transaction.header("ana")
    assert header is not None
    assert header == store.header("ana")
    known = header.revision, header.feature_map, header.created_at, header.models_revision
    assert (2, make_feature_map().fingerprint, 1000, 0) == known


@pytest.mark.parametrize("seed", range(3))
def test_replaying_the_log_gives_the_stored_profile_bit_for_bit(store: Store, seed: int) -> None:
    """Likes, dislikes, changed minds, retractions and deleted tastes leave what a replay makes of them."""
    with store.transaction() as transaction:
        walk(transaction, "ana", 150, seed)
    assert_replay_equals_stored(store, "ana")


def test_a_changed_mind_replaces_the_rating(store: Store) -> None:
    """A like after a dislike of the same track leaves one like."""
    with store.transaction() as transaction:
        record(transaction, "ana", DISLIKE, "a", "metal")
        record(transaction, "ana", LIKE, "a", "metal")
        current = transaction.current("ana", "a", "metal")
    rating, taste = current.rating, current.tastes["metal"]
    assert rating is not None
    assert (Verdict.LIKE, 2) == (rating.verdict, rating.revision)
    assert (1, 0) == (taste.liked.count, taste.disliked.count)
    assert_replay_equals_stored(store, "ana")


def test_a_retraction_leaves_no_rating(store: Store) -> None:
    """The track is as if never rated, while the log has both lines."""
    with store.transaction() as transaction:
        record(transaction, "ana", LIKE, "a", "metal")
        record(transaction, "ana", RETRACT, "a", "metal")
        assert None is transaction.current("ana", "a").rating
    assert 2 == len(store.events("ana"))
    assert_replay_equals_stored(store, "ana")


def test_a_deleted_taste_leaves_its_tracks_rated(store: Store) -> None:
    """A new like opens the taste again, and the old ratings do not count for it."""
    with store.transaction() as transaction:
        record(transaction, "ana", LIKE, "a", "metal")
        record(transaction, "ana", DELETE_TASTE, taste_id="metal")
        assert {} == transaction.current("ana", taste_id="metal").tastes
        record(transaction, "ana", LIKE, "b", "metal")
        record(transaction, "ana", RETRACT, "a", "metal")
        taste = transaction.current("ana", taste_id="metal").tastes["metal"]
    assert (3, 1) == (taste.opened, taste.liked.count)
    assert_replay_equals_stored(store, "ana")


def test_dislikes_in_one_taste_leave_the_bytes_of_the_others(store: Store) -> None:
    """Fifty dislikes in one taste touch no other."""
    with store.transaction() as transaction:
        for number, taste_id in enumerate(("metal", "j-pop", "latin")):
            record(transaction, "ana", LIKE, f"liked {number}", taste_id)
    before = taste_bytes(store, "ana")
    for number in range(50):
        with store.transaction() as transaction:
            record(transaction, "ana", DISLIKE, f"disliked {number}", "metal")
    after = taste_bytes(store, "ana")
    assert {"metal"} == {taste_id for taste_id in before if before[taste_id] != after[taste_id]}


def test_a_request_id_finds_its_event(store: Store) -> None:
    """A listener's request_id finds the event without its recorded track; another listener's does not."""
    with store.transaction() as transaction:
        event = record(transaction, "ana", LIKE, "a", "metal", request_id="once")
        record(transaction, "ben", LIKE, "a", "metal", request_id="other")
        found = transaction.recorded("ana", "once")
        assert None is transaction.recorded("ana", "other")
    assert Event(1, LIKE, "a", "metal", None, "once", event.recommendation_id, event.recorded_at) == found


def test_all_that_an_event_touches_is_found_at_once(store: Store) -> None:
    """Header, repeated event, rating and both tastes are those that separate reads find."""
    with store.transaction() as transaction:
        for track_id, taste_id in (("a", "metal"), ("b", "latin"), ("c", "j-pop")):
            record(transaction, "ana", LIKE, track_id, taste_id, request_id=f"of {track_id}")
        record(transaction, "ben", LIKE, "a", "punk", request_id="of ben")
        header = transaction.header("ana")
        current = transaction.current("ana", "a", "latin", "of c")
        nothing = transaction.current("ana", "other", "punk", "of ben")
    stored = store.profile("ana")
    assert stored is not None
    profile = stored[0]
    tastes = {"metal": profile.tastes["metal"], "latin": profile.tastes["latin"]}
    assert (header, profile.ratings["a"], tastes) == (current.header, current.rating, current.tastes)
    assert current.recorded == replace(store.events("ana")[2], track=None)
    assert Current(header) == nothing


def test_nothing_is_found_by_empty_names(store: Store) -> None:
    """Feedback without a request_id and on excluded kinds is not found by the lack of either."""
    with store.transaction() as transaction:
        record(transaction, "ana", LIKE, "a")
        assert Current(transaction.header("ana")) == transaction.current("ana")


def test_empty_request_ids_may_repeat(store: Store) -> None:
    """Feedback without a request_id counts each time."""
    with store.transaction() as transaction:
        for _ in range(3):
            record(transaction, "ana", LIKE, "a", "metal")
    assert 3 == len(store.events("ana"))


@pytest.mark.parametrize("revision", [1, 2], ids=["same revision", "same request_id"])
def test_what_the_log_has_already_is_refused(store: Store, revision: int) -> None:
    """A repeated revision or request_id raises ValueError and undoes the transaction."""
    again = Event(revision, LIKE, "a", "metal", make_recorded_track(), request_id="once")
    with store.transaction() as transaction:
        record(transaction, "ana", LIKE, "a", "metal", request_id="once")
    with pytest.raises(ValueError, match="already"), store.transaction() as transaction:  # noqa: PT012 - its end counts
        record(transaction, "ben", LIKE, "b", "metal")
        transaction.append("ana", again, Change(revision), "map")
    assert ["ana"] == list(store.user_ids())
    assert_replay_equals_stored(store, "ana")


def test_a_failed_write_cannot_be_passed_over(store: Store) -> None:
    """A block that goes on after a failed write ends with StoreUnavailable and writes nothing."""
    with store.transaction() as transaction:
        event = record(transaction, "ana", LIKE, "a", "metal")
    with pytest.raises(StoreUnavailable, match="nothing"), store.transaction() as transaction:  # noqa: PT012 - its end counts
        record(transaction, "ben", LIKE, "b", "metal")
        with pytest.raises(ValueError, match="already"):
            transaction.append("ana", event, Change(1), "map")
        with pytest.raises(StoreUnavailable):
            transaction.header("ana")
    assert ["ana"] == list(store.user_ids())


def test_a_block_that_raises_writes_nothing(store: Store) -> None:
    """An error undoes the whole transaction, and the store goes on working."""
    with pytest.raises(NotFound), store.transaction() as transaction:  # noqa: PT012 - its end counts
        walk(transaction, "ana", 20)
        raise NotFound("track", "b")
    assert [] == list(store.user_ids())
    with store.transaction() as transaction:
        record(transaction, "ana", LIKE, "a", "metal")
    assert_replay_equals_stored(store, "ana")


def test_an_event_that_is_refused_before_it_writes_leaves_the_others(store: Store) -> None:
    """Events that share a transaction do not share their refusals."""
    with store.transaction() as transaction:
        record(transaction, "ana", LIKE, "a", "metal")
        try:
            if transaction.current("ben", "b").rating is None:
                raise NotFound("feedback", "b")
        except NotFound:
            record(transaction, "eva", LIKE, "c", "metal")
    assert ["ana", "eva"] == list(store.user_ids())


def test_a_transaction_is_of_no_use_after_its_end(store: Store) -> None:
    """Nothing can be written through a transaction that has ended."""
    with store.transaction() as transaction:
        pass
    with pytest.raises(StoreUnavailable, match="ended"):
        record(transaction, "ana", LIKE, "a", "metal")
    assert [] == list(store.user_ids())


def test_an_open_transaction_is_seen_by_nobody_else(store: Store) -> None:
    """Readers neither wait for the writer nor see its work before it is done."""
    with store.transaction() as transaction:
        record(transaction, "ana", LIKE, "a", "metal")
        assert None is store.header("ana")
    assert None is not store.header("ana")


def test_a_profile_is_read_in_one_snapshot(store: Store) -> None:
    """Header, tastes and ratings belong to the same revision, however fast others write."""

    def write() -> None:
        for number in range(60):
            with store.transaction() as transaction:
                record(transaction, "ana", LIKE, f"track {number}", "metal")

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        while not writing.done():
            stored = store.profile("ana")
            if stored is not None:
                profile, header = stored
                assert profile.revision == header.revision == len(profile.ratings)
                assert profile.revision == profile.tastes["metal"].liked.count
        writing.result()


def test_a_profile_is_replaced_beside_its_log(store: Store) -> None:
    """Replaying the log with another feature map changes the profile, not the log, its age or others."""
    with store.transaction() as transaction:
        record(transaction, "ana", LIKE, "a", "metal", recorded_at=1000)
        walk(transaction, "ana", 40)
        walk(transaction, "ben", 40, seed=1)
    log, other = store.events("ana"), store.profile("ben")
    header = store.header("ana")
    assert header is not None
    profile = replay("ana", log, make_feature_map(1))
    with store.transaction() as transaction:
        transaction.replace(profile, make_feature_map(1).fingerprint)
    assert (profile, replace(header, feature_map=make_feature_map(1).fingerprint)) == store.profile("ana")
    assert log == store.events("ana")
    assert other == store.profile("ben")


def test_the_tastes_of_a_profile_are_replaced_alone(store: Store) -> None:
    """What another feature map changes is what a whole replacement would change; the rest is not touched."""
    with store.transaction() as transaction:
        walk(transaction, "ana", 40)
        walk(transaction, "ben", 40, seed=1)
    log, other, header = store.events("ana"), store.profile("ben"), store.header("ana")
    assert header is not None
    profile = replay("ana", log, make_feature_map(1))
    with store.transaction() as transaction:
        transaction.replace_tastes(profile, make_feature_map(1).fingerprint)
    assert (profile, replace(header, feature_map=make_feature_map(1).fingerprint)) == store.profile("ana")
    assert (log, other) == (store.events("ana"), store.profile("ben"))


def test_a_deleted_profile_is_gone_with_its_log(store: Store) -> None:
    """Deleting erases everything of one listener and nothing of another."""
    with store.transaction() as transaction:
        walk(transaction, "ana", 40)
        walk(transaction, "ben", 40, seed=1)
    with store.transaction() as transaction:
        assert transaction.delete("ana")
        assert not transaction.delete("ana")
    assert (None, None, []) == (store.header("ana"), store.profile("ana"), list(store.events("ana")))
    assert ["ben"] == list(store.user_ids())
    assert_replay_equals_stored(store, "ben")


def test_a_profile_is_told_from_its_deleted_predecessor(store: Store) -> None:
    """The same listener with as many events of the same times has another header, and nothing of before."""
    headers = []
    for track_id in ("a", "b"):
        with store.transaction() as transaction:
            transaction.delete("ana")
            record(transaction, "ana", LIKE, track_id, "metal", recorded_at=1000)
            headers.append(transaction.header("ana"))
    earlier, later = headers
    assert earlier is not None
    assert later is not None
    assert earlier.revision == later.revision
    assert later.generation != earlier.generation
    assert_replay_equals_stored(store, "ana")


def test_listeners_are_sorted_by_code_points(store: Store) -> None:
    """The order is that of Python's strings, whatever the database's own language."""
    user_ids = ["Z", "a", "b'; DROP TABLE tastes; --", "é", "ﬁ", "\uffee", "\U0001f3b5", "z" * 128, "%", "a b"]
    with store.transaction() as transaction:
        for user_id in user_ids:
            record(transaction, user_id, LIKE, "a", "metal")
    assert sorted(user_ids) == list(store.user_ids())


def test_listeners_may_go_while_they_are_iterated(store: Store) -> None:
    """The iteration holds neither a lock nor a snapshot."""
    with store.transaction() as transaction:
        for user_id in "abc":
            record(transaction, user_id, LIKE, "a", "metal")
    seen = []
    for user_id in store.user_ids():
        seen.append(user_id)
        with store.transaction() as transaction:
            transaction.delete(user_id)
    assert ["a", "b", "c"] == seen
    assert [] == list(store.user_ids())


def test_a_secret_is_made_once(store: Store, store_url: str) -> None:
    """Secrets are 32 bytes, one for each name, and the same after the store was opened again."""
    secret = store.secret("page tokens")
    assert 32 == len(secret)
    assert secret != store.secret("another")
    with closing(open_store(store_url)) as reopened:
        assert secret == reopened.secret("page tokens")


def test_threads_write_one_after_the_other(store: Store) -> None:
    """No feedback of concurrent threads on one listener is lost."""

    def write(thread: int) -> None:
        for number in range(15):
            with store.transaction() as transaction:
                record(transaction, "ana", LIKE, f"track {thread}-{number}", "metal")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert list(range(1, 61)) == [event.revision for event in store.events("ana")]
    assert_replay_equals_stored(store, "ana")


def test_processes_write_one_after_the_other(store_url: str) -> None:
    """Processes that start at once on an empty database share it: schema, log and secrets."""
    secrets = in_processes(record_some, store_url, "one", "two")
    with closing(open_store(store_url)) as store:
        assert {store.secret("shared")} == set(secrets)
        assert list(range(1, 51)) == [event.revision for event in store.events("ana")]
        assert_replay_equals_stored(store, "ana")


def test_what_was_acknowledged_survives_an_abrupt_end(store_url: str) -> None:
    """Each time a writing process is killed, every event that it had acknowledged is in the log, whole."""
    acknowledged: list[str] = []
    for name in ("first", "second"):
        acknowledged += until_killed(record_forever, store_url, name, acknowledgements=40)
        with closing(open_store(store_url)) as store:
            events = store.events("ana")
            assert list(range(1, len(events) + 1)) == [event.revision for event in events]
            assert set(acknowledged) <= {event.track_id for event in events}
            assert_replay_equals_stored(store, "ana")


def test_a_store_that_is_locked_for_too_long_is_unavailable(store: Store, store_url: str) -> None:
    """While another process writes, writing gives up and reading goes on; then all is well."""
    with closing(open_store(store_url)) as other, other.transaction() as transaction:
        record(transaction, "ana", LIKE, "a", "metal")
        with pytest.raises(StoreUnavailable):
            assert_writable(store)
        assert None is store.header("ana")
    assert_writable(store)
    with store.transaction() as transaction:
        record(transaction, "ana", LIKE, "b", "metal")
    assert_replay_equals_stored(store, "ana")


def test_a_thread_that_writes_for_too_long_does_not_hold_the_others_for_ever(store: Store) -> None:
    """Threads of one process give up as those of others do."""
    begun, done = threading.Event(), threading.Event()

    def hold() -> None:
        with store.transaction():
            begun.set()
            done.wait()

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        begun.wait()
        try:
            with pytest.raises(StoreUnavailable):
                assert_writable(store)
        finally:
            done.set()
        holding.result()
    assert_writable(store)


def test_a_closed_store_is_unavailable(store: Store) -> None:
    """Calls that come too late say so, and closing twice does no harm."""
    store.close()
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        store.header("ana")
    with pytest.raises(StoreUnavailable, match="closed"):
        assert_writable(store)
    with pytest.raises(StoreUnavailable, match="closed"):
        store.models.serving_versions("ana")
