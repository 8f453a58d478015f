"""The report on genre placement, and what features alone find."""

import csv
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from palate.catalog.genres import FeaturePlacer, GenreClusters
from palate.domain.features import FeatureMap
from palate.domain.track import FEATURES
from palate.errors import CatalogError
from palate_tools.catalog.build import SAMPLE
from palate_tools.catalog.genre_report import genres_command, placement_report, read_genre_names
from sklearn.model_selection import KFold


@pytest.fixture(scope="module")
def clusters() -> GenreClusters:
    return GenreClusters.load()


def test_the_report_counts_each_name_once(clusters: GenreClusters) -> None:
    """Placed and unplaced names are kept apart, repeated ones count once."""
    report = placement_report(["jazz", "zzyzx", "jazz", "bebop"], clusters)
    assert {"jazz": "jazz", "bebop": "jazz"} == report.placed
    assert ("zzyzx",) == report.unplaced
    assert pytest.approx(2 / 3) == report.share


def test_a_sample_is_the_same_for_the_same_seed(clusters: GenreClusters) -> None:
    """What was judged by eye can be drawn again."""
    report = placement_report(["jazz", "bebop", "techno", "mpb", "metal"], clusters)
    assert report.sample(3, seed=1) == report.sample(3, seed=1)
    assert 5 == len(report.sample(99, seed=1))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("genre,x\njazz,1\ndub,2\n", ["jazz", "dub"]),
        ("x,Track_Genre\n1,jazz\n2,dub\n", ["jazz", "dub"]),
        ("jazz,1\ndub,2\n", ["jazz", "dub"]),
        ("\ufeffgenre\n jazz \n\n\n", ["jazz"]),
        ("", []),
    ],
)
def test_names_are_read_from_their_column(tmp_path: Path, content: str, expected: list[str]) -> None:
    """A known header names the column; without one it is the first."""
    path = tmp_path / "names.csv"
    path.write_text(content, encoding="utf-8")
    assert expected == read_genre_names(path)


@pytest.mark.parametrize(("content", "expected"), [(None, "cannot be read"), (b"caf\xe9\n", "is no CSV file in UTF-8")])
def test_files_that_cannot_be_read_are_refused(tmp_path: Path, content: bytes | None, expected: str) -> None:
    """The error says what to name instead."""
    path = tmp_path / "names.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CatalogError, match=expected):
        read_genre_names(path)


def test_the_command_reports_shares_samples_and_leftovers(tmp_path: Path) -> None:
    """One call prints the share, the clusters, what no cluster takes, and writes every name."""
    names, out = tmp_path / "names.csv", tmp_path / "out.csv"
    names.write_text("genre\njazz\nzzyzx\n", encoding="utf-8")
    result = CliRunner().invoke(genres_command, [str(names), "--sample", "1", "--out", str(out)])
    assert 0 == result.exit_code
    assert "placed 1 of 2 names (50.0%)" in result.output
    assert "no cluster takes: zzyzx" in result.output
    assert ["genre,cluster_id", "jazz,jazz", "zzyzx,"] == out.read_text(encoding="utf-8").splitlines()


def test_an_unwritable_report_is_refused(tmp_path: Path) -> None:
    """The error names the file that cannot be written."""
    names = tmp_path / "names.csv"
    names.write_text("jazz\n", encoding="utf-8")
    result = CliRunner().invoke(genres_command, [str(names), "--out", str(tmp_path / "nowhere" / "out.csv")])
    assert isinstance(result.exception, CatalogError)
    assert "cannot write --out" in str(result.exception)


def test_features_find_the_cluster_far_more_often_than_chance(clusters: GenreClusters) -> None:
    """On the bundled catalog one track in four is placed rightly, over four times the share of the largest cluster."""
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        tracks = list({row["track_id"]: row for row in csv.DictReader(file)}.values())
    features = np.array([[float(track[name]) for name in FEATURES] for track in tracks], dtype=np.float32)
    scores = FeatureMap.fit(features).normalize(features)
    labels = np.array([clusters.place_genre(track["track_genre"]) for track in tracks], dtype=object)
    kept = ~np.isin(labels, sorted(clusters.excluded))
    scores, labels = scores[kept], labels[kept]
    right = np.zeros(len(labels), dtype=bool)
    for known, held_out in KFold(5, shuffle=True, random_state=0).split(scores):
        placer = FeaturePlacer.fit(scores[known], labels[known].tolist(), clusters.excluded)
        right[held_out] = labels[held_out] == np.array(placer.place(scores[held_out]), dtype=object)
    _, counts = np.unique(labels.astype(str), return_counts=True)
    assert right.mean() > 0.22
    assert right.sum() > 4 * counts.max()
