"""The server as a process: killed, drained, in several workers, with plugins that misbehave."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from palate.catalog.snapshot import Catalog
from palate.store import open_store
from palate.v1 import (
    feedback_pb2,
    feedback_pb2_grpc,
    recommendation_pb2,
    recommendation_pb2_grpc,
    strategy_pb2,
    strategy_pb2_grpc,
)
from support.waiting import eventually

Start = Callable[..., "Process"]

PLUGIN = """
import pathlib, time
from dataclasses import dataclass
from palate.plugins import Choice, Reason, ReasonKind, Scores, Stage

@dataclass(frozen=True)
class Config:
    folder: str = ""

class Waiter:
    config_type = Config
    stage = None

    def __init__(self, config):
        self._config = config

    def recommend(self, profile, request, context):
        (pathlib.Path(self._config.folder) / "begun").touch()
        while not (pathlib.Path(self._config.folder) / "over").exists():
            time.sleep(0.01)
        return [Choice(row=0, score=1.0, reason=Reason(ReasonKind.POPULAR))]

    def score(self, profile, rows, context):
        raise RuntimeError("this strategy cannot score")
"""
"""A strategy that leaves the file ``begun`` in a folder, and waits there for the file ``over``."""


SLOW_TO_IMPORT = """
import os, pathlib, time
arrived = pathlib.Path(os.environ["ARRIVED"])
(arrived / str(os.getpid())).touch()
while len(list(arrived.iterdir())) < int(os.environ["AWAITED"]):
    time.sleep(0.01)
"""
"""Begins a plugin that lets no worker serve before so many have come as far."""


class Process:
    """A server in a process of its own."""

    def __init__(self, data_dir: Path, environment: dict[str, str], *, serves: bool = True) -> None:
        self.data_dir = data_dir
        self._log = (data_dir / "log").open("ab")
        self.popen = subprocess.Popen(
            [sys.executable, "-c", "from palate.app.config import *; from palate.app.run import *; run(load_config())"],
            env={**os.environ, **environment, "PALATE_DATA_DIR": str(data_dir), "PALATE_SERVER__PORT": "0"},
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        assert self.popen.stdout is not None
        if not serves:
            return
        line = self.popen.stdout.readline()
        assert "is serving on" in line, (data_dir / "log").read_text(encoding="utf-8")
        self.address = line.split()[-1]

    def end(self) -> None:
        """Kill the process and its workers."""
        if self.popen.poll() is None:
            self.popen.terminate()
            self.popen.wait(timeout=30)
        assert self.popen.stdout is not None
        self.popen.stdout.close()
        self._log.close()


@pytest.fixture
def start(catalog_path: Path, tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a server process, with keys of its configuration as environment variables."""
    plugin = tmp_path / "plugin"
    information = plugin / "waiter-1.2.dist-info"
    information.mkdir(parents=True)
    (plugin / "waiter.py").write_text(PLUGIN, encoding="utf-8")
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: waiter\nVersion: 1.2\n", encoding="utf-8")
    (information / "entry_points.txt").write_text("[palate.strategies]\nwaiter = waiter:Waiter\n", encoding="utf-8")
    with ExitStack() as stack:

        def begin(*, serves: bool = True, **variables: Any) -> Process:
            environment = {f"PALATE_{name.upper()}": str(value) for name, value in variables.items()}
            environment |= {"PALATE_CATALOG__PATH": str(catalog_path), "PYTHONPATH": str(plugin)}
            process = Process(tmp_path, environment, serves=serves)
            stack.callback(process.end)
            return process

        yield begin


@contextmanager
def recommendations(address: str) -> Iterator[recommendation_pb2_grpc.RecommendationServiceStub]:
    """Connect to the RecommendationService."""
    with grpc.insecure_channel(address) as channel:
        yield recommendation_pb2_grpc.RecommendationServiceStub(channel)


def storm(address: str, user_id: str, track_ids: list[str], acknowledged: set[tuple[str, str]]) -> None:
    """Record feedback until the server is gone, and note what was acknowledged."""
    with grpc.insecure_channel(address) as channel:
        stub = feedback_pb2_grpc.FeedbackServiceStub(channel)
        for track_id in track_ids:
            request = feedback_pb2.RecordFeedbackRequest(
                user_id=user_id, track_id=track_id, verdict=feedback_pb2.VERDICT_LIKE, request_id=uuid.uuid4().hex
            )
            try:
                stub.RecordFeedback(request, timeout=10)
            except grpc.RpcError:
                return
            acknowledged.add((user_id, request.request_id))


def test_acknowledged_feedback_survives_sigkill_in_the_middle_of_a_storm(start: Start, catalog: Catalog) -> None:
    """Whatever was acknowledged is in the log after the restart, time after time."""
    track_ids = [catalog.track_id(row) for row in range(2_000)]
    acknowledged: set[tuple[str, str]] = set()
    for turn in range(4):
        process = start()
        before = len(acknowledged)
        threads = [
            threading.Thread(target=storm, args=(process.address, f"{turn}-{number}", track_ids, acknowledged))
            for number in range(6)
        ]
        for thread in threads:
            thread.start()
        eventually(lambda: len(acknowledged) >= before + 150)  # noqa: B023 - within this turn
        process.popen.kill()
        for thread in threads:
            thread.join()
        process.popen.wait(timeout=30)
        store = open_store(f"sqlite:///{process.data_dir / 'palate.db'}")
        logged = {(user_id, event.request_id) for user_id in store.user_ids() for event in store.events(user_id)}
        store.close()
        assert set() == acknowledged - logged
    assert 600 <= len(acknowledged)


def test_a_full_disk_refuses_feedback_and_loses_none_that_was_acknowledged(start: Start, catalog: Catalog) -> None:
    """A limit on the size of files stands for the disk: slates go on, and when there is room feedback does too."""
    process = start()
    track_ids = [catalog.track_id(row) for row in range(2_000)]
    acknowledged: set[tuple[str, str]] = set()
    _, hard = resource.prlimit(process.popen.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.popen.pid, resource.RLIMIT_FSIZE, (1_000_000, hard))
    storm(process.address, "ana", track_ids, acknowledged)
    assert 10 < len(acknowledged) < 2_000
    with recommendations(process.address) as stub:
        assert stub.Recommend(recommendation_pb2.RecommendRequest(user_id="ana")).items
    resource.prlimit(process.popen.pid, resource.RLIMIT_FSIZE, (hard, hard))
    storm(process.address, "ana", track_ids[-5:], acknowledged)
    with recommendations(process.address) as stub:
        slate = stub.Recommend(recommendation_pb2.RecommendRequest(user_id="ana"))
    assert len(acknowledged) == slate.profile_revision


def waiting_in(folder: Path) -> str:
    """Return the options that let the strategy wait for a file in a folder."""
    return json.dumps({"waiter": {"folder": str(folder)}})


def test_sigterm_lets_calls_in_flight_finish_after_health_has_turned(start: Start, tmp_path: Path) -> None:
    """Draining turns health first, finishes the calls in flight, refuses new ones, and exits with 0."""
    process = start(strategies__options=waiting_in(tmp_path), strategies__timeout_seconds=60)
    answers: list[Any] = []

    def recommend() -> None:
        with recommendations(process.address) as stub:
            answers.append(
                stub.Recommend(recommendation_pb2.RecommendRequest(user_id="ana", strategy="waiter"), timeout=60)
            )

    with grpc.insecure_channel(process.address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(service="palate.v1.RecommendationService"))
        assert health_pb2.HealthCheckResponse.SERVING == next(watch).status
        caller = threading.Thread(target=recommend)
        caller.start()
        eventually((tmp_path / "begun").exists)
        process.popen.send_signal(signal.SIGTERM)
        assert health_pb2.HealthCheckResponse.NOT_SERVING == next(watch).status
        assert [] == answers, "health turned before the call in flight was over"
        (tmp_path / "over").touch()
        caller.join()
        watch.cancel()
    assert ["waiter"] == [answer.strategy for answer in answers]
    assert 0 == process.popen.wait(timeout=20)


def test_sigterm_under_load_cuts_no_call_off(start: Start) -> None:
    """Sixteen callers who do not let up get their answers or UNAVAILABLE, and nothing else."""
    process = start()
    codes: set[grpc.StatusCode] = set()
    answers = threading.Semaphore(0)

    def recommend(number: int) -> None:
        with recommendations(process.address) as stub:
            while grpc.StatusCode.UNAVAILABLE not in codes:
                try:
                    stub.Recommend(recommendation_pb2.RecommendRequest(user_id=f"listener-{number}"), timeout=20)
                    answers.release()
                except grpc.RpcError as error:
                    codes.add(error.code())

    callers = [threading.Thread(target=recommend, args=(number,)) for number in range(16)]
    for caller in callers:
        caller.start()
    for _ in range(200):
        answers.acquire()
    process.popen.terminate()
    for caller in callers:
        caller.join(timeout=20)
    assert {grpc.StatusCode.UNAVAILABLE} == codes
    assert 0 == process.popen.wait(timeout=20)


def test_whoever_watches_the_health_does_not_hold_up_the_end(start: Start) -> None:
    """A watch never ends by itself; when the last call is over, nothing is left to wait for."""
    process = start(server__drain_seconds=20)
    with grpc.insecure_channel(process.address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest())
        assert health_pb2.HealthCheckResponse.SERVING == next(watch).status
        process.popen.terminate()
        assert health_pb2.HealthCheckResponse.NOT_SERVING == next(watch).status
        assert 0 == process.popen.wait(timeout=10)


def has_ipv6() -> bool:
    """Return whether this machine has an IPv6 address of its own."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_an_ipv6_address_is_listened_on_and_announced_as_clients_write_it(start: Start) -> None:
    """The configuration names the host alone; brackets belong to the address."""
    process = start(server__host="::1")
    assert process.address.startswith("[::1]:")
    with recommendations(process.address) as stub:
        assert stub.Recommend(recommendation_pb2.RecommendRequest(user_id="ana")).items


def test_several_workers_see_each_others_feedback(start: Start, catalog: Catalog) -> None:
    """The next Recommend sees the feedback, whichever worker answers."""
    process = start(server__workers=2)
    liked: list[str] = []
    channels = [
        grpc.insecure_channel(process.address, options=[("grpc.use_local_subchannel_pool", 1)]) for _ in range(8)
    ]
    feedback = [feedback_pb2_grpc.FeedbackServiceStub(channel) for channel in channels]
    slates = [recommendation_pb2_grpc.RecommendationServiceStub(channel) for channel in channels]
    popular = catalog.track_ids(catalog.popular(catalog.cluster_number("metal") or 0)[:16])
    for number, track_id in enumerate(popular):
        request = feedback_pb2.RecordFeedbackRequest(
            user_id="ana", track_id=track_id, verdict=feedback_pb2.VERDICT_LIKE
        )
        answer = feedback[number % 8].RecordFeedback(request)
        liked.append(track_id)
        for stub in slates:
            slate = stub.Recommend(recommendation_pb2.RecommendRequest(user_id="ana"))
            assert answer.profile_revision == slate.profile_revision
            assert set() == {item.track_id for item in slate.items} & set(liked)
    for channel in channels:
        channel.close()


def children(process: Process) -> list[int]:
    """Return the process ids of the workers."""
    tasks = Path(f"/proc/{process.popen.pid}/task")
    pids = [int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()]
    return [pid for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_a_worker_that_dies_is_replaced(start: Start) -> None:
    """The service goes on, and SIGTERM still ends all of it."""
    process = start(server__workers=2)
    first = children(process)
    assert 2 == len(first)
    os.kill(first[0], signal.SIGKILL)
    eventually(lambda: first[0] not in children(process) and len(children(process)) == 2)
    with recommendations(process.address) as stub:
        assert stub.Recommend(recommendation_pb2.RecommendRequest(user_id="ana"), wait_for_ready=True, timeout=20).items
    workers = children(process)
    process.popen.terminate()
    assert 0 == process.popen.wait(timeout=30)
    assert [] == [pid for pid in workers if Path(f"/proc/{pid}").exists()]


def alive(pid: int) -> bool:
    """Return whether a process is there and no zombie."""
    try:
        return "Z" != Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_a_worker_that_cannot_be_replaced_takes_nobody_with_it(start: Start, catalog_path: Path) -> None:
    """The others go on and a new one is tried again and again; SIGTERM still ends all of it."""
    moved = catalog_path.with_name("moved")
    process = start(server__workers=2)
    dying, staying = children(process)
    catalog_path.rename(moved)
    try:
        os.kill(dying, signal.SIGKILL)
        eventually(lambda: "trying again" in (process.data_dir / "log").read_text(encoding="utf-8"))
        with recommendations(process.address) as stub:
            assert stub.Recommend(recommendation_pb2.RecommendRequest(user_id="ana"), timeout=20).items
    finally:
        moved.rename(catalog_path)
    eventually(lambda: 2 == len([pid for pid in children(process) if pid != dying]))
    workers = children(process)
    assert staying in workers
    process.popen.terminate()
    assert 0 == process.popen.wait(timeout=30)
    assert [] == [pid for pid in workers if alive(pid)]


@pytest.fixture
def arrived(
    tmp_path: Path,
    start: Start,  # noqa: ARG001 - it makes the plugin
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Return a folder in which every worker leaves a file when it loads the plugin, where it waits for others."""
    folder = tmp_path / "arrived"
    folder.mkdir()
    (tmp_path / "plugin" / "waiter.py").write_text(SLOW_TO_IMPORT + PLUGIN, encoding="utf-8")
    monkeypatch.setenv("ARRIVED", str(folder))
    return folder


def test_workers_start_side_by_side(start: Start, arrived: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may wait for the other, also on an empty store, and serving is announced once all of them do."""
    monkeypatch.setenv("AWAITED", "2")
    process = start(server__workers=2)
    assert sorted(str(pid) for pid in children(process)) == sorted(path.name for path in arrived.iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_stop_while_workers_start_ends_all_at_once(
    start: Start, arrived: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """Nobody waits for a start that is no longer wanted, and nothing is announced."""
    monkeypatch.setenv("AWAITED", "3")
    process = start(serves=False, server__workers=2)
    eventually(lambda: len(list(arrived.iterdir())) == 2)
    workers = children(process)
    process.popen.send_signal(number)
    assert 0 == process.popen.wait(timeout=60)
    assert process.popen.stdout is not None
    assert "" == process.popen.stdout.read()
    assert [] == [pid for pid in workers if alive(pid)]


def test_a_stop_while_a_single_process_starts_is_not_answered_by_an_announcement(
    start: Start, arrived: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked to end before it served ends without saying that it serves."""
    monkeypatch.setenv("AWAITED", "2")
    process = start(serves=False)
    eventually(lambda: len(list(arrived.iterdir())) == 1)
    process.popen.terminate()
    (arrived / "other").touch()
    assert 0 == process.popen.wait(timeout=30)
    assert process.popen.stdout is not None
    assert "" == process.popen.stdout.read()


def test_workers_end_with_the_process_that_looks_after_them(start: Start) -> None:
    """A killed parent leaves no worker behind that would hold the port."""
    process = start(server__workers=2)
    workers = children(process)
    process.popen.kill()
    process.popen.wait(timeout=30)
    eventually(lambda: not any(alive(pid) for pid in workers))


def test_a_strategy_that_runs_out_of_time_gives_way_to_the_stage_below(start: Start, tmp_path: Path) -> None:
    """A strategy that hangs costs its time and no more; by name it fails with its name and version."""
    process = start(
        strategies__options=waiting_in(tmp_path),
        strategies__timeout_seconds=0.3,
        stages='{"waiter": {"min_confidence": 0, "min_interactions": 1}}',
    )
    with grpc.insecure_channel(process.address) as channel:
        listed = strategy_pb2_grpc.StrategyServiceStub(channel).ListStrategies(strategy_pb2.ListStrategiesRequest())
        [waiter] = [strategy for strategy in listed.strategies if strategy.name == "waiter"]
        assert ("waiter", "1.2") == (waiter.distribution, waiter.version)
        stub = recommendation_pb2_grpc.RecommendationServiceStub(channel)
        cold = stub.Recommend(recommendation_pb2.RecommendRequest(user_id="ana"))
        request = feedback_pb2.RecordFeedbackRequest(
            user_id="ana", track_id=cold.items[0].track_id, verdict=feedback_pb2.VERDICT_DISLIKE
        )
        feedback_pb2_grpc.FeedbackServiceStub(channel).RecordFeedback(request)
        slate = stub.Recommend(recommendation_pb2.RecommendRequest(user_id="ana"))
        assert "cold_start" == slate.strategy
        with pytest.raises(grpc.RpcError) as caught:
            stub.Recommend(recommendation_pb2.RecommendRequest(user_id="ana", strategy="waiter"))
        assert grpc.StatusCode.INTERNAL == caught.value.code()
        assert "'waiter' (1.2)" in str(caught.value.details())


def test_a_strategy_that_breaks_fails_by_name_and_the_server_stays_up(start: Start, catalog: Catalog) -> None:
    """The caller who named it is told; the log has the traceback."""
    process = start()
    with recommendations(process.address) as stub:
        request = recommendation_pb2.RankRequest(user_id="ana", track_ids=[catalog.track_id(0)], strategy="waiter")
        with pytest.raises(grpc.RpcError) as caught:
            stub.Rank(request)
        assert grpc.StatusCode.INTERNAL == caught.value.code()
        request.strategy = ""
        assert "cold_start" == stub.Rank(request).strategy
    assert "this strategy cannot score" in (process.data_dir / "log").read_text(encoding="utf-8")


def test_the_callers_deadline_is_kept_and_a_strategy_that_hangs_does_not_hold_up_the_end(
    start: Start, tmp_path: Path
) -> None:
    """Neither a caller who waits half a second nor the operator who stops the server waits for it."""
    process = start(strategies__options=waiting_in(tmp_path), strategies__timeout_seconds=600)
    with recommendations(process.address) as stub:
        with pytest.raises(grpc.RpcError) as caught:
            stub.Recommend(recommendation_pb2.RecommendRequest(user_id="ana", strategy="waiter"), timeout=0.5)
        assert caught.value.code() in {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.INTERNAL}
        assert stub.Recommend(recommendation_pb2.RecommendRequest(user_id="ana"), timeout=60).items
    process.popen.terminate()
    assert 0 == process.popen.wait(timeout=60)
