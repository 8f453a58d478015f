"""The model rows of the benchmark: that they measure what they say, not how fast anything is."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import lightgbm
import numpy as np
import pytest
from click.testing import CliRunner
from palate.v1.recommendation_pb2 import RecommendedItem, RecommendResponse
from palate_lab.bench.budgets import model_checks, verdict
from palate_lab.bench.models.measure import ModelResults
from palate_lab.bench.models.memory import MemoryCurve
from palate_lab.bench.models.publishing import Publication
from palate_lab.bench.models.training import Spent, TrainingFigures, recorded_fits
from palate_lab.bench.models.watching import STAGE, Watch, ask_until_current
from palate_lab.bench.process import BenchmarkError
from palate_lab.cli import bench
from sklearn.linear_model import LogisticRegression

_MODEL_BUDGETS = [
    "trainer to bare fits: ratio",
    "trainer to bare fits: CPU ratio",
    "trainer to bare fits: ratio",
    "trainer to bare fits: CPU ratio",
    "scoring by gbdt to onnxruntime alone",
    "scoring by logistic to onnxruntime alone",
    "scoring by neural to onnxruntime alone",
    "Recommend during swaps to the quiet: p99",
    "memory over the last half of the swaps",
]


def _answer(*items: tuple[str, str], strategy: str = STAGE) -> bytes:
    named = [RecommendedItem(taste_id=taste_id, model_version=version) for taste_id, version in items]
    return RecommendResponse(items=named, strategy=strategy).SerializeToString()


def _watch(*versions: str) -> Watch:
    return Watch([Publication("ana", "metal", version, 0.001) for version in versions])


def _curve(resident: Sequence[int]) -> MemoryCurve:
    return MemoryCurve(2000, [10 * number for number in range(len(resident))], resident, [0.001] * 4)


def test_one_run_measures_every_model_row(tmp_path: Path) -> None:
    """The real trainer, a publishing process and the real server fill every table and the JSON file."""
    report = tmp_path / "report.json"
    arguments = [
        "--tracks",
        "2000",
        "--rounds",
        "1",
        "--trained",
        "1",
        "--labels",
        "30",
        "--swaps",
        "6",
        "--listeners",
        "4",
    ]
    arguments += ["--memory-swaps", "8", "--cache", str(tmp_path / "cache"), "--json", str(report)]
    groups = [f"--only={group}" for group in ("training", "scoring", "swaps", "memory")]
    result = CliRunner().invoke(bench, [*arguments, *groups])
    assert 0 == result.exit_code, result.output
    document = json.loads(report.read_text(encoding="utf-8"))
    models = document["models"]
    assert [] == document["catalogs"]
    assert _MODEL_BUDGETS == [check["title"] for check in document["budgets"]]
    assert all(row["fits"] > 0 and 0 < row["bare"]["cpu"] < row["trainer"]["cpu"] for row in models["training"])
    assert {"gbdt", "logistic", "neural"} == {row["learner"] for row in models["scoring"]}
    assert (6, 6) == (models["swaps"]["swaps"], document["model_plan"]["swaps"]["swaps"])
    assert models["swaps"]["answers"] >= sum(row["calls"] for row in models["swaps"]["quiet"]) > 0
    assert list(range(9)) == models["memory"]["swaps"]
    for title in ("trainer", "scoring 2,000 candidates", "6 swaps", "memory over 8 swaps", "budgets"):
        assert title in result.output


def test_an_answer_must_not_mix_versions_of_a_taste() -> None:
    """Two versions of one taste's model in one answer end the benchmark."""
    watch = _watch("v1", "v2")
    with pytest.raises(BenchmarkError, match="mixes v2 and v3"):
        watch.check("ana", watch.latest("ana"), _answer(("metal", "v2"), ("metal", "v3")))


def test_an_answer_must_know_what_was_acknowledged_before_its_call() -> None:
    """A version older than the acknowledged one ends the benchmark; a newer one, on its way, does not."""
    watch = _watch("v1", "v2")
    assert {"metal": "v3"} == watch.check("ana", watch.latest("ana"), _answer(("metal", "v3")))
    with pytest.raises(BenchmarkError, match="after v2 was ack"):
        watch.check("ana", watch.latest("ana"), _answer(("metal", "v1")))


def test_an_answer_sent_for_before_an_acknowledgement_may_be_older() -> None:
    """What was the state when the call was sent is what counts."""
    watch = _watch("v1")
    latest = watch.latest("ana")
    watch.note(Publication("ana", "metal", "v2", 0.001))
    assert {"metal": "v1"} == watch.check("ana", latest, _answer(("metal", "v1")))


def test_after_the_swaps_the_last_version_must_answer() -> None:
    """A version that nobody has published for the taste is found out at the end."""
    watch = _watch("v1")

    async def answer(_: str) -> bytes:
        return _answer(("metal", "v2"))

    with pytest.raises(BenchmarkError, match="came from v2, not from v1"):
        asyncio.run(ask_until_current(answer, watch, "ana"))
    with pytest.raises(BenchmarkError, match="published for None"):
        watch.settle()


def test_a_stage_below_may_use_other_models_but_not_mix_them() -> None:
    """Its answer is counted, not held against what was published for the taste, and one asks again."""
    watch = _watch("v1")
    answers = [_answer(("metal", "v0"), strategy="neural"), _answer(("metal", "v1"))]

    async def answer(_: str) -> bytes:
        return answers.pop(0)

    assert {"metal": "v1"} == asyncio.run(ask_until_current(answer, watch, "ana"))
    assert 1 == watch.degraded
    with pytest.raises(BenchmarkError, match="mixes"):
        watch.check("ana", watch.latest("ana"), _answer(("metal", "v0"), ("metal", "v1"), strategy="neural"))


def test_an_item_without_a_model_ends_the_benchmark() -> None:
    """Every taste has a model, so that an item without one was served by a stage below."""
    watch = _watch("v1")
    with pytest.raises(BenchmarkError, match="after v1 was ack"):
        watch.check("ana", watch.latest("ana"), _answer(("metal", "")))


def test_recorded_fits_are_made_again_alone() -> None:
    """Repeating gives the models of the first time, by both libraries."""
    random = np.random.default_rng(0)
    features = random.normal(size=(80, 3))
    liked = features[:, 0] + random.normal(size=80) > 0
    with recorded_fits() as fits:
        regression = LogisticRegression().fit(features, liked)
        booster = lightgbm.train({"verbosity": -1, "num_threads": 1}, lightgbm.Dataset(features, liked), 5)
    first = regression.coef_.copy()
    regression.coef_ = np.zeros_like(first)
    refit, reboost = fits
    refit()
    boosted = reboost()
    assert np.array_equal(first, regression.coef_)
    assert isinstance(boosted, lightgbm.Booster)
    assert booster.model_to_string() == boosted.model_to_string()


def test_memory_is_judged_over_the_last_half() -> None:
    """What is taken while caches fill does not count, and what goes on growing does."""
    warmed_up = _curve([100, 150, 190, 200, 200, 200, 200, 200])
    growing = _curve([100, 110, 120, 130, 140, 150, 160, 170])
    assert pytest.approx(0) == warmed_up.slope
    assert pytest.approx(1) == warmed_up.growth
    assert pytest.approx(1) == growing.slope
    assert pytest.approx(170 / 140) == growing.growth
    assert pytest.approx(0) == growing.slope_error


def test_a_trainer_of_half_the_throughput_is_within_its_budget() -> None:
    """The ratio is the bare fits' time to the trainer's, by the clock and by the processor."""
    figures = TrainingFigures(2000, 1, 30, 1, 10, trainer=Spent(4, 5), bare=Spent(2, 2))
    assert ["met", "missed by 20.0%"] == [verdict(check) for check in model_checks(ModelResults([figures]))]
