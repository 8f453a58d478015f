"""`palate lab compare`: the same listeners for everybody, and figures that add up."""

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from palate.catalog.snapshot import Catalog
from palate_lab.comparison.in_process import play
from palate_lab.comparison.measures import METRICS, measure
from palate_lab.comparison.presenting import by_listener
from palate_lab.comparison.protocol import Course, Play, Shown, Subject, World, make_world
from palate_lab.simulation.run import Plan
from palate_lab.simulation.session import Habits
from palate_tools.cli import main
from palate_tools.simulation.kinds import load_kinds

LISTENERS, TURNS = 4, 7
ALGORITHMS = ["palate", "neural", "random", "merged centroid", "oracle"]


def run(out: Path, *options: str) -> Result:
    """Run the command with a few listeners and baselines."""
    few = [
        "--listeners",
        str(LISTENERS),
        "--turns",
        str(TURNS),
        "--train-at",
        "5",
        "--kind",
        "separated",
        "--jobs",
        "1",
    ]
    baselines = ["--baseline", "random", "--baseline", "merged centroid"]
    return CliRunner().invoke(main, ["lab", "compare", "--out", str(out), *few, *baselines, *options])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the results of one comparison; what was printed lies beside them."""
    out = tmp_path_factory.mktemp("comparison") / "out"
    result = run(out, "--strategy", "neural")
    assert 0 == result.exit_code, result.output
    (out.parent / "printed").write_text(result.stdout, encoding="utf-8")
    return out


@pytest.fixture(scope="module")
def measures(folder: Path) -> pa.Table:
    """Return every figure."""
    return pq.read_table(folder / "measures.parquet")


@pytest.fixture(scope="module")
def shown(folder: Path) -> pa.Table:
    """Return every track that was shown."""
    return pq.read_table(folder / "shown.parquet")


def test_every_algorithm_has_every_metric_of_every_listener_once(measures: pa.Table) -> None:
    """And like rate and regret after every turn."""
    whole = measures.filter(pc.is_null(measures["turn"]))
    keys = list(zip(*(whole[name].to_pylist() for name in ("algorithm", "listener", "metric")), strict=True))
    assert len(ALGORITHMS) * LISTENERS * len(METRICS) == len(keys) == len(set(keys))
    assert {*METRICS} == {metric for _, _, metric in keys}
    by_turn = measures.filter(pc.is_valid(measures["turn"]))
    assert len(ALGORITHMS) * LISTENERS * TURNS * 2 == len(by_turn)


def test_everybody_shows_as_many_tracks_and_hears_as_many_verdicts(shown: pa.Table) -> None:
    """Ten and three a turn."""
    counts = shown.group_by(["algorithm", "listener", "turn"]).aggregate([("track_id", "count"), ("feedback", "count")])
    assert len(ALGORITHMS) * LISTENERS * TURNS == len(counts)
    assert ({10}, {3}) == (set(counts["track_id_count"].to_pylist()), set(counts["feedback_count"].to_pylist()))


def test_a_listener_says_the_same_of_a_track_to_everybody(shown: pa.Table) -> None:
    """Whoever shows it."""
    said = shown.filter(pc.is_valid(shown["feedback"]))
    opinions = said.group_by(["listener", "track_id"]).aggregate([("feedback", "count_distinct")])
    assert {1} == set(opinions["feedback_count_distinct"].to_pylist())
    assert len(opinions) < len(said)


def test_the_oracle_is_above_everybody_and_chance_below(measures: pa.Table) -> None:
    """In what is liked, in regret and in what is found."""
    for metric, sign in {"like_rate": 1, "regret": -1, "recall": 1, "ndcg": 1}.items():
        means = {name: sign * values.mean() for name, values in by_listener(measures, metric).items()}
        assert ("oracle", "random") == (max(means, key=means.__getitem__), min(means, key=means.__getitem__))


def test_models_are_trained_on_the_way(shown: pa.Table) -> None:
    """Before the fifth turn nobody predicts chances; from it on palate does."""
    palate = shown.filter(pc.equal(shown["algorithm"], "palate"))
    predicted = pc.is_valid(palate["predicted"]).to_numpy()
    assert not predicted[palate["turn"].to_numpy() < 5].any()
    assert predicted[palate["turn"].to_numpy() >= 5].any()


def test_the_table_has_every_algorithm_and_says_where_a_strategy_declined(folder: Path, shown: pa.Table) -> None:
    """A stage without models leaves listeners to the stage below, and that is said."""
    printed = (folder.parent / "printed").read_text(encoding="utf-8")
    for name in ALGORITHMS:
        assert f"\n{name}  " in printed
    own = shown.filter(pc.equal(shown["algorithm"], "neural"))["strategy"]
    assert f"Intervals over so few listeners ({LISTENERS}) say little" in printed
    assert f"by kind of listener ({LISTENERS} separated):" in printed
    assert f"neural chose {pc.mean(pc.equal(own, 'neural')).as_py():.0%} of its tracks" in printed


def test_the_manifest_says_what_was_compared(folder: Path) -> None:
    """With everything that the figures depend on."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert (ALGORITHMS[1:], [5], ["separated"]) == (
        manifest["algorithms"],
        manifest["train_at"],
        list(manifest["kinds"]),
    )


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_processes(folder: Path, tmp_path: Path) -> None:
    """Baselines, the server and training included."""
    result = run(tmp_path / "again", "--strategy", "neural", "--jobs", "2")
    assert 0 == result.exit_code, result.output
    for name in ("manifest.json", "measures.parquet", "shown.parquet"):
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--strategy", "neurall"], "there is no strategy 'neurall'; did you mean neural?"),
        (["--baseline", "oracl"], "there is no baseline 'oracl'; did you mean oracle?"),
        (["--kind", "separate"], "there is no kind of listener 'separate'; did you mean separated?"),
        (["--catalog", "nowhere.arrow"], "there is no catalog nowhere.arrow"),
        (["--jobs", "0"], "--jobs must not be 0"),
    ],
)
def test_what_does_not_exist_is_named_before_anything_is_played(
    tmp_path: Path, options: list[str], sentence: str
) -> None:
    """In one sentence, and nothing is written."""
    result = run(tmp_path / "out", *options)
    assert 2 == result.exit_code
    assert sentence in result.output
    assert not (tmp_path / "out" / "measures.parquet").exists()


def test_a_wrong_name_is_said_though_the_folder_holds_something_else(tmp_path: Path) -> None:
    """What was mistyped comes first; the folder would have to be looked at in any case."""
    (tmp_path / "diary.txt").write_text("dear diary", encoding="utf-8")
    for options, sentence in {
        ("--strategy", "rankin"): "did you mean ranking?",
        ("--baseline", "rando"): "did you mean random?",
        ("--strategy", "ranking"): "there is no manifest.json in it",
    }.items():
        assert sentence in run(tmp_path, *options).output


def test_a_strategy_that_has_nothing_to_show_to_a_listener_who_named_nothing_is_compared_all_the_same(
    tmp_path: Path,
) -> None:
    """What this listener would have named is kept for the end; ranking knows no taste of theirs, and shows nothing."""
    options = ["--strategy", "ranking", "--kind", "one-taste", "--seed", "7", "--listeners", "1", "--turns", "2"]
    result = CliRunner().invoke(
        main, ["lab", "compare", "--out", str(tmp_path / "out"), *options, "--baseline", "random", "--jobs", "1"]
    )
    assert 0 == result.exit_code, result.output
    line = next(line for line in result.stdout.splitlines() if line.startswith("ranking "))
    assert ["ranking", "-", "-"] == line.split()[:3]
    shown = pq.read_table(tmp_path / "out" / "shown.parquet")
    assert {"palate", "random", "oracle"} == {*shown["algorithm"].to_pylist()}


@pytest.fixture(scope="module")
def world(catalog: Catalog) -> World:
    """Return the bundled catalog."""
    return make_world(catalog)


def test_what_is_to_be_found_is_kept_from_everybody_and_named_by_nobody(world: World, shown: pa.Table) -> None:
    """Withheld tracks are liked, about three of ten, and neither shown nor told."""
    course = Course(Plan(0, LISTENERS, TURNS, {"separated": load_kinds()["separated"]}, Habits()), 1, (5,))
    for number in range(LISTENERS):
        subject = Subject.of(course, number, world)
        liked = subject.listener.liked(world.tracks.take(subject.withheld), TURNS)
        assert liked.all()
        assert 0.15 < len(subject.withheld) / (len(subject.withheld) + len(subject.passed_over)) < 0.45
        assert [] == np.intersect1d(subject.withheld, subject.known).tolist()
        own = shown.filter(pc.equal(shown["listener"], number))
        assert set() == {*own["track_id"].to_pylist()} & {*world.catalog.track_ids(subject.withheld)}


def test_a_strategy_that_has_nothing_left_to_show_loses_what_the_oracle_shows(world: World) -> None:
    """Its turns are measured all the same."""
    course = Course(Plan(0, 1, TURNS, {"separated": load_kinds()["separated"]}, Habits()), 1, ())
    subject = Subject.of(course, 0, world)
    best = play(course, world, subject, "oracle", None)
    parts = {field.name: getattr(best.shown, field.name)[best.shown.turn < 3] for field in fields(Shown)}
    figures = list(measure(Play("short", 0, Shown(**parts), best.ranking), best, subject, world, TURNS))
    by_turn = {(figure.metric, figure.turn): figure.value for figure in figures}
    assert 0 == by_turn["regret", 2]
    assert pytest.approx(best.shown.chance[best.shown.turn >= 3].sum()) == by_turn["regret", TURNS - 1]
    assert np.isnan(by_turn["like_rate", TURNS - 1])
