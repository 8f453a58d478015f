"""A server of two workers on PostgreSQL, through its whole life."""

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psycopg
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from grpc_status import rpc_status
from palate.catalog.snapshot import Catalog
from palate.store import open_store
from palate.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    feedback_pb2,
    feedback_pb2_grpc,
    recommendation_pb2,
    recommendation_pb2_grpc,
)
from support.waiting import eventually

PALATE = Path(sys.executable).with_name("palate")
OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]
"""The kernel spreads connections over the workers."""


class Served:
    """A running `palate serve` and the commands beside it, which find the database through the environment."""

    def __init__(self, url: str, folder: Path, catalog_path: Path) -> None:
        self._environment = {**os.environ, "PALATE_STORE__URL": url, "PALATE_CATALOG__PATH": str(catalog_path)}
        quick = {"ALLOW": '["logistic"]', "FOLDS": "3", "REPEATS": "1"}
        self._environment |= {f"PALATE_TRAINING__{key}": value for key, value in quick.items()}
        self._folder = folder
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                self._command("serve", "--workers", "2", "--port", "0"),
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert "is serving on" in line, (folder / "log").read_text(encoding="utf-8")
        self.address = line.split()[-1]

    def run(self, *arguments: str) -> str:
        """Run another command beside the server to its end and return what it prints."""
        return subprocess.run(
            self._command(*arguments), env=self._environment, check=True, capture_output=True, text=True
        ).stdout

    def models(self) -> str:
        """Return what `palate models list` prints."""
        command = [str(PALATE), "models", "list", "--server", self.address]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def workers(self) -> list[int]:
        """Return the process ids of the workers."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        pids = [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
        return [pid for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def _command(self, *arguments: str) -> list[str]:
        return [str(PALATE), *arguments, "--data-dir", str(self._folder)]


@pytest.fixture
def url(postgres: Any) -> str:
    """Return an empty schema."""
    return str(postgres.new_url())


@pytest.fixture
def served(url: str, tmp_path: Path, catalog_path: Path) -> Iterator[Served]:
    """Run a server of two workers."""
    running = Served(url, tmp_path, catalog_path)
    try:
        yield running
    finally:
        running.process.terminate()
        running.process.wait(timeout=30)
        assert running.process.stdout
        running.process.stdout.close()


def record(address: str, *verdicts: tuple[str, str, int], request_id: str = "") -> int:
    """Record verdicts over a connection of their own, and return the revision after them."""
    requests = [
        feedback_pb2.RecordFeedbackRequest(
            user_id=user_id, track_id=track_id, verdict=feedback_pb2.Verdict.ValueType(verdict), request_id=request_id
        )
        for user_id, track_id, verdict in verdicts
    ]
    with grpc.insecure_channel(address, OWN_CONNECTION) as channel:
        stub = feedback_pb2_grpc.FeedbackServiceStub(channel)
        batch = feedback_pb2.BatchRecordFeedbackRequest(requests=requests)
        return stub.BatchRecordFeedback(batch, timeout=20, wait_for_ready=True).responses[-1].profile_revision


def recommend(address: str, user_id: str) -> recommendation_pb2.RecommendResponse:
    """Ask for a slate over a connection of its own."""
    with grpc.insecure_channel(address, OWN_CONNECTION) as channel:
        stub = recommendation_pb2_grpc.RecommendationServiceStub(channel)
        request = recommendation_pb2.RecommendRequest(user_id=user_id, page_size=20)
        return stub.Recommend(request, timeout=20, wait_for_ready=True)


class Storm:
    """Threads that record feedback without a pause, each over connections of its own."""

    def __init__(self, address: str, track_ids: Sequence[str], threads: int = 4) -> None:
        self._address = address
        self._track_ids = track_ids
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._blow, args=(f"listener {n}",)) for n in range(threads)]
        self.acknowledged: set[tuple[str, str]] = set()
        self.codes: set[grpc.StatusCode] = set()

    @contextmanager
    def blowing(self) -> Iterator[None]:
        """Let it blow during the block."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join()

    def wait_for(self, count: int, also: Callable[[], bool] = lambda: True) -> None:
        """Wait until so many more were acknowledged."""
        wanted = len(self.acknowledged) + count
        eventually(lambda: len(self.acknowledged) >= wanted and also())

    def _blow(self, user_id: str) -> None:
        number = 0
        while not self._over.is_set():
            with grpc.insecure_channel(self._address, OWN_CONNECTION) as channel:
                stub = feedback_pb2_grpc.FeedbackServiceStub(channel)
                for _ in range(10):
                    number += 1
                    request_id = uuid.uuid4().hex
                    request = feedback_pb2.RecordFeedbackRequest(
                        user_id=user_id,
                        track_id=self._track_ids[number % len(self._track_ids)],
                        verdict=feedback_pb2.VERDICT_LIKE,
                        request_id=request_id,
                    )
                    try:
                        stub.RecordFeedback(request, timeout=10)
                    except grpc.RpcError as error:
                        self.codes.add(error.code())
                        time.sleep(0.05)
                        break
                    self.acknowledged.add((user_id, request_id))


def logged(url: str) -> set[tuple[str, str]]:
    """Return whose request was recorded."""
    with closing(open_store(url)) as store:
        return {(user_id, event.request_id) for user_id in store.user_ids() for event in store.events(user_id)}


def test_any_worker_reads_what_another_wrote_and_serves_what_was_trained(served: Served, catalog: Catalog) -> None:
    """Feedback and slate over connections that the kernel spreads; then a model, which the next slates name."""
    number = catalog.cluster_number("electronica")
    rows = np.flatnonzero(catalog.cluster == number)[:80].astype(np.int32)
    energy = catalog.normalized[rows, 1]
    kinds = np.where(energy > np.median(energy), feedback_pb2.VERDICT_LIKE, feedback_pb2.VERDICT_DISLIKE).tolist()
    verdicts = [("ana", track_id, kind) for track_id, kind in zip(catalog.track_ids(rows), kinds, strict=True)]
    for verdict in verdicts[:16]:
        revision = record(served.address, verdict)
        assert [revision] * 2 == [recommend(served.address, "ana").profile_revision for _ in range(2)]
    record(served.address, *verdicts[16:])
    assert {""} == {item.model_version for item in recommend(served.address, "ana").items}
    assert "published" in served.run("train", "--jobs", "1")
    for _ in range(4):
        assert any(item.model_version for item in recommend(served.address, "ana").items)
    assert "logistic" in served.models()
    assert "all equal their logs" in served.run("profile", "rebuild", "--verify")


def test_acknowledged_feedback_survives_a_worker_and_the_database_that_are_killed(
    served: Served, url: str, catalog: Catalog, postgres: Any
) -> None:
    """In the middle of a storm; calls fail as UNAVAILABLE meanwhile, and go on by themselves afterwards."""
    storm = Storm(served.address, catalog.track_ids(np.arange(500, dtype=np.int32)))
    with storm.blowing():
        storm.wait_for(100)
        os.kill(served.workers()[0], signal.SIGKILL)
        storm.wait_for(100, also=lambda: 2 == len(served.workers()))
        postgres.kill()
        try:
            with pytest.raises(grpc.RpcError) as caught:
                recommend(served.address, "listener 0")
        finally:
            postgres.start()
        assert grpc.StatusCode.UNAVAILABLE == caught.value.code()
        status: Any = rpc_status.from_call(caught.value)  # type: ignore[arg-type] # it is a call too
        assert any(detail.Is(RetryInfo.DESCRIPTOR) for detail in status.details)
        storm.wait_for(100)
    assert {grpc.StatusCode.UNAVAILABLE} == storm.codes
    assert set() == storm.acknowledged - logged(url)
    assert recommend(served.address, "listener 0").items
    served.process.terminate()
    assert 0 == served.process.wait(timeout=30)


def test_a_database_that_keeps_one_call_waiting_does_not_hold_up_the_others(
    serve: Callable[..., str], postgres: Any, url: str, catalog: Catalog
) -> None:
    """Whoever asks for what no database is needed for is answered while a slate waits for a lock."""
    address = serve(store__url=f"{url}&timeout=20")
    schema = url.rpartition("%3D")[2]
    with grpc.insecure_channel(address) as channel, psycopg.connect(postgres.server.get_uri()) as other:
        other.execute(f"LOCK TABLE {schema}.profiles IN ACCESS EXCLUSIVE MODE")
        stub = recommendation_pb2_grpc.RecommendationServiceStub(channel)
        slate: Any = stub.Recommend.future(recommendation_pb2.RecommendRequest(user_id="ana"), timeout=20)
        request = catalog_pb2.GetTrackRequest(track_id=catalog.track_id(0))
        for _ in range(3):
            catalog_pb2_grpc.CatalogServiceStub(channel).GetTrack(request, timeout=20)
        assert not slate.done()
        other.rollback()
        assert slate.result().items
