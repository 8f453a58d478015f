"""Recording feedback of many listeners together."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from palate.catalog.snapshot import Catalog
from palate.errors import StoreUnavailable
from palate.service.feedback import Feedback, FeedbackService
from palate.store import open_store
from palate.tastes import EventKind


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
