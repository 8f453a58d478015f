"""After a change of catalog a profile is folded anew without holding up those who write meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from palate.catalog.snapshot import Catalog
from palate.domain import EventKind, replay
from palate.domain.features import FeatureMap
from palate.serving.feedback import Feedback, FeedbackService
from palate.store import open_store
from palate.store.contract import Store
from support.factories import record, walk


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return a store with two profiles that were folded with another feature map."""
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


def test_others_write_while_a_log_is_replayed(store: Store, catalog: Catalog, feature_map: Disturbed) -> None:
    """And what arrives for the same listener meanwhile is folded too."""

    def write() -> None:
        for user_id in ("ana", "eva"):
            with store.transaction() as transaction:
                record(transaction, user_id, EventKind.LIKE, "late", "metal")

    feature_map.disturbance = write
    with closing(FeedbackService(store, catalog)) as service:
        [recorded] = service.record([Feedback("ana", EventKind.LIKE, catalog.track_id(0))]).result()
    assert 42 == recorded.revision
    assert_replayed(store, feature_map, "ana", 42)


def test_a_profile_that_begins_anew_meanwhile_is_another_one(
    store: Store, catalog: Catalog, feature_map: Disturbed
) -> None:
    """What was folded of its predecessor is forgotten."""

    def begin_anew() -> None:
        with store.transaction() as transaction:
            transaction.delete("ana")
            walk(transaction, "ana", 50, seed=2)

    feature_map.disturbance = begin_anew
    with closing(FeedbackService(store, catalog)) as service:
        service.record([Feedback("ana", EventKind.LIKE, catalog.track_id(0))]).result()
    assert_replayed(store, feature_map, "ana", 51)


def test_a_batch_over_several_outdated_profiles_is_written_together(
    store: Store, catalog: Catalog, feature_map: FeatureMap
) -> None:
    """Each is made ready, and nothing is written before all are."""
    batch = [Feedback(user_id, EventKind.LIKE, catalog.track_id(0)) for user_id in ("eva", "ana", "ben", "ana")]
    with closing(FeedbackService(store, catalog)) as service:
        recorded = service.record(batch).result()
    assert [1, 41, 41, 42] == [answer.revision for answer in recorded]
    for user_id, revision in (("eva", 1), ("ana", 42), ("ben", 41)):
        assert_replayed(store, feature_map, user_id, revision)
