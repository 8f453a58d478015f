"""Profiles in memory."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from palate.catalog.snapshot import Catalog
from palate.service.feedback import Feedback, FeedbackService
from palate.service.listeners import Listener, Listeners
from palate.store import open_store
from palate.store.contract import Store
from palate.tastes import EventKind


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
