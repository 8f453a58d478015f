"""What Prometheus is told, scraped over HTTP from real servers."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import grpc
import pytest
from palate import __version__
from palate.catalog.snapshot import Catalog
from palate.client import Client, NotFound, StrategyFailed
from palate.v1 import feedback_pb2, feedback_pb2_grpc, recommendation_pb2, recommendation_pb2_grpc
from support.plugins import Install
from support.waiting import eventually

Scrape = Callable[..., dict[tuple[str, ...], float]]
PALATE = Path(sys.executable).with_name("palate")

SLEEPER = """
import time
from dataclasses import dataclass

@dataclass(frozen=True)
class Config:
    seconds: float = 1.0

class Plugin:
    config_type = Config
    stage = None

    def __init__(self, config):
        self.config = config

    def recommend(self, profile, request, context):
        time.sleep(self.config.seconds)
        return []

    def score(self, profile, rows, context):
        return None
"""


def test_calls_slates_and_feedback_are_counted(
    serve: Callable[..., str], free_port: int, scrape: Scrape, catalog: Catalog
) -> None:
    """By method and status, by strategy and source, by verdict; a request that is repeated is recorded once."""
    tracks = catalog.track_ids(catalog.popular(catalog.cluster_number("metal") or 0)[:4])
    with Client(serve(server__metrics_port=free_port)) as client:
        client.recommend("ana")
        client.recommend("ana")
        client.like("ana", tracks[0], request_id="once")
        client.like("ana", tracks[0], request_id="once")
        client.recommend("ana")
        client.dislike("ana", tracks[1])
        client.retract_feedback("ana", tracks[1])
        client.rank("ana", tracks)
        list(client.export_profile("ana"))
        with pytest.raises(NotFound):
            client.get_track("nowhere")
    samples = scrape()
    assert {
        ("palate_calls_total", "OK", "Recommend"): 3,
        ("palate_calls_total", "OK", "RecordFeedback"): 3,
        ("palate_calls_total", "OK", "RetractFeedback"): 1,
        ("palate_calls_total", "OK", "Rank"): 1,
        ("palate_calls_total", "OK", "ExportProfile"): 1,
        ("palate_calls_total", "NOT_FOUND", "GetTrack"): 1,
    } == scrape("palate_calls_total")
    assert {
        ("palate_slates_total", "false", "false", "cold_start"): 1,
        ("palate_slates_total", "true", "false", "cold_start"): 1,
        ("palate_slates_total", "false", "false", "fallback"): 1,
    } == scrape("palate_slates_total")
    assert {("palate_rankings_total", "fallback"): 1} == scrape("palate_rankings_total")
    assert {
        ("palate_feedback_recorded_total", "like"): 1,
        ("palate_feedback_recorded_total", "dislike"): 1,
        ("palate_feedback_recorded_total", "retract"): 1,
    } == scrape("palate_feedback_recorded_total")
    assert (3, 3) == (samples["palate_feedback_batch_size_count",], samples["palate_feedback_batch_size_sum",])
    assert {
        ("palate_profile_updates_total", "store"): 1,
        ("palate_profile_updates_total", "events"): 1,
    } == scrape("palate_profile_updates_total")
    assert {("palate_build_info", catalog.version, __version__): 1} == scrape("palate_build_info")


def test_latencies_fall_into_buckets_from_half_a_millisecond_to_a_second(
    serve: Callable[..., str], free_port: int, scrape: Scrape
) -> None:
    """The buckets are cumulative, and the last one has every call."""
    with Client(serve(server__metrics_port=free_port)) as client:
        for _ in range(5):
            client.recommend("ana")
    buckets = {key[1]: value for key, value in scrape("palate_call_duration_seconds_bucket").items()}
    assert ["0.0005", "1.0", "+Inf"] == [*list(buckets)[:1], *list(buckets)[-2:]]
    assert sorted(buckets.values()) == list(buckets.values())
    assert 5 == buckets["+Inf"]
    assert 0 < scrape()["palate_call_duration_seconds_sum", "Recommend"] < 5 * 60


def test_a_strategy_that_runs_out_of_time_is_counted(
    serve: Callable[..., str], free_port: int, scrape: Scrape, install: Install
) -> None:
    """By its name and the reason, beside the status of the call."""
    install("dozer", SLEEPER)
    address = serve(server__metrics_port=free_port, strategies__timeout_seconds=0.2)
    with Client(address) as client, pytest.raises(StrategyFailed):
        client.recommend("ana", strategy="dozer")
    assert {("palate_strategy_failures_total", "timeout", "dozer"): 1} == scrape("palate_strategy_failures_total")
    assert {("palate_calls_total", "INTERNAL", "Recommend"): 1} == scrape("palate_calls_total")


def test_calls_in_flight_refused_calls_and_a_store_that_is_locked_are_counted(
    serve: Callable[..., str], free_port: int, scrape: Scrape, tmp_path: Path, catalog: Catalog
) -> None:
    """One call waits for the store, another finds no room, and the first one ends without having been recorded."""
    address = serve(
        server__metrics_port=free_port,
        server__max_concurrent_calls=1,
        store__url=f"sqlite:///{tmp_path / 'palate.db'}?timeout=1",
    )
    like = feedback_pb2.RecordFeedbackRequest(
        user_id="ana", track_id=catalog.track_id(0), verdict=feedback_pb2.VERDICT_LIKE
    )
    with grpc.insecure_channel(address, [("grpc.enable_retries", 0)]) as channel, locked(tmp_path / "palate.db"):
        waiting = feedback_pb2_grpc.FeedbackServiceStub(channel).RecordFeedback.future(like)
        eventually(lambda: 1 == scrape()["palate_calls_in_flight",])
        with pytest.raises(grpc.RpcError) as refused:
            recommendation_pb2_grpc.RecommendationServiceStub(channel).Recommend(
                recommendation_pb2.RecommendRequest(user_id="ana")
            )
        assert grpc.StatusCode.RESOURCE_EXHAUSTED == refused.value.code()
        assert grpc.StatusCode.UNAVAILABLE == waiting.code()
    assert {("palate_calls_refused_total", "overloaded"): 1} == scrape("palate_calls_refused_total")
    assert {("palate_store_unavailable_total",): 1} == scrape("palate_store_unavailable_total")
    assert {} == scrape("palate_feedback_recorded_total")
    assert 0 == scrape()["palate_calls_in_flight",]


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Hold a database's write lock."""
    with closing(sqlite3.connect(database, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield
        holder.execute("ROLLBACK")


@contextmanager
def two_workers(data_dir: Path, catalog_path: Path, free_port: int) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Run `palate serve` with two workers, and yield its process and its address."""
    command = [str(PALATE), "serve", "--workers", "2", "--port", "0", "--metrics-port", str(free_port)]
    command += ["--data-dir", str(data_dir), "--catalog", str(catalog_path)]
    with (
        (data_dir / "log").open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert "is serving on" in line, (data_dir / "log").read_text(encoding="utf-8")
            yield process, line.split()[-1]
        finally:
            process.terminate()


def call_over_connections_of_their_own(address: str, count: int) -> None:
    """Recommend that many times; the kernel spreads connections over the workers."""
    for number in range(count):
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(address, options) as channel:
            recommendation_pb2_grpc.RecommendationServiceStub(channel).Recommend(
                recommendation_pb2.RecommendRequest(user_id=f"listener {number}"), wait_for_ready=True, timeout=20
            )


def workers(process: "subprocess.Popen[str]") -> list[int]:
    """Return the process ids of a server's workers."""
    pids: list[int] = []
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        with suppress(FileNotFoundError):  # a thread may end meanwhile
            pids += map(int, (task / "children").read_text().split())
    return [pid for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def metrics_files(pid: int) -> list[Path]:
    """Return the files that a worker writes its metrics to, as it has them in memory."""
    lines = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines()
    return [Path(line.split()[-1]) for line in lines if "/palate-metrics-" in line]


def test_one_scrape_covers_all_workers_and_those_that_died(
    catalog_path: Path, tmp_path: Path, free_port: int, scrape: Scrape
) -> None:
    """Whichever worker answered is counted; what a dead one counted stays, and what it had in hand does not."""
    recommended = ("palate_calls_total", "OK", "Recommend")
    with two_workers(tmp_path, catalog_path, free_port) as (process, address):
        call_over_connections_of_their_own(address, 16)
        assert 16 == scrape()[recommended]
        for number, pid in enumerate(workers(process), start=1):
            os.kill(pid, signal.SIGKILL)
            eventually(lambda dead=pid: dead not in workers(process) and 2 == len(workers(process)))  # type: ignore[misc]  # the default binds the variable
            call_over_connections_of_their_own(address, 16)
            assert 16 + 16 * number == scrape()[recommended]
            assert {0} == set(scrape("palate_calls_in_flight").values())
        files = metrics_files(workers(process)[0])
        assert {"0", "1"} == {path.stem.rpartition("_")[2] for path in files[0].parent.iterdir()}
    assert 0 == process.returncode
    assert not files[0].parent.exists()
