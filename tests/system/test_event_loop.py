"""The event loop, which every call of a worker shares, is kept free of work on long requests."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from palate.catalog.snapshot import Catalog
from palate.domain import EventKind
from palate.plugins.registry import Registry
from palate.rpc.feedback import FeedbackServicer
from palate.rpc.fields import identifier
from palate.rpc.profile import ProfileServicer
from palate.serving.feedback import Feedback, FeedbackService, Recorded
from palate.serving.listeners import Listeners
from palate.serving.profiles import ProfileService
from palate.serving.router import Router
from palate.store import open_store
from palate.v1 import feedback_pb2, profile_pb2, recommendation_pb2, recommendation_pb2_grpc

Serve = Callable[..., str]
NO_CONTEXT: Any = None


class Watched(FeedbackService):
    """A service that notes in which thread it is given feedback."""

    thread: threading.Thread | None = None

    def record(self, feedback: Sequence[Feedback]) -> Future[list[Recorded]]:
        """Note the thread, then record."""
        self.thread = threading.current_thread()
        return super().record(feedback)


def seconds_on_the_loop(call: Callable[[], object]) -> float:
    """Make a call to the server of this process and return the processor time that its event loop spent meanwhile."""
    [loop] = [thread for thread in threading.enumerate() if thread.name == "palate-server"]
    assert loop.ident is not None
    clock = time.pthread_getcpuclockid(loop.ident)
    begun = time.clock_gettime(clock)
    call()
    return time.clock_gettime(clock) - begun


def test_ten_thousand_excluded_tracks_are_checked_in_a_thread(serve: Serve) -> None:
    """The event loop spends less on all of the call than checking them takes."""
    request = recommendation_pb2.RecommendRequest(
        user_id="ana", exclude_track_ids=[f"{number:0100}" for number in range(10_000)]
    )
    begun = time.thread_time()
    for number, track_id in enumerate(request.exclude_track_ids):
        identifier(f"exclude_track_ids[{number}]", track_id)
    checking = time.thread_time() - begun
    with grpc.insecure_channel(serve()) as channel:
        stub = recommendation_pb2_grpc.RecommendationServiceStub(channel)
        stub.Recommend(recommendation_pb2.RecommendRequest(user_id="ana"))
        spent = []
        for _ in range(3):
            request.exclude_track_ids.append("another")
            del request.exclude_track_ids[0]
            spent.append(seconds_on_the_loop(lambda: stub.Recommend(request)))
    assert checking > min(spent)


def test_a_batch_of_feedback_is_looked_up_in_a_thread(tmp_path: Path, catalog: Catalog) -> None:
    """A thousand tracks take milliseconds, which the calls of others must not wait for."""
    requests = [
        feedback_pb2.RecordFeedbackRequest(
            user_id="ana", track_id=catalog.track_id(row), verdict=feedback_pb2.VERDICT_LIKE
        )
        for row in range(1_000)
    ]
    store = open_store(f"sqlite:///{tmp_path / 'palate.db'}")
    with closing(store), closing(Watched(store, catalog)) as service:
        batch = feedback_pb2.BatchRecordFeedbackRequest(requests=requests)
        answer = asyncio.run(FeedbackServicer(service).BatchRecordFeedback(batch, NO_CONTEXT))
    assert list(range(1, 1_001)) == [response.profile_revision for response in answer.responses]
    assert service.thread is not None
    assert threading.current_thread() is not service.thread


class CountingThreads(ThreadPoolExecutor):
    """Threads that count how often they are handed something."""

    handed = 0

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        """Count, then do it."""
        self.handed += 1
        return super().submit(*args, **kwargs)


def test_an_export_changes_threads_once_for_a_page(tmp_path: Path, catalog: Catalog) -> None:
    """Handing over each event costs more than reading it."""
    track_ids = catalog.track_ids(np.arange(2_500, dtype=np.int32))
    store = open_store(f"sqlite:///{tmp_path / 'palate.db'}")
    with closing(store), CountingThreads(2) as threads, closing(FeedbackService(store, catalog)) as feedback:
        feedback.record([Feedback("ana", EventKind.LIKE, track_id) for track_id in track_ids]).result()
        registry = Registry.load(options={}, stages={}, allow=("*",), required=())
        router = Router(registry, threads, timeout=5)
        profiles = ProfileService(catalog, store, Listeners(store, catalog, max_ratings=0), router)
        servicer = ProfileServicer(profiles, feedback, threads)

        async def revisions() -> list[int]:
            request = profile_pb2.ExportProfileRequest(user_id="ana")
            parts = [part async for part in servicer.ExportProfile(request, NO_CONTEXT)]
            return [part.event.revision for part in parts[1:]]

        assert list(range(1, 2_501)) == asyncio.run(revisions())
    assert 10 > threads.handed
