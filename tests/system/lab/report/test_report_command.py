"""`palate lab report` of a listener of a running server, and what it says of mistakes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from palate.client import Client
from palate_tools.cli import main

Serve = Callable[..., str]


def run(*options: object) -> Result:
    """Run the command."""
    return CliRunner().invoke(main, ["lab", "report", *map(str, options)])


@pytest.fixture
def measures(tmp_path: Path) -> Path:
    """Return the folder of a comparison of two listeners."""
    rows = [
        {"algorithm": name, "listener": number, "kind": "one", "metric": metric, "turn": turn, "value": value}
        for name, value in (("palate", 0.6), ("random", 0.1))
        for number in range(2)
        for metric in ("like_rate", "worst_taste_recall")
        for turn in (None, 0, 1)
    ]
    folder = tmp_path / "comparison"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(rows), folder / "measures.parquet")
    return folder


def test_a_listener_of_a_running_server_is_drawn_with_what_was_said(
    serve: Serve, tmp_path: Path, catalog_path: Path, measures: Path
) -> None:
    """Three likes are too few for models, and enough for everything else; a comparison is drawn where one is given."""
    address = serve()
    with Client(address) as client:
        for track in client.search_tracks("a", page_size=3, genre_cluster_id="j-pop").tracks:
            client.like("ana", track.track_id)
    config = tmp_path / "palate.toml"
    config.write_text(f'[catalog]\npath = "{catalog_path}"\n', encoding="utf-8")
    out = tmp_path / "out"
    at = ("--server", address, "--data-dir", tmp_path, "--config", config)
    result = run("ana", *at, "--comparison", measures, "--out", out)
    assert 0 == result.exit_code, result.output
    assert f"The report is in {out / 'report.html'}.\n" == result.stdout
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "What palate knows of ana" in page
    assert "palate 60%, random 10%" in page
    assert "3 likes and 0 dislikes; a model needs 2 of each" in page
    assert not (out / "logistic.png").exists()


def test_an_unknown_listener_is_named(serve: Serve, tmp_path: Path) -> None:
    """One sentence that says how to begin."""
    result = run("nobody", "--server", serve(), "--data-dir", tmp_path, "--out", tmp_path / "out")
    assert 1 == result.exit_code
    assert "nothing is known of listener 'nobody' yet" in result.stderr


def test_a_data_folder_without_a_store_is_refused(serve: Serve, tmp_path: Path) -> None:
    """The server's own folder is needed, and the sentence says which one was looked into."""
    address = serve()
    with Client(address) as client:
        client.like("ana", client.search_tracks("a", page_size=1).tracks[0].track_id)
    empty = tmp_path / "empty"
    result = run("ana", "--server", address, "--data-dir", empty, "--out", tmp_path / "out")
    assert 2 == result.exit_code
    assert str(empty) in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--server", "localhost:1"], "--server needs USER"),
        (["--data-dir", "somewhere"], "--data-dir needs USER"),
        (["--config", "somewhere"], "--config needs USER"),
        (["ana", "--seed", "3"], "--seed goes without USER"),
        (["--turns", "0"], "--turns"),
    ],
)
def test_options_without_effect_are_refused(options: list[str], sentence: str) -> None:
    """Before anything is played or asked."""
    result = run(*options)
    assert 2 == result.exit_code
    assert sentence in result.stderr


def test_a_comparison_that_is_none_is_refused_before_the_story_is_played(tmp_path: Path) -> None:
    """A folder without measures, a broken file, other columns, and no figures: each in a sentence."""
    assert "palate lab compare --out DIR" in refused(tmp_path)
    path = tmp_path / "measures.parquet"
    path.write_bytes(b"no parquet")
    assert "cannot be read" in refused(tmp_path)
    pq.write_table(pa.table({"algorithm": ["palate"]}), path)
    assert "lacks kind, listener, metric, turn, value" in refused(tmp_path)
    kinds = {"algorithm": "", "listener": 0, "kind": "", "metric": "", "turn": 0, "value": 0.0}
    pq.write_table(pa.Table.from_pylist([kinds]).slice(0, 0), path)
    assert "without figures" in refused(tmp_path)


def refused(folder: Path) -> str:
    """Return what is said of a comparison that is refused."""
    result = run("--comparison", folder, "--out", folder / "out")
    assert 2 == result.exit_code
    return result.stderr


def test_a_folder_that_cannot_be_written_is_named(serve: Serve, tmp_path: Path, catalog_path: Path) -> None:
    """A file stands where the folder should be."""
    address = serve()
    with Client(address) as client:
        client.like("ana", client.search_tracks("a", page_size=1).tracks[0].track_id)
    config = tmp_path / "palate.toml"
    config.write_text(f'[catalog]\npath = "{catalog_path}"\n', encoding="utf-8")
    at = ("--server", address, "--data-dir", tmp_path, "--config", config)
    result = run("ana", *at, "--out", config)
    assert 2 == result.exit_code
    assert f"{config}: cannot be written" in result.stderr


def test_without_the_extra_one_sentence_names_it(without_matplotlib: Callable[..., Any], tmp_path: Path) -> None:
    """Exit code 2, and what to install."""
    result = without_matplotlib("lab", "report", "--out", str(tmp_path / "out"))
    assert 2 == result.returncode
    assert "pip install 'palate[lab]'" in result.stderr
    assert "Traceback" not in result.stderr
