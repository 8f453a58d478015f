"""`palate lab evaluate labels`: one listener's labels, served and compared with references."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from palate.catalog.snapshot import Catalog
from palate.domain.track import FEATURES
from palate.errors import CatalogError
from palate_lab.cli import evaluate
from palate_lab.evaluation.harness import Trial
from palate_lab.evaluation.labelled import impossible_sizes, make_splits, read_labelled
from palate_lab.evaluation.summary import summarize

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, catalog: Catalog) -> Write:
    """Return a function that writes some tracks of the bundled catalog with labels that follow their energy."""

    def write_file(
        count: int, *, target: str = "target", words: tuple[str, str] = ("0", "1"), titles: bool = True
    ) -> Path:
        generator = np.random.default_rng(0)
        rows = generator.permutation(len(catalog))[:count]
        noise = generator.normal(0, 0.5, count)
        liked = catalog.normalized[rows, 1] + noise > 0
        path = tmp_path / "labels.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*FEATURES, target, *(["song_title", "artist"] if titles else [])])
            for row, like in zip(rows.tolist(), liked.tolist(), strict=True):
                track = catalog.track(row)
                named = [track.title, track.artists[0]] if titles else []
                writer.writerow([*track.features, words[like], *named])
        return path

    return write_file


def run(path: Path, *options: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(evaluate, ["labels", str(path), "--jobs", "1", *options])


def test_what_is_served_is_measured_beside_the_references(write: Write) -> None:
    """The labels go through the real server and trainer; every reference has its figure on both scales."""
    result = run(write(200), "--seeds", "1", "--n", "40", "--json")
    assert result.exit_code in {0, 1}, result.output
    document = json.loads(result.stdout)
    [size] = document["sizes"]
    [trial] = document["trials"]
    assert 40 == size["size"] == trial["size"]
    assert 10 == len(size["references"])
    assert 0.8 < trial["served"] < 1
    assert "" != trial["learner"]
    assert size["holds"] is (result.exit_code == 0)


def test_training_leaves_processes_that_references_can_be_fitted_in(write: Write) -> None:
    """With several processes the command comes to the same figures as with one."""
    path, options = write(200), ("--seeds", "2", "--n", "20", "--json")
    one, two = (json.loads(run(path, *options, "--jobs", jobs).stdout)["trials"] for jobs in ("1", "2"))
    assert 2 == len(one)
    assert one == two


@pytest.mark.parametrize("titles", [True, False])
def test_labels_stay_with_their_tracks(write: Write, tmp_path: Path, catalog: Catalog, titles: bool) -> None:
    """The catalog that is built has the file's features beside the file's labels, with or without titles."""
    path = write(120, target="Liked", words=("false", "True"), titles=titles)
    tracks = read_labelled(path, tmp_path / "made.catalog")
    with path.open(encoding="utf-8") as file:
        rows = {
            tuple(np.float32(row[name]) for name in FEATURES): row["Liked"] == "True" for row in csv.DictReader(file)
        }
    assert len(rows) - 5 <= len(tracks.track_ids) <= 120
    assert [rows[tuple(features)] for features in tracks.raw.astype(np.float32)] == tracks.liked.tolist()
    assert 0 < tracks.liked.sum() < len(tracks.liked)
    assert len(catalog) > len(tracks.track_ids)


@pytest.mark.parametrize(
    ("target", "words", "option", "sentence"),
    [
        ("mood", ("0", "1"), None, "no column target or liked or label"),
        ("mood", ("0", "1"), "rating", "no column rating"),
        ("target", ("3", "5"), None, "which is neither 1 nor 0"),
    ],
)
def test_a_column_that_cannot_be_used_is_refused(
    write: Write, tmp_path: Path, target: str, words: tuple[str, str], option: str | None, sentence: str
) -> None:
    """The sentence says what would do."""
    with pytest.raises(CatalogError, match=sentence):
        read_labelled(write(30, target=target, words=words), tmp_path / "made.catalog", option)


def test_too_few_labels_are_refused(write: Write) -> None:
    """Some must be held out to judge by."""
    result = run(write(60), "--n", "50")
    assert "nothing can be measured" in result.stderr
    assert "too few to tell so many and to hold out 50" in result.stderr


def test_a_size_that_the_file_is_too_small_for_is_left_out_in_words(write: Write) -> None:
    """The others are measured; of a single draw no spread is shown, since there is none."""
    result = run(write(120), "--seeds", "1", "--n", "20", "--n", "500", "--n", "1000")
    assert result.exit_code in {0, 1}, result.output
    assert "left out 500, 1000 labels: 120 labels are too few to tell so many and to hold out 50\n" in result.stderr
    assert "20" == result.stdout.splitlines()[1].split()[0]
    assert "±" not in result.stdout
    assert "nan" not in result.stdout


def test_rows_that_cannot_be_used_are_counted_and_the_first_is_named(write: Write, tmp_path: Path) -> None:
    """Whether a feature, a label or a field is missing; a file of nothing but such rows is refused."""
    path = write(60, titles=False)
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[4] = "nan" + lines[4][lines[4].index(",") :]
    lines[7] = lines[7][: lines[7].rindex(",") + 1]
    lines[9] += ",more"
    path.write_text("\n".join(lines), encoding="utf-8")
    tracks = read_labelled(path, tmp_path / "made.catalog")
    assert (f"left out 3 rows of 60; the first is row 5, column {FEATURES[0]}: missing",) == tracks.notes
    assert 57 == len(tracks.liked)
    path.write_text("\n".join([lines[0], *([lines[4]] * 3)]), encoding="utf-8")
    with pytest.raises(CatalogError, match="left out 3 rows of 3; the first is row 2"):
        read_labelled(path, tmp_path / "made.catalog")


def test_rows_of_one_track_are_said_to_be_merged(write: Write, tmp_path: Path) -> None:
    """One of them gives the label."""
    path = write(30)
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines, lines[1]]), encoding="utf-8")
    tracks = read_labelled(path, tmp_path / "made.catalog")
    assert ("merged 1 row into others of the same track; the first is row 32, same title and artist",) == tracks.notes


def test_splits_hold_out_what_they_do_not_tell() -> None:
    """Both kinds stand in every part in their proportion."""
    liked = np.arange(100) < 40
    splits = make_splits(liked, [10, 60], seeds=2)
    assert [(10, 0), (10, 1), (60, 0), (60, 1)] == [(split.size, split.seed) for split in splits]
    for split in splits:
        assert list(range(100)) == sorted([*split.told, *split.held])
        assert 0.4 * split.size == liked[split.told].sum()


@pytest.mark.parametrize(
    ("likes", "dislikes", "impossible"),
    [(60, 40, {90}), (97, 3, {10, 90}), (3, 97, {10, 90}), (100, 0, {10, 60, 90}), (0, 100, {10, 60, 90})],
)
def test_a_size_is_impossible_where_a_part_would_lack_labels_of_a_kind(
    likes: int, dislikes: int, impossible: set[int]
) -> None:
    """Or where too few are left to judge by; whatever is possible can be drawn and has both kinds."""
    liked = np.arange(likes + dislikes) < likes
    found = impossible_sizes(liked, [10, 60, 90], least_held=30)
    assert impossible == found.keys()
    for split in make_splits(liked, [size for size in (10, 60, 90) if size not in found], seeds=5):
        assert {True, False} == set(liked[split.told].tolist()) == set(liked[split.held].tolist())


def test_a_size_is_good_where_served_is_close_enough_to_the_best_reference() -> None:
    """The best reference is the one with the highest mean."""
    served = {10: 0.700, 20: 0.690}
    trials = [
        Trial(size, seed, value, 0.6, {"a": 0.5, "b": 0.7}, "", 0) for size, value in served.items() for seed in (0, 1)
    ]
    ten, twenty = summarize(trials)
    assert ("b", "b") == (ten.best, twenty.best)
    assert (True, False) == (ten.holds, twenty.holds)
    assert pytest.approx(-0.01) == twenty.difference.value
