"""`palate train` on this machine, on a Ray cluster and on a Dask cluster: the same models, and nobody lost."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
from palate.catalog.snapshot import Catalog
from palate.domain import EventKind
from palate.errors import ConfigError
from palate.models.session import ServedModel
from palate.serving.feedback import Feedback, FeedbackService
from palate.store import open_store
from palate_tools.training.executors import EXECUTORS
from support.waiting import eventually

BIN = Path(sys.executable).parent
ROWS = np.random.default_rng(0).normal(size=(50, 9)).astype(np.float32)
LISTENERS = ("ana", "ben", "cleo", "dora")
PLUGIN = """
import os, signal, time
from dataclasses import dataclass
from pathlib import Path
from palate.plugins import Declined, Stage

@dataclass(frozen=True)
class Config:
    pass

class Deadly:
    config_type = Config
    stage = Stage(min_confidence=0.5, min_interactions=30)

    def __init__(self, config):
        pass

    def recommend(self, profile, request, context):
        raise Declined("it does nothing but kill")

    def score(self, profile, rows, context):
        order = Path(__file__).with_name("order")
        if profile.user_id == "ben" and order.exists():
            obey(order, order.read_text())
        raise Declined("it does nothing but kill")

def obey(order, text):
    if text == "wait":
        order.unlink()
        time.sleep(600)
    if text == "kill once":
        order.unlink()
    os.kill(os.getpid(), signal.SIGKILL)
"""
"""A strategy that stops or kills the process that trains ben, as a file beside it orders."""

Train = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the deadly plugin, for the path of every process that trains."""
    folder = tmp_path_factory.mktemp("plugin")
    information = folder / "deadly-1.0.dist-info"
    information.mkdir()
    (folder / "deadly.py").write_text(PLUGIN, encoding="utf-8")
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: deadly\nVersion: 1.0\n", encoding="utf-8")
    (information / "entry_points.txt").write_text("[palate.strategies]\ndeadly = deadly:Deadly\n", encoding="utf-8")
    return folder


@pytest.fixture
def order(plugin: Path) -> Iterator[Path]:
    """Return the file with the plugin's order: ``wait``, ``kill once`` or ``kill always``."""
    file = plugin / "order"
    yield file
    file.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, catalog: Catalog, catalog_path: Path) -> Path:
    """Return a data folder whose store has listeners who like energetic tracks, with a configuration."""
    folder = tmp_path_factory.mktemp("told")
    settings = '[training]\nallow = ["logistic"]\nfolds = 3\nrepeats = 1\n'
    (folder / "palate.toml").write_text(f'{settings}[catalog]\npath = "{catalog_path}"\n', encoding="utf-8")
    cluster = np.flatnonzero(catalog.cluster == catalog.cluster_number("electronica"))
    store_url = f"sqlite:///{folder / 'palate.db'}"
    with closing(open_store(store_url)) as store, closing(FeedbackService(store, catalog)) as service:
        for seed, user_id in enumerate(LISTENERS):
            rows = np.random.default_rng(seed).permutation(cluster)[:40]
            energetic = catalog.normalized[rows, 1] > np.median(catalog.normalized[rows, 1])
            kinds = [EventKind.LIKE if like else EventKind.DISLIKE for like in energetic.tolist()]
            tracks = catalog.track_ids(rows)
            service.record([Feedback(user_id, *pair) for pair in zip(kinds, tracks, strict=True)]).result()
    return folder


@pytest.fixture
def folder(told: Path, tmp_path: Path) -> Path:
    """Return a copy of that data folder."""
    return shutil.copytree(told, tmp_path / "data")


def with_plugin(plugin: Path, **variables: str) -> dict[str, str]:
    """Return an environment whose processes find the deadly plugin."""
    return {**os.environ, "PYTHONPATH": str(plugin), **variables}


def command(folder: Path, *more: str) -> list[str]:
    """Return the command that trains the listeners of a data folder."""
    return [str(BIN / "palate"), "train", "--config", str(folder / "palate.toml"), "--data-dir", str(folder), *more]


@pytest.fixture(scope="module")
def train(plugin: Path) -> Train:
    """Return a function that runs `palate train` on a data folder, two listeners at a time."""

    def run(folder: Path, *more: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        words = command(folder, "--jobs", "2", *more)
        environment = with_plugin(plugin, **variables)
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300, check=False)

    return run


@pytest.fixture(scope="module")
def expected(told: Path, train: Train, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Any]:
    """Return what this machine's own processes publish when none of them dies."""
    folder = shutil.copytree(told, tmp_path_factory.mktemp("expected") / "data")
    outcome = train(folder)
    assert 0 == outcome.returncode, outcome.stderr
    models = published(folder)
    assert set(LISTENERS) == {user_id for user_id, _ in models}
    return models


def published(folder: Path) -> dict[tuple[str, str], Any]:
    """Return the figures and some probabilities of every model in service, by listener and taste."""
    with closing(open_store(f"sqlite:///{folder / 'palate.db'}")) as store:
        models = {}
        for user_id in store.user_ids():
            for taste_id, serving_version in store.models.serving_versions(user_id).items():
                record, artifact = (
                    store.models.record(serving_version.version),
                    store.models.artifact(serving_version.version),
                )
                assert record is not None
                assert artifact is not None
                figures = [(metric.name, metric.value, metric.ranking_value) for metric in record.metrics]
                model = ServedModel.load(artifact, sha256(artifact).hexdigest())
                models[user_id, taste_id] = figures, model.probabilities(ROWS).tolist()
        return models


@contextmanager
def running(words: list[str], log: Path, environment: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program with all that it starts, and leave nothing of it behind."""
    with (
        log.open("wb") as output,
        subprocess.Popen(words, stdout=output, stderr=output, env=environment, start_new_session=True) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def said(log: Path, pattern: str) -> str:
    """Wait until a program has said something, and return the first group of it."""
    found: list[str] = []

    def told() -> bool:
        found[:] = re.findall(pattern, log.read_text(encoding="utf-8"), flags=re.DOTALL)
        return bool(found)

    eventually(told, lambda: log.read_text(encoding="utf-8"))
    return found[0]


@contextmanager
def _ray(plugin: Path, port: int) -> Iterator[dict[str, str]]:
    """Start a Ray cluster of two processors and yield the variables that name it."""
    with tempfile.TemporaryDirectory(prefix="palate-ray-", ignore_cleanup_errors=True) as short:
        log = Path(short, "log")
        words = [str(BIN / "ray"), "start", "--head", "--block", "--port=0", f"--ray-client-server-port={port}"]
        words += ["--num-cpus=2", "--object-store-memory=80000000", f"--temp-dir={short}", "--log-color=false"]
        words += ["--include-dashboard=false", "--include-log-monitor=false", "--disable-usage-stats"]
        quiet = {"RAY_USAGE_STATS_ENABLED": "0"}
        with running(words, log, with_plugin(plugin, **quiet)):
            yield quiet | {"RAY_ADDRESS": said(log, r"ray start --address='([^']+)'.*block forever")}


@contextmanager
def _dask(plugin: Path, _: int) -> Iterator[dict[str, str]]:
    """Start a Dask scheduler with two workers in processes of their own and yield the variable that names it."""
    with tempfile.TemporaryDirectory(prefix="palate-dask-", ignore_cleanup_errors=True) as scratch:
        file, log = Path(scratch, "scheduler.json"), Path(scratch, "log")
        environment = with_plugin(plugin, DASK_TEMPORARY_DIRECTORY=scratch)
        common = ["--scheduler-file", str(file), "--no-dashboard"]
        scheduler = [str(BIN / "dask"), "scheduler", "--host", "127.0.0.1", "--port", "0", *common]
        worker = [str(BIN / "dask"), "worker", "--nworkers", "2", "--nthreads", "1", *common]
        with (
            running(scheduler, log, environment),
            running(worker, Path(scratch, "worker.log"), environment),
        ):
            said(log, r"(Register worker.*Register worker)")
            yield {"DASK_SCHEDULER_ADDRESS": json.loads(file.read_text(encoding="utf-8"))["address"]}


@pytest.fixture(params=["ray", "dask"])
def cluster(request: pytest.FixtureRequest, plugin: Path, free_port: int) -> Iterator[tuple[str, dict[str, str]]]:
    """Start a cluster, and return its backend and the variables that name it."""
    backend: str = request.param
    with {"ray": _ray, "dask": _dask}[backend](plugin, free_port) as variables:
        yield backend, variables


def test_a_cluster_publishes_what_this_machine_does_though_a_worker_dies(
    cluster: tuple[str, dict[str, str]],
    order: Path,
    folder: Path,
    train: Train,
    expected: dict[tuple[str, str], Any],
) -> None:
    """The listener whom it had in hand is trained again, and every model has the same figures and scores."""
    backend, variables = cluster
    order.write_text("kill once", encoding="utf-8")
    outcome = train(folder, "--backend", backend, **variables)
    assert 0 == outcome.returncode, outcome.stdout + outcome.stderr
    assert not order.exists(), "no worker was killed"
    assert expected == published(folder)


def test_a_listener_who_kills_every_worker_is_reported_and_takes_nobody_along(
    folder: Path, train: Train, order: Path, expected: dict[tuple[str, str], Any]
) -> None:
    """The others of the pool are trained again; the command ends with 1 and a reason; the next run trains that one."""
    order.write_text("kill always", encoding="utf-8")
    outcome = train(folder)
    assert 1 == outcome.returncode, outcome.stderr
    assert re.search(r"^ben +\(common\): failed; its worker gave no answer, twice", outcome.stdout, flags=re.MULTILINE)
    assert set(LISTENERS) - {"ben"} == {user_id for user_id, _ in published(folder)}
    order.unlink()
    assert 0 == train(folder, "--jobs", "1").returncode
    assert expected == published(folder)


def test_two_commands_at_once_train_the_same_listeners(
    folder: Path, tmp_path: Path, expected: dict[tuple[str, str], Any]
) -> None:
    """Of each taste one wins and none breaks; what serves is what one command alone would have published."""
    logs = [tmp_path / "first", tmp_path / "second"]
    with ExitStack() as stack:
        both = [stack.enter_context(running(command(folder, "--jobs", "1"), log, os.environ)) for log in logs]
        assert [0, 0] == [process.wait(timeout=300) for process in both]
    for log in logs:
        assert "failed" not in log.read_text(encoding="utf-8")
    assert expected == published(folder)


def test_a_command_that_is_killed_takes_its_processes_along_and_the_next_run_recovers(
    folder: Path, tmp_path: Path, plugin: Path, train: Train, order: Path, expected: dict[tuple[str, str], Any]
) -> None:
    """SIGKILL in the middle: what was published stands, and the others are trained then."""
    order.write_text("wait", encoding="utf-8")
    with running(command(folder, "--jobs", "2"), tmp_path / "log", with_plugin(plugin)) as process:
        eventually(lambda: not order.exists())
        process.kill()
        assert -signal.SIGKILL == process.wait()
        eventually(lambda: [] == group(process.pid))
    assert ("ben", "") not in published(folder)
    assert 0 == train(folder, "--jobs", "1").returncode
    assert expected == published(folder)


def group(leader: int) -> list[int]:
    """Return the processes of a group that are alive."""
    alive = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            state, _, of, *_ = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(of) == leader and state != "Z":
                alive.append(int(folder.name))
    return alive


@pytest.mark.parametrize(("backend", "module"), [("ray", "ray"), ("dask", "distributed")])
def test_a_backend_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, backend: str, module: str) -> None:
    """The sentence says what to install."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=re.escape(f"pip install 'palate[{backend}]'")), EXECUTORS[backend](2):
        pass


def test_a_ray_cluster_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, free_port: int) -> None:
    """At once, with the variable to correct."""
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{free_port}")
    with pytest.raises(ConfigError, match=f"the Ray cluster '127.0.0.1:{free_port}' .* correct RAY_ADDRESS"):
        EXECUTORS["ray"](2).__enter__()


def test_a_dask_cluster_that_is_not_there_is_named(free_port: int) -> None:
    """With the variable to correct."""
    settings = {"scheduler-address": f"127.0.0.1:{free_port}", "distributed.comm.timeouts.connect": "0.2s"}
    with (
        dask.config.set(settings),
        pytest.raises(ConfigError, match=f"the Dask cluster '127.0.0.1:{free_port}' .* correct DASK_SCHEDULER_ADDRESS"),
    ):
        EXECUTORS["dask"](2).__enter__()
