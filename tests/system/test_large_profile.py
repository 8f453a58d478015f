"""A listener with ten thousand ratings is served like any other."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from palate.catalog.snapshot import Catalog
from palate.client import Client
from palate.v1 import feedback_pb2
from palate_tools.catalog.synthesize import synthesize

RATINGS = 10_000


@pytest.fixture
def large(catalog: Catalog, tmp_path: Path) -> Path:
    """Return a catalog of twelve thousand tracks."""
    path = tmp_path / "large.arrow"
    synthesize(catalog, 12_000, 1, path)
    return path


def test_ten_thousand_ratings_are_taken_kept_and_left_out(serve: Callable[..., str], large: Path) -> None:
    """They fit through batches, count in the profile, stay out of every page, and come back in the export."""
    with Catalog.open(large) as catalog, Client(serve(catalog__path=large), timeout=60) as client:
        rated = catalog.track_ids(np.arange(RATINGS, dtype=np.int32))
        for start in range(0, RATINGS, 1_000):
            client.batch_record_feedback(
                feedback_pb2.RecordFeedbackRequest(
                    user_id="ana",
                    track_id=track_id,
                    verdict=feedback_pb2.VERDICT_LIKE if row % 4 else feedback_pb2.VERDICT_DISLIKE,
                )
                for row, track_id in enumerate(rated[start : start + 1_000])
            )
        profile = client.get_profile("ana").profile
        assert RATINGS == profile.interaction_count == profile.revision
        assert "ranking" == profile.stage, "there is no model"
        for size in (10, 100):
            items = client.recommend("ana", page_size=size).items
            assert size == len(items)
            assert set() == {item.track_id for item in items} & set(rated)
        assert RATINGS + 1 == sum(1 for _ in client.export_profile("ana"))
        assert RATINGS + 1 == client.dislike("ana", rated[0]).profile_revision
