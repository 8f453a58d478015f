"""The event loop, which every call of a worker shares, is kept free of long work and of third parties."""

import asyncio
import importlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from palate.catalog.snapshot import Catalog
from palate.client import Client
from palate.domain import EventKind
from palate.metrics import Metrics
from palate.models.cache import ModelCache
from palate.plugins.registry import Registry
from palate.rpc.feedback import FeedbackServicer
from palate.rpc.profile import ProfileServicer
from palate.serving.feedback import Feedback, FeedbackService, Recorded
from palate.serving.profile_views import ProfileService
from palate.serving.profiles import Profiles
from palate.serving.router import Router
from palate.store import open_store
from palate.v1 import feedback_pb2, profile_pb2, recommendation_pb2, recommendation_pb2_grpc
from support.plugins import Install

Serve = Callable[..., str]
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
    metrics, threads = Metrics(), CountingThreads(2)
    store = open_store(f"sqlite:///{tmp_path / 'palate.db'}")
    with (
        closing(store),
        closing(FeedbackService(store, catalog)) as feedback,
        closing(Router(Registry.load(options={}, stages={}), 60, metrics)) as router,
        closing(ModelCache(store.models, catalog.feature_map.fingerprint, 0, metrics)) as models,
    ):
        feedback.record([Feedback("ana", EventKind.LIKE, track_id) for track_id in track_ids]).result()
        profiles = Profiles(store, catalog, models, 0, 0, metrics)
        servicer = ProfileServicer(ProfileService(catalog, store, profiles, router), feedback)

        async def revisions() -> list[int]:
            asyncio.get_running_loop().set_default_executor(threads)
            request = profile_pb2.ExportProfileRequest(user_id="ana")
            parts = [part async for part in servicer.ExportProfile(request, NO_CONTEXT)]
            return [part.event.revision for part in parts[1:]]

        assert list(range(1, 2_501)) == asyncio.run(revisions())
    assert 3 <= threads.handed < 10


HANGING = """
import threading
from dataclasses import dataclass

BEGUN, GATE = threading.Event(), threading.Event()


@dataclass(frozen=True)
class NoOptions:
    pass


class Plugin:
    config_type = NoOptions
    stage = None

    def __init__(self, config):
        pass

    def recommend(self, profile, request, context):
        BEGUN.set()
        GATE.wait(30)
        return []

    def score(self, profile, rows, context):
        return None
"""


def test_a_strategy_of_a_third_party_that_hangs_holds_up_nobody(serve: Serve, install: Install) -> None:
    """Others are answered while it hangs, and its caller is when it goes on."""
    install("hanging", HANGING)
    address = serve(strategies__timeout_seconds=60)
    plugin: Any = importlib.import_module("test_hanging_plugin")
    with grpc.insecure_channel(address) as channel, Client(address) as client:
        stub = recommendation_pb2_grpc.RecommendationServiceStub(channel)
        request = recommendation_pb2.RecommendRequest(user_id="ana", strategy="hanging")
        hanging: Any = stub.Recommend.future(request, timeout=60)
        assert plugin.BEGUN.wait(30)
        assert client.recommend("ben").items
        assert not hanging.done()
        plugin.GATE.set()
        assert "hanging" == hanging.result().strategy
