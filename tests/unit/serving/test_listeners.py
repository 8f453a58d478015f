"""Profiles in memory."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from palate.catalog.snapshot import Catalog
from palate.domain import EventKind, Profile
from palate.serving.feedback import Feedback, FeedbackService
from palate.serving.listeners import Listener, Listeners
from palate.store import open_store
from palate.store.contract import Header, Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return an empty store."""
    with closing(open_store(f"sqlite:///{tmp_path / 'palate.db'}")) as opened:
        yield opened


def _assert_equal(expected: Listener, actual: Listener) -> None:
    assert expected.header == actual.header
    assert expected.profile == actual.profile
    np.testing.assert_array_equal(expected.rated, actual.rated, strict=True)
    for name in ("liked", "disliked"):
        left, right = getattr(expected.context, name), getattr(actual.context, name)
        assert set(left) == set(right)
        for taste_id, rows in left.items():
            np.testing.assert_array_equal(rows, right[taste_id], strict=True)


def _random_feedback(catalog: Catalog, random: np.random.Generator) -> Feedback:
    kinds = [EventKind.LIKE] * 6 + [EventKind.DISLIKE] * 4 + [EventKind.RETRACT] * 3 + [EventKind.DELETE_TASTE]
    kind = kinds[random.integers(len(kinds))]
    row = int(random.integers(len(catalog) // 20)) * 20
    if kind is EventKind.DELETE_TASTE:
        return Feedback("ana", kind, taste_id=catalog.track(row).cluster_id)
    return Feedback("ana", kind, track_id=catalog.track_id(row))


def test_a_listener_brought_up_to_date_equals_one_that_was_read_anew(store: Store, catalog: Catalog) -> None:
    """Likes, changed minds, retractions and deleted tastes leave the same rows, however many of them came between."""
    random = np.random.default_rng(3)
    kept = Listeners(store, catalog, max_ratings=10_000)
    with closing(FeedbackService(store, catalog)) as service:
        for _ in range(80):
            recordings = [service.record([_random_feedback(catalog, random)]) for _ in range(random.integers(1, 6))]
            for recording in recordings:
                recording.exception()
            _assert_equal(Listeners(store, catalog, max_ratings=0).get("ana"), kept.get("ana"))
    assert kept.get("ana").profile.interaction_count > 20


@pytest.fixture
def loads(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that notes every listener who is read as a whole."""
    noted: list[str] = []
    read = store.profile

    def profile(user_id: str) -> tuple[Profile, Header] | None:
        noted.append(user_id)
        return read(user_id)

    monkeypatch.setattr(store, "profile", profile)
    return noted


class Meanwhile:
    """A store where something happens once, between two reads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.event: Callable[[], None] | None = None

    def header(self, user_id: str) -> Header | None:
        """Read a header, then let it happen."""
        header = self._store.header(user_id)
        happens, self.event = self.event, None
        if happens is not None:
            happens()
        return header

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_a_profile_that_begins_anew_between_two_reads_is_not_mixed_with_its_predecessor(
    store: Store, catalog: Catalog
) -> None:
    """The header says that one like was added; before it is read the profile is deleted and begun with another two."""
    meanwhile: Any = Meanwhile(store)
    listeners = Listeners(meanwhile, catalog, max_ratings=100)
    with closing(FeedbackService(store, catalog, clock=lambda: 1000)) as service:

        def record(*rows: int) -> None:
            for row in rows:
                service.record([Feedback("ana", EventKind.LIKE, catalog.track_id(row))]).result()

        def begin_anew() -> None:
            service.delete_profile("ana").result()
            record(7, 8)

        record(1)
        listeners.get("ana")
        record(2)
        meanwhile.event = begin_anew
        answered = listeners.get("ana")
        _assert_equal(Listeners(store, catalog, max_ratings=0).get("ana"), answered)


def _record(store: Store, catalog: Catalog, user_ids: Sequence[str], *kinds: EventKind) -> None:
    with closing(FeedbackService(store, catalog)) as service:
        for kind in kinds:
            recordings = [
                service.record([Feedback(user_id, kind, track_id=catalog.track_id(0))]) for user_id in user_ids
            ]
    for recording in recordings:
        recording.result()


def test_whoever_was_asked_for_least_recently_goes_first(store: Store, catalog: Catalog, loads: list[str]) -> None:
    """A listener who comes back again and again stays in memory, however long ago their last feedback was."""
    _record(store, catalog, ["ana", "ben", "cleo"], EventKind.LIKE)
    listeners = Listeners(store, catalog, max_ratings=20)
    for user_id in ("ana", "ben", "ana", "cleo", "ana", "ben"):
        listeners.get(user_id)
    assert ["ana", "ben", "cleo", "ben"] == loads


def test_listeners_who_took_everything_back_take_room_too(store: Store, catalog: Catalog, loads: list[str]) -> None:
    """However many listeners without ratings come by, no more are kept than the limit allows."""
    user_ids = [f"listener {number}" for number in range(50)]
    _record(store, catalog, user_ids, EventKind.LIKE, EventKind.RETRACT)
    listeners = Listeners(store, catalog, max_ratings=100)
    for user_id in [*user_ids, user_ids[0]]:
        listeners.get(user_id)
    assert [*user_ids, user_ids[0]] == loads
