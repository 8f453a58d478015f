"""`palate catalog` on the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from palate.catalog.snapshot import Catalog
from palate.domain.track import Track
from palate_tools.catalog.build import SAMPLE
from palate_tools.cli import main

MakeRow = Callable[..., dict[str, Any]]
WriteTracks = Callable[..., Path]
Build = Callable[..., Result]
Built = Callable[[], list[Track]]


def test_catalog_holds_what_the_file_says(
    write_tracks: WriteTracks, track_row: MakeRow, build: Build, built: Built
) -> None:
    """A row becomes a track with all its values, placed by its genre."""
    result = build(write_tracks([track_row(track_genre="death-metal;black-metal", artists="A;B")]))

    (track,) = built()
    assert 0 == result.exit_code, result.output
    assert ("id0", "Title 0", ("A", "B"), ("death-metal", "black-metal"), "extreme-metal", 50) == (
        track.track_id,
        track.title,
        track.artists,
        track.genres,
        track.cluster_id,
        track.popularity,
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
def test_text_survives_every_encoding(
    write_tracks: WriteTracks, track_row: MakeRow, build: Build, built: Built, encoding: str
) -> None:
    """Accents are read right whatever the encoding, without being told."""
    title = "Don’t – Déjà vu" if encoding != "latin-1" else "Déjà vu"  # noqa: RUF001 - what cp1252 has and latin-1 has not
    result = build(write_tracks([track_row(track_name=title)], encoding=encoding))

    assert 0 == result.exit_code, result.output
    assert [title] == [track.title for track in built()]


def test_parquet_and_csv_are_read_together(
    write_tracks: WriteTracks, track_row: MakeRow, tmp_path: Path, build: Build, built: Built
) -> None:
    """Files of several formats and shapes make one catalog."""
    rows = [track_row(1, artists=["A, B", "C"], track_genre=["jazz"])]
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "more.parquet")

    result = build(write_tracks([track_row(0)]), tmp_path / "more.parquet")

    assert 0 == result.exit_code, result.output
    assert [("Artist 0",), ("A, B", "C")] == [track.artists for track in built()]


def test_columns_are_mapped_by_hand(write_tracks: WriteTracks, track_row: MakeRow, build: Build, built: Built) -> None:
    """--map names what cannot be guessed."""
    path = write_tracks([track_row(werk="Prélude")], drop=["track_name"])

    assert 2 == build(path).exit_code
    assert 0 == build(path, "--map", "title=werk").exit_code
    assert ["Prélude"] == [track.title for track in built()]


def test_same_input_makes_the_same_file(write_tracks: WriteTracks, track_row: MakeRow, build: Build, out: Path) -> None:
    """Nothing in a catalog depends on when it was built."""
    path = write_tracks([track_row(n, track_genre=genre) for n, genre in enumerate(["rock", "", "jazz", "rock"])])

    build(path)
    first = out.read_bytes()
    build(path)

    assert first == out.read_bytes()


def test_tracks_without_a_genre_are_placed_by_features(
    write_tracks: WriteTracks, track_row: MakeRow, build: Build, built: Built
) -> None:
    """A track that names no genre, or none that is known, still gets a cluster; never an excluded one."""
    result = build(write_tracks([track_row(0, track_genre=""), track_row(1, track_genre="qqqq")]))

    assert "0 tracks by genre, 2 by their features after the bundled catalog" in result.output
    assert "genres that no cluster takes: qqqq (1)" in result.output
    assert not any(track.excluded for track in built())


def test_own_tracks_are_the_reference_when_they_are_enough(build: Build, tmp_path: Path) -> None:
    """A catalog with genres of its own places the others after them."""
    lines = SAMPLE.read_text(encoding="utf-8").splitlines()
    path = tmp_path / "tracks.csv"
    path.write_text("\n".join([lines[0], *lines[1::3], lines[2].rpartition(",")[0] + ","]), encoding="utf-8")

    assert "1 by their features after these tracks" in build(path).output


def test_too_many_refused_rows_write_nothing(
    write_tracks: WriteTracks, track_row: MakeRow, build: Build, out: Path
) -> None:
    """The command fails with 1 and names the rows; what was there before stays."""
    out.write_bytes(b"as before")
    path = write_tracks([track_row(n, tempo=0 if n < 2 else 100) for n in range(20)])

    result = build(path)

    assert 1 == result.exit_code
    assert "row 2: 0, row 3: 0" in result.output
    assert "10.0% of the rows were refused" in result.output
    assert b"as before" == out.read_bytes()


def test_more_may_be_refused_when_told(write_tracks: WriteTracks, track_row: MakeRow, build: Build) -> None:
    """--max-refused is the share that may be."""
    path = write_tracks([track_row(n, tempo=0 if n < 2 else 100) for n in range(20)])

    assert 0 == build(path, "--max-refused", "0.1").exit_code


def test_no_track_left_is_an_error(write_tracks: WriteTracks, track_row: MakeRow, build: Build, out: Path) -> None:
    """A catalog of nothing is not written, however many rows may be refused."""
    result = build(write_tracks([track_row(tempo=0)]), "--max-refused", "1")

    assert 2 == result.exit_code
    assert "there is no track to write" in result.output
    assert not out.exists()


def test_report_is_written_even_when_nothing_else_is(
    write_tracks: WriteTracks, track_row: MakeRow, build: Build, tmp_path: Path
) -> None:
    """--report has every row that was refused, so that they can be mended."""
    result = build(write_tracks([track_row(tempo=0)]), "--report", tmp_path / "report.csv")

    assert 1 == result.exit_code
    assert "tracks.csv,2,tempo,refused" in (tmp_path / "report.csv").read_text(encoding="utf-8")


def test_output_in_a_pipe_is_plain(write_tracks: WriteTracks, track_row: MakeRow, build: Build) -> None:
    """No escape sequences, no bars, and one line for one thing."""
    result = build(write_tracks([track_row(0, track_name="[bold]Title[/bold] :smile:", tempo=""), track_row(1)]))

    assert "\x1b" not in result.output
    assert "\r" not in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{folder}/nowhere.csv"], "cannot read"),
        (["{folder}"], "cannot read"),
        (["{tracks}", "--map", "titel=song"], "did you mean title"),
        (["{tracks}", "--map", "title=track_nam"], "did you mean track_name"),
        (["{tracks}", "--encoding", "klingon"], "is unknown"),
        (["{tracks}", "--genres", "{folder}/nowhere.toml"], "nowhere.toml"),
        (["{tracks}", "--report", "{folder}/nowhere/report.csv"], "cannot write --report"),
        (["{tracks}", "--out", "{folder}/nowhere/out.catalog"], "does not exist"),
        (["{tracks}", "--out", "{folder}"], "is a folder"),
        (["{tracks}", "--out", "{tracks}"], "is one of the files to read"),
        ([], "Missing argument"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    write_tracks: WriteTracks, track_row: MakeRow, tmp_path: Path, arguments: list[str], message: str
) -> None:
    """Everything else that is wrong ends with 2 and says what to do."""
    names = {"folder": tmp_path, "tracks": write_tracks([track_row()])}
    given_arguments = [argument.format(**names) for argument in arguments]
    if "--out" not in given_arguments:
        given_arguments += ["--out", str(tmp_path / "out.catalog")]

    result = CliRunner().invoke(main, ["catalog", "build", *given_arguments])

    assert 2 == result.exit_code
    assert message in result.stderr


_CUTS = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from([b'"', b"\n", b",", b"\0", b"\xff", b"nan", b""])), max_size=9
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=_CUTS, end=st.floats(0.01, 1))
def test_damaged_files_never_break_the_importer(
    write_tracks: WriteTracks, track_row: MakeRow, build: Build, cuts: list[tuple[float, bytes]], end: float
) -> None:
    """Bytes put in and left out anywhere cost rows or end the command, but with an error of its own."""
    path = write_tracks([track_row(n, artists='A "B" C, D') for n in range(6)])
    data = bytearray(path.read_bytes())
    for place, noise in cuts:
        start = int(place * len(data))
        data[start : start + 1] = noise
    path.write_bytes(data[: max(1, int(end * len(data)))])

    result = build(path)

    assert result.exit_code in {0, 1, 2}
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception


def test_info_describes_a_catalog(write_tracks: WriteTracks, track_row: MakeRow, build: Build, out: Path) -> None:
    """The description has the version, the counts, the clusters and the ranges of the features."""
    build(write_tracks([track_row(0), track_row(1, tempo=90)]))

    result = CliRunner().invoke(main, ["catalog", "info", str(out)])

    with Catalog.open(out) as catalog:
        assert f"version       {catalog.version}" in result.output
    assert "tracks        2\n" in result.output
    assert "source        tracks.csv" in result.output
    assert ["tempo", "90", "105.2", "120.5"] in [line.split() for line in result.output.splitlines()]
    assert ["Rock", "rock", "2"] in [line.split() for line in result.output.splitlines()]


def test_info_refuses_other_files(write_tracks: WriteTracks, track_row: MakeRow) -> None:
    """A file that is no catalog is an error that says how to make one."""
    result = CliRunner().invoke(main, ["catalog", "info", str(write_tracks([track_row()]))])

    assert 2 == result.exit_code
    assert "palate catalog build" in result.stderr


def test_synthesize_makes_as_many_tracks_as_asked(out: Path) -> None:
    """The file has the tracks and says what it was made after."""
    result = CliRunner().invoke(main, ["catalog", "synthesize", "--tracks", "500", "--seed", "1", "--out", str(out)])

    assert 0 == result.exit_code, result.output
    with Catalog.open(out) as catalog:
        assert 500 == len(catalog)
        assert "seed 1" in catalog.source
