"""`palate lab evaluate playlists`: listeners made of playlists, served and compared with baselines."""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from palate.catalog.snapshot import Catalog
from palate.domain.track import FEATURES
from palate_lab.evaluation.playlists.judging import Judgement, judge
from palate_lab.evaluation.playlists.listeners import PlaylistListener, draw_listeners, read_playlists
from palate_lab.evaluation.playlists.summary import summarize
from palate_tools.cli import main

Write = Callable[..., Path]
Run = Callable[..., Result]
Row = Sequence[str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes rows of a playlist and a track each."""

    def write_file(rows: Sequence[Row], header: Row = ("pid", "track_uri")) -> Path:
        path = tmp_path / "playlists.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *rows])
        return path

    return write_file


@pytest.fixture(scope="module")
def clusters(catalog: Catalog) -> Mapping[str, list[str]]:
    """Return twenty tracks of each of four clusters, as Spotify URIs."""
    return {
        name: [
            f"spotify:track:{track_id}"
            for track_id in catalog.track_ids(
                np.flatnonzero(catalog.cluster == catalog.cluster_number(name))[:20].astype(np.int32)
            )
        ]
        for name in ("classical", "extreme-metal", "latin-dance", "house")
    }


def rows_of(clusters: Mapping[str, list[str]]) -> list[Row]:
    """Return a row for each track of each playlist."""
    return [(name, track) for name, tracks in clusters.items() for track in tracks]


@pytest.fixture
def run(catalog_path: Path) -> Run:
    """Return a function that runs the command as the command line does."""

    def invoke(path: Path, *options: str) -> Result:
        known = ["--catalog", str(catalog_path), "--jobs", "1"]
        return CliRunner().invoke(main, ["lab", "evaluate", "playlists", str(path), *known, *options])

    return invoke


def test_what_is_served_is_measured_beside_the_baselines(
    run: Run, write: Write, clusters: Mapping[str, list[str]], tmp_path: Path
) -> None:
    """Likes go through the real server; all recommenders are judged on the same listeners; chance finds least."""
    out = tmp_path / "figures.parquet"
    result = run(write(rows_of(clusters)), "--listeners", "3", "--depth", "60", "--out", str(out))
    assert 0 == result.exit_code, result.output
    figures = pq.read_table(out).to_pylist()
    by_name = {
        name: [one for one in figures if one["recommender"] == name] for name in {f["recommender"] for f in figures}
    }
    assert 10 == len(by_name)
    assert {3} == {len(judged) for judged in by_name.values()}
    recall = {name: np.mean([one["recall"] for one in judged]) for name, judged in by_name.items()}
    assert recall["random"] < 0.1 < recall["palate"]
    assert "per-taste centroid" in result.output
    assert "3, 30.0 likes told and 30.0 tracks held out" in result.output


def test_the_same_run_gives_the_same_figures(run: Run, write: Write, clusters: Mapping[str, list[str]]) -> None:
    """On one process and on two."""
    path = write(rows_of(clusters))
    first, second = (
        run(path, "--listeners", "2", "--seeds", "2", "--depth", "50", "--jobs", jobs) for jobs in ("1", "2")
    )
    assert (0, 0) == (first.exit_code, second.exit_code), [first.exception, second.exception]
    assert first.output == second.output


def test_a_file_of_tracks_serves_as_catalog(run: Run, write: Write, tmp_path: Path, catalog: Catalog) -> None:
    """It is built on the fly."""
    tracks = tmp_path / "tracks.csv"
    rows = np.arange(0, 400, dtype=np.int32)
    with tracks.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "name", "artists", *FEATURES, "genre"])
        for number, row in enumerate(rows.tolist()):
            track = catalog.track(row)
            writer.writerow([f"t{number}", f"{number}", track.artists[0], *track.features, track.genres[0]])
    playlists = [(str(number % 4), f"t{number}") for number in range(80)]
    result = run(write(playlists), "--catalog", str(tracks), "--listeners", "1", "--depth", "30")
    assert 0 == result.exit_code, result.output


def test_what_cannot_be_used_is_counted_and_named(
    write: Write, clusters: Mapping[str, list[str]], catalog: Catalog
) -> None:
    """Rows with a lack, tracks that are unknown, excluded or repeated, and playlists that are too short."""
    background = catalog.track_id(int(np.flatnonzero(np.isin(catalog.cluster, list(catalog.excluded_clusters)))[0]))
    rows = rows_of(clusters)
    flawed = [
        ("house", clusters["house"][0]),
        ("house", "nobody-knows"),
        ("house", background),
        ("", clusters["house"][1]),
        ("house", " "),
        ("short", clusters["house"][2]),
    ]
    found = read_playlists(write(rows + flawed), catalog, least=10)
    assert {
        "rows": "86",
        "rows without pid": "1 (row 85)",
        "rows without track_uri": "1 (row 86)",
        "playlists": "5",
        "tracks that the catalog lacks": "1",
        "tracks of kinds that are never recommended": "1",
        "tracks repeated in their playlist": "1",
        "playlists of fewer than 10 tracks": "1",
    } == found.counts
    assert dict.fromkeys(clusters, 20) == {name: len(tracks) for name, tracks in found.rows.items()}


@pytest.mark.parametrize(
    ("rows", "header", "options", "sentence"),
    [
        ([("a", "b")], ("list", "track_uri"), [], "no column pid or playlist_id"),
        ([("a", "b")], ("pid", "melody"), [], "Name the one with the track with --track-column"),
        (
            [("a", "b")],
            ("pid", "track_uri"),
            ["--track-column", "song"],
            "no column song; its columns are pid, track_uri",
        ),
        ([("a", "b")], ("pid", "track_uri"), ["--track-column", "pid"], "in one column pid"),
        ([], ("pid", "track_uri"), [], "has no rows below its header"),
        ([("a", ""), ("", "b")], ("pid", "track_uri"), [], "no row with both pid and track_uri"),
        ([("a", "b")], ("pid", "track_uri"), [], "no playlist has enough tracks"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(
    run: Run, write: Write, rows: Sequence[Row], header: Row, options: list[str], sentence: str
) -> None:
    """One sentence that says what would do, and exit code 2."""
    result = run(write(rows, header), *options)
    assert 2 == result.exit_code
    assert sentence in result.output


def test_an_empty_file_is_refused(run: Run, tmp_path: Path) -> None:
    """It has no header either."""
    path = tmp_path / "empty.csv"
    path.touch()
    result = run(path)
    assert (2, True) == (result.exit_code, "is empty" in result.output)


def test_too_few_playlists_are_refused(run: Run, write: Write, clusters: Mapping[str, list[str]]) -> None:
    """A listener of five cannot be made of four."""
    result = run(write(rows_of(clusters)), "--playlists-per-listener", "5")
    assert 2 == result.exit_code
    assert "there are 4 playlists with enough tracks, too few for listeners of 5" in result.output


@pytest.mark.parametrize("option", ["--out", "--catalog"])
def test_paths_are_looked_at_before_any_work(
    run: Run, write: Write, clusters: Mapping[str, list[str]], option: str
) -> None:
    """A mistake in them costs no time."""
    result = run(write(rows_of(clusters)), option, "/nowhere/at/all")
    assert 2 == result.exit_code
    assert "/nowhere/at/all" in result.output


def test_half_of_each_playlist_is_told() -> None:
    """A track of two playlists that is told in one is not looked for in the other; equal seeds draw alike."""
    playlists = {name: np.arange(start, start + 11, dtype=np.int32) for name, start in (("a", 0), ("b", 8), ("c", 40))}
    listeners = draw_listeners(playlists, 3, 4, seed=1)
    for listener in listeners:
        assert set() == set(listener.likes.tolist()) & set(listener.relevant.tolist())
        assert set(range(19)) | set(range(40, 51)) == {*listener.likes.tolist(), *listener.relevant.tolist()}
        assert 5 == len(listener.held["c"])
    again = draw_listeners(playlists, 3, 9, seed=1)
    assert [one.likes.tolist() for one in listeners] == [one.likes.tolist() for one in again[:4]]
    assert listeners[0].likes.tolist() != listeners[1].likes.tolist()


def test_a_ranking_is_judged_by_what_was_held_out() -> None:
    """Of two playlists one is found by half, the other missed."""
    listener = PlaylistListener("l", np.array([9]), {"a": np.array([1, 2]), "b": np.array([3, 4])})
    [judged] = judge("x", listener, np.array([1, 7, 8]), [3])
    assert (0.25, 0.0, 1) == (judged.recall, judged.worst_taste_recall, judged.starved)
    assert 0 < judged.ndcg < 1


def test_palate_is_compared_listener_by_listener() -> None:
    """The table has palate first, and how many times the tracks of each other one it finds."""
    judgements = [
        Judgement(name, f"l{number}", 10, recall, recall / 2, 0, recall)
        for name, recalls in (("other", (0.2, 0.3, 0.1)), ("palate", (0.4, 0.6, 0.2)))
        for number, recall in enumerate(recalls)
    ]
    palate, other = summarize(judgements, seed=0)
    assert ("palate", "other") == (palate.recommender, other.recommender)
    assert pytest.approx(2.0) == other.recall_ratio.value
    assert pytest.approx(0.2) == other.recall_lead.value
    assert other.worst_taste_lead.above_zero
