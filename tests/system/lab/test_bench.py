"""The benchmark: that it measures what it says, not how fast anything is."""

import asyncio
import json
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from palate.v1 import feedback_pb2
from palate_lab.bench.budgets import Check, verdict
from palate_lab.bench.generator import Generator
from palate_lab.bench.h2load import available
from palate_lab.bench.process import BenchmarkError, ServerProcess, process_cpu_seconds, start_server
from palate_lab.bench.samples import Sample, figures, growth_per_tenfold
from palate_lab.bench.traffic import Listener, with_request_id
from palate_lab.cli import bench

_PYTHON_ROWS = [
    "empty_bare",
    "empty_intercepted",
    "recommend_unchanged",
    "recommend_after_feedback",
    "session",
    "record_feedback",
    "rank",
]
_H2LOAD_ROWS = ["h2load_empty_bare", "h2load_recommend_unchanged"]


def _sample(calls: int, seconds: float, latency: float, server_cpu: float) -> Sample:
    return Sample(calls, seconds, np.full(calls, latency), server_cpu, generator_cpu=seconds / 4)


def test_one_run_measures_every_row(tmp_path: Path) -> None:
    """The real server answers every kind of call, and the table and the JSON file have a row for each."""
    report = tmp_path / "report.json"
    arguments = ["--tracks", "2000", "--seconds", "0.1", "--rounds", "1", "--listeners", "8", "--concurrency", "4"]
    arguments += ["--only", "calls", "--only", "blocking"]
    result = CliRunner().invoke(bench, [*arguments, "--cache", str(tmp_path / "cache"), "--json", str(report)])
    assert 0 == result.exit_code, result.output
    [catalog] = json.loads(report.read_text(encoding="utf-8"))["catalogs"]
    assert _PYTHON_ROWS + (_H2LOAD_ROWS if available() else []) == list(catalog["rows"])
    assert 2000 == catalog["tracks"]
    assert all(row["calls"] > 0 and row["rate"] > 0 and row["cpu_per_call"] > 0 for row in catalog["rows"].values())
    assert 1 == catalog["rows"]["empty_bare"]["rate_ratio"]
    assert 0 < catalog["memory"]["anonymous"] < catalog["memory"]["resident"]
    for title in ("empty RPC", "Recommend, unchanged", "Recommend after feedback", "session", "Rank of 100", "2,000"):
        assert title in result.output


def test_a_server_that_does_not_start_ends_the_benchmark(tmp_path: Path) -> None:
    """The error shows the end of the server's log, which says why."""
    with (
        pytest.raises(BenchmarkError, match=r"(?s)did not start.*there is no catalog"),
        start_server(tmp_path / "none.catalog", tmp_path / "data"),
    ):
        pass


def test_a_call_that_fails_ends_the_benchmark(server: str) -> None:
    """No failed call is counted as a fast one."""
    unknown = feedback_pb2.BatchRecordFeedbackRequest(
        requests=[
            feedback_pb2.RecordFeedbackRequest(user_id="ana", track_id="nowhere", verdict=feedback_pb2.VERDICT_LIKE)
        ]
    )
    listener = Listener(unknown.SerializeToString(), b"", b"", [])

    async def prepare() -> None:
        process = ServerProcess(os.getpid(), int(server.rpartition(":")[2]), 0.0)
        generator = Generator(process, [listener, listener], concurrency=2)
        try:
            await generator.prepare()
        finally:
            await generator.close()

    with pytest.raises(BenchmarkError, match="BatchRecordFeedback failed: NOT_FOUND"):
        asyncio.run(prepare())


def test_a_request_id_joins_a_serialized_feedback() -> None:
    """The bytes read back as the same feedback with the number as its request_id."""
    feedback = feedback_pb2.RecordFeedbackRequest(user_id="ana", track_id="t", verdict=feedback_pb2.VERDICT_LIKE)
    read = feedback_pb2.RecordFeedbackRequest.FromString(with_request_id(feedback.SerializeToString(), 255))
    feedback.request_id = "00000000000000ff"
    assert feedback == read


def test_processor_time_of_a_process_is_that_of_its_threads() -> None:
    """The clock of this process agrees with what this process knows of itself."""
    before, after = os.times(), process_cpu_seconds(os.getpid())
    assert before.user + before.system == pytest.approx(after, abs=0.05)


def test_a_row_holds_medians_over_the_rounds() -> None:
    """One slow round changes nothing, and ratios are taken within each round."""
    empty = [_sample(100, 1, 0.01, 0.1), _sample(50, 1, 0.02, 0.1), _sample(100, 1, 0.01, 0.1)]
    rounds = [_sample(50, 1, 0.02, 0.1), _sample(25, 1, 0.04, 0.1), _sample(1, 1, 1.0, 0.1)]
    row = figures(rounds, empty)
    assert (25, 0.04, 0.5) == (row.rate, row.p50, row.rate_ratio)
    assert 76 == row.calls
    assert pytest.approx(0.25) == row.generator_load
    assert pytest.approx(0.5) == row.cpu_ratio


def test_growth_is_given_for_ten_times_as_many_tracks() -> None:
    """Four times the latency on a hundred times the tracks is a doubling per tenfold."""
    smaller, larger = [_sample(10, 1, 0.01, 0.1)], [_sample(10, 1, 0.04, 0.9)]
    latency, cpu = growth_per_tenfold(smaller, larger, factor=100)
    assert pytest.approx(2) == latency
    assert pytest.approx(3) == cpu


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (Check("rate", 1, 0.5, least=0.5), "met"),
        (Check("rate", 1, 0.4, least=0.5), "missed by 20.0%"),
        (Check("growth", 1, 1.5, most=1.5), "met"),
        (Check("growth", 1, 1.8, most=1.5), "missed by 20.0%"),
    ],
)
def test_a_verdict_says_by_how_much_a_budget_is_missed(check: Check, expected: str) -> None:
    """A missed budget is called missed, with its share."""
    assert expected == verdict(check)
