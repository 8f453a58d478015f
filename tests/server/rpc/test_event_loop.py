"""The event loop, which every call of a worker shares, is kept free of work on long requests."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import Any

from palate.catalog.snapshot import Catalog
from palate.rpc.feedback import FeedbackServicer
from palate.service.feedback import Feedback, FeedbackService, Recorded
from palate.store import open_store
from palate.v1 import feedback_pb2

NO_CONTEXT: Any = None


class Watched(FeedbackService):
    """A service that notes in which thread it is given feedback."""

    thread: threading.Thread | None = None

    def record(self, feedback: Sequence[Feedback]) -> Future[list[Recorded]]:
        """Note the thread, then record."""
        self.thread = threading.current_thread()
        return super().record(feedback)


def test_a_batch_of_feedback_is_looked_up_in_a_thread(tmp_path: Path, catalog: Catalog) -> None:
    """A thousand tracks take milliseconds, which the calls of others must not wait for."""
    requests = [
        feedback_pb2.RecordFeedbackRequest(user_id="ana", track_id=catalog.track_id(row), verdict="VERDICT_LIKE")
        for row in range(1_000)
    ]
    store = open_store(f"sqlite:///{tmp_path / 'palate.db'}")
    with closing(store), closing(Watched(store, catalog)) as service:
        batch = feedback_pb2.BatchRecordFeedbackRequest(requests=requests)
        answer = asyncio.run(FeedbackServicer(service).BatchRecordFeedback(batch, NO_CONTEXT))
    assert list(range(1, 1_001)) == [response.profile_revision for response in answer.responses]
    assert service.thread is not None
    assert threading.current_thread() is not service.thread
