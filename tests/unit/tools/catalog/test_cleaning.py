"""What is wrong with a value decides whether it is mended or its row refused."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from palate.errors import CatalogError
from palate_tools.catalog.build import Import, import_tracks
from palate_tools.catalog.findings import Action, write_findings

MakeRow = Callable[..., dict[str, Any]]
WriteTracks = Callable[..., Path]


def _findings(imported: Import) -> list[tuple[Action, str, list[int]]]:
    return [(finding.action, finding.what, finding.rows.tolist()) for finding in imported.findings]


def _feature(imported: Import, place: int) -> list[float]:
    return [round(float(features[place]), 5) for features in imported.tracks["features"].to_pylist()]


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("energy", "", "missing"),
        ("energy", "nan", "missing"),
        ("energy", "abc", "not a number"),
        ("energy", "inf", "not a number"),
        ("energy", "0.5\0", "not a number"),
        ("energy", "1.2", "outside 0 to 1"),
        ("energy", "-0.2", "outside 0 to 1"),
        ("tempo", "0", "0, which says that no beat was found"),
        ("tempo", "-1", "outside 0 to 300"),
        ("tempo", "400", "outside 0 to 300"),
        ("loudness", "6", "outside -60 to 5"),
        ("loudness", "-70", "outside -60 to 5"),
        ("track_name", " ", "no title"),
        ("track_id", "x" * 129, "an id longer than 128 bytes"),
        ("track_id", "ü" * 65, "an id longer than 128 bytes"),
        ("track_id", "a\0b", "control bytes in an id"),
    ],
)
def test_row_is_refused(write_tracks: WriteTracks, track_row: MakeRow, column: str, value: str, what: str) -> None:
    """A value that cannot be mended for certain costs its row and no other, and is named with its row."""
    path = write_tracks([track_row(0), track_row(1, **{column: value}), track_row(2)])

    imported = import_tracks([path])

    assert [(Action.REFUSED, what, [3])] == _findings(imported)
    assert ["id0", "id2"] == imported.tracks["track_id"].to_pylist()
    assert (1, 3) == (imported.refused, imported.rows_read)


@pytest.mark.parametrize(
    ("value", "what", "popularity"),
    [
        ("", "missing, set to 0 (unknown)", 0),
        ("abc", "not a number, set to 0 (unknown)", 0),
        ("-3", "below 0, set to 0 (unknown)", 0),
        ("120", "above 100, set to 100", 100),
    ],
)
def test_popularity_is_mended(
    write_tracks: WriteTracks, track_row: MakeRow, value: str, what: str, popularity: int
) -> None:
    """No track is refused for its popularity."""
    imported = import_tracks([write_tracks([track_row(0), track_row(1, popularity=value)])])

    assert [(Action.REPAIRED, what, [3])] == _findings(imported)
    assert [50, popularity] == imported.tracks["popularity"].to_pylist()


def test_popularity_from_0_to_1_is_multiplied(write_tracks: WriteTracks, track_row: MakeRow) -> None:
    """A column of shares becomes one of percentages."""
    imported = import_tracks([write_tracks([track_row(n, popularity=share) for n, share in enumerate((0.25, 1.0))])])

    assert [25, 100] == imported.tracks["popularity"].to_pylist()
    assert ("popularity is on a scale from 0 to 1: multiplied by 100",) == imported.files[0].notes


def test_loudness_above_zero_is_possible(write_tracks: WriteTracks, track_row: MakeRow) -> None:
    """Loud masters reach a little above 0 dB."""
    imported = import_tracks([write_tracks([track_row(loudness=4.9)])])

    assert [4.9] == _feature(imported, 4)
    assert () == imported.findings


def test_rounding_errors_are_moved_inside(write_tracks: WriteTracks, track_row: MakeRow) -> None:
    """A share that misses its range by a thousandth at the most is mended."""
    path = write_tracks([track_row(0, energy=1.0004), track_row(1, energy=-0.0004)])

    imported = import_tracks([path])

    assert [1.0, 0.0] == _feature(imported, 1)
    assert [(Action.REPAIRED, "a rounding error outside 0 to 1, moved inside", [2, 3])] == _findings(imported)


def test_percentages_are_divided_by_100(write_tracks: WriteTracks, track_row: MakeRow) -> None:
    """Columns from 0 to 100 are found together: instrumentalness is small for most tracks there too."""
    percent = {"danceability": 60, "energy": 70, "valence": 80, "acousticness": 9, "liveness": 20, "speechiness": 5}
    rows = [track_row(n, **percent, instrumentalness=80 if n == 0 else 0.3) for n in range(10)]

    imported = import_tracks([write_tracks(rows)])

    assert [0.7] * 10 == _feature(imported, 1)
    assert [0.8, *[0.003] * 9] == _feature(imported, 6)
    assert 7 == len(imported.files[0].notes)
    assert 0 == imported.refused


def test_two_scales_in_one_column_are_not_guessed_apart(write_tracks: WriteTracks, track_row: MakeRow) -> None:
    """Where half of a column is from 0 to 1, the half above is refused and the column left as it is."""
    rows = [track_row(n, energy=70 if n % 2 else 0.7) for n in range(10)]

    imported = import_tracks([write_tracks(rows)])

    assert [0.7] * 5 == _feature(imported, 1)
    assert 5 == imported.refused


def test_decimal_commas_are_read(write_tracks: WriteTracks, track_row: MakeRow) -> None:
    """A file from where the comma is the decimal point reads the same, and says so once for each column."""
    rows = [track_row(n, energy="0,65", loudness="-7,25") for n in range(3)]

    imported = import_tracks([write_tracks(rows, delimiter=";")])

    assert [0.65] * 3 == _feature(imported, 1)
    assert [-7.25] * 3 == _feature(imported, 4)
    assert 2 == sum("decimal commas in 3 rows" in note for note in imported.files[0].notes)


@pytest.mark.parametrize(("column", "value"), [("tempo", 0.5), ("loudness", 0.8)])
def test_scaled_tempo_and_loudness_are_refused_as_a_whole(
    write_tracks: WriteTracks, track_row: MakeRow, column: str, value: float
) -> None:
    """What was scaled to 0 to 1 would pass for a very slow or very loud track, so that the file is refused."""
    path = write_tracks([track_row(n, **{column: value}) for n in range(20)])

    with pytest.raises(CatalogError, match=f"half of column {column}"):
        import_tracks([path])


def test_spotify_addresses_become_ids(write_tracks: WriteTracks, track_row: MakeRow) -> None:
    """The id is what stands at the end of a URI or an address."""
    ids = ("spotify:track:abc", "https://open.spotify.com/track/def?si=1", "https://open.spotify.com/intl-de/track/ghi")
    path = write_tracks([track_row(n, track_id=track_id) for n, track_id in enumerate(ids)])

    assert ["abc", "def", "ghi"] == import_tracks([path]).tracks["track_id"].to_pylist()


def test_unknown_artist_needs_an_id(write_tracks: WriteTracks, track_row: MakeRow) -> None:
    """A track without an artist is kept when it has an id, and refused when nothing tells it apart."""
    rows = [
        track_row(0, artists=""),
        track_row(1, artists="", track_id=""),
        track_row(2, artists="", track_name="Title 0"),
    ]

    imported = import_tracks([write_tracks(rows)])

    assert [["Unknown artist"], ["Unknown artist"]] == imported.tracks["artists"].to_pylist()
    assert ["id0", "id2"] == imported.tracks["track_id"].to_pylist()


def test_nul_bytes_and_line_breaks_leave_the_title(write_tracks: WriteTracks, track_row: MakeRow) -> None:
    """A title is one line of text."""
    imported = import_tracks([write_tracks([track_row(track_name=" A\0 long\n title ")])])

    assert ["A long  title"] == imported.tracks["title"].to_pylist()
    assert [(Action.REPAIRED, "NUL bytes, taken out", [2])] == _findings(imported)


def test_damaged_text_is_kept_and_named(write_tracks: WriteTracks, track_row: MakeRow) -> None:
    """Bytes that do not decode cost a character, not a row."""
    path = write_tracks([track_row(n, artists="Beyoncé Mañana Déjà Árbol") for n in range(3)])
    path.write_bytes(path.read_bytes().replace(b"Title 1", b"Title\xff1"))

    imported = import_tracks([path])

    assert ["Title 0", "Title\ufffd1", "Title 2"] == imported.tracks["title"].to_pylist()
    assert [(Action.REPAIRED, "bytes that do not decode, shown as \ufffd", [3])] == _findings(imported)


def test_parquet_values_are_judged_alike(tmp_path: Path, track_row: MakeRow) -> None:
    """Nulls, NaN and infinity in columns of numbers are what they are in text."""
    rows = [track_row(n, energy=energy) for n, energy in enumerate((0.5, None, float("nan"), float("inf"), 7.0))]
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "tracks.parquet")

    imported = import_tracks([tmp_path / "tracks.parquet"])

    assert [
        (Action.REFUSED, "missing", [2, 3]),
        (Action.REFUSED, "not a number", [4]),
        (Action.REFUSED, "outside 0 to 1", [5]),
    ] == _findings(imported)


def test_every_finding_is_written_with_file_row_and_value(
    write_tracks: WriteTracks, track_row: MakeRow, tmp_path: Path
) -> None:
    """The report names what was wrong where, row by row."""
    path = write_tracks([track_row(n, energy=7 if n in {1, 2} else 0.5) for n in range(9)])

    write_findings(import_tracks([path]).findings, tmp_path / "report.csv")

    with (tmp_path / "report.csv").open(encoding="utf-8", newline="") as file:
        assert [
            ["file", "row", "column", "action", "what", "value"],
            ["tracks.csv", "3", "energy", "refused", "outside 0 to 1", "7"],
            ["tracks.csv", "4", "energy", "refused", "outside 0 to 1", "7"],
        ] == list(csv.reader(file))


def test_features_come_in_their_order(write_tracks: WriteTracks, track_row: MakeRow) -> None:
    """A vector has the nine features in the order of the contract, whatever the order of the columns."""
    path = write_tracks([dict(reversed(track_row().items()))])

    (features,) = import_tracks([path]).tracks["features"].to_pylist()

    expected = np.array([0.5, 0.6, 0.7, 120.5, -7.5, 0.1, 0.0, 0.2, 0.05], dtype=np.float32)
    assert expected.tolist() == features
