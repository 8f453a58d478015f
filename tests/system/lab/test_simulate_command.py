"""`palate lab simulate`: the same bytes from the same seed, whatever happens on the way."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from click.testing import CliRunner, Result
from palate.client import CallFailed, Client, NotFound
from palate_lab.simulation.results import ResultFolder
from palate_lab.simulation.run import Plan, simulate
from palate_lab.simulation.session import Habits
from palate_tools.cli import main
from palate_tools.simulation.kinds import load_kinds

PLAN = Plan(seed=3, listeners=24, turns=4, kinds=load_kinds(), habits=Habits())
Serve = Callable[..., str]


@contextmanager
def process(catalog: Path, data: Path, workers: int = 1) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Serve from a process of its own; yield the address and the process."""
    command = [str(Path(sys.executable).with_name("palate")), "serve", "--port", "0", "--catalog", str(catalog)]
    command += ["--data-dir", str(data), "--workers", str(workers)]
    patient = {**os.environ, "PALATE_STRATEGIES__TIMEOUT_SECONDS": "60"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=patient) as server:
        try:
            assert server.stdout
            yield server.stdout.readline().split()[-1], server
        finally:
            server.terminate()


def run(address: str, out: Path, *options: str) -> Result:
    """Run the command with a few listeners."""
    few = ["--listeners", "24", "--turns", "4", "--seed", "3"]
    return CliRunner().invoke(main, ["lab", "simulate", "--server", address, "--out", str(out), *few, *options])


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_every_track_that_is_shown_is_written_down(serve: Serve, tmp_path: Path) -> None:
    """With what the listener thought of it, what they said, and what palate made of that."""
    address = serve(strategies__timeout_seconds=60.0)
    result = run(address, tmp_path / "out", "--kind", "separated", "--json")
    assert 0 == result.exit_code, result.output
    [summary] = [json.loads(line) for line in result.stdout.splitlines()]
    shown = ResultFolder(tmp_path / "out").read()
    assert (24, pc.mean(shown["liked"]).as_py()) == (summary["listeners"], summary["liked"])
    assert 24 * 4 * 10 == len(shown)
    assert 24 * 4 * 3 == pc.sum(pc.is_valid(shown["feedback"])).as_py()
    with Client(address) as client:
        for row in shown.filter(pc.equal(shown["turn"], 3)).slice(0, 40).to_pylist():
            profile = client.get_profile(row["user_id"]).profile
            assert (12, 9) == (profile.revision, row["revision"])
            assert client.get_track(row["track_id"]).track.genre_cluster_id == row["cluster_id"]


def test_the_same_seed_gives_the_same_bytes(serve: Serve, tmp_path: Path) -> None:
    """Again on the same server, and however many listeners play at once; another seed gives others."""
    address = serve(strategies__timeout_seconds=60.0)
    for name, options in {
        "first": ["--concurrency", "1"],
        "again": ["--concurrency", "13"],
        "other": ["--seed", "4"],
    }.items():
        assert 0 == run(address, tmp_path / name, *options).exit_code
    assert contents(tmp_path / "first") == contents(tmp_path / "again")
    part = "listeners-000020.parquet"
    assert contents(tmp_path / "first")[part] != contents(tmp_path / "other")[part]


def test_one_worker_and_several_give_the_same_bytes(serve: Serve, catalog_path: Path, tmp_path: Path) -> None:
    """Which worker answers changes nothing."""
    assert 0 == run(serve(strategies__timeout_seconds=60.0), tmp_path / "one").exit_code
    with process(catalog_path, tmp_path / "data", workers=3) as (address, _):
        assert 0 == run(address, tmp_path / "three").exit_code
    assert contents(tmp_path / "one") == contents(tmp_path / "three")


def test_a_run_whose_server_was_killed_goes_on_to_the_same_bytes(
    serve: Serve, catalog_path: Path, tmp_path: Path
) -> None:
    """What was half done is done again; what was written stands."""
    assert 0 == run(serve(strategies__timeout_seconds=60.0), tmp_path / "whole").exit_code
    turns = 0
    with process(catalog_path, tmp_path / "data") as (address, server), ExitStack() as closing:
        clients = [closing.enter_context(Client(address)) for _ in range(5)]

        def kill_in_the_middle(count: int) -> None:
            nonlocal turns
            turns += count
            if turns == 85:
                server.kill()

        with pytest.raises(CallFailed):
            simulate(clients, PLAN, ResultFolder(tmp_path / "out"), kill_in_the_middle)
    assert {"manifest.json", "listeners-000000.parquet"} == set(contents(tmp_path / "out"))
    with process(catalog_path, tmp_path / "data") as (address, _):
        assert 0 == run(address, tmp_path / "out").exit_code
    assert contents(tmp_path / "whole") == contents(tmp_path / "out")


def test_a_run_that_is_done_is_not_played_again(serve: Serve, tmp_path: Path) -> None:
    """The same command says the same."""
    address = serve()
    first = run(address, tmp_path / "out", "--listeners", "2")
    with Client(address) as client:
        client.delete_profile("simulated-3-0")
        assert first.output == run(address, tmp_path / "out", "--listeners", "2").output
        with pytest.raises(NotFound):
            client.get_profile("simulated-3-0")


def test_a_folder_of_another_run_is_refused(serve: Serve, tmp_path: Path) -> None:
    """The sentence says what differs."""
    address = serve()
    assert 0 == run(address, tmp_path / "out", "--listeners", "1").exit_code
    result = run(address, tmp_path / "out", "--listeners", "2", "--seed", "9")
    assert 2 == result.exit_code
    assert "holds another run, of other listeners and seed" in result.output


def test_a_folder_with_something_else_in_it_is_refused(serve: Serve, tmp_path: Path) -> None:
    """Nothing is written into it."""
    (tmp_path / "diary.txt").write_text("dear diary", encoding="utf-8")
    result = run(serve(), tmp_path)
    assert 2 == result.exit_code
    assert "there is no manifest.json in it" in result.output


def test_a_server_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    """And exit code 1."""
    result = run("localhost:1", tmp_path / "out")
    assert 1 == result.exit_code
    assert result.output.startswith("Error: no palate server answers at localhost:1")
    assert not (tmp_path / "out").exists()


def test_a_run_that_stops_says_that_it_goes_on_only_from_what_is_written(
    catalog_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first batch there is nothing to go on from."""
    write = ResultFolder.write
    with process(catalog_path, tmp_path / "data") as (address, server):

        def write_and_kill(folder: ResultFolder, first: int, table: pa.Table) -> None:
            write(folder, first, table)
            server.kill()

        monkeypatch.setattr(ResultFolder, "write", write_and_kill)
        stopped = run(address, tmp_path / "out")
    assert 1 == stopped.exit_code
    assert f"stopped; the same command continues from what is in {tmp_path / 'out'}" in stopped.output
    (tmp_path / "out" / "listeners-000000.parquet").unlink()
    assert run("localhost:1", tmp_path / "out").output.startswith("Error: no palate server answers")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--kind", "seperated"], "there is no kind of listener 'seperated'; did you mean separated?"),
        (["--kinds", "nowhere.toml"], "nowhere.toml: cannot be read"),
        (["--strategy", "rankin"], "there is no strategy 'rankin'"),
    ],
)
def test_what_does_not_exist_is_named(serve: Serve, tmp_path: Path, options: list[str], sentence: str) -> None:
    """In one sentence."""
    result = run(serve(), tmp_path / "out", *options)
    assert result.exit_code in {1, 2}
    assert sentence in result.output
