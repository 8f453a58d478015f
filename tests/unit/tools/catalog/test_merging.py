"""Rows that name the same track become one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from palate_tools.catalog.build import import_tracks
from palate_tools.catalog.findings import Action

MakeRow = Callable[..., dict[str, Any]]
WriteTracks = Callable[..., Path]


def test_rows_with_one_id_become_one_track(write_tracks: WriteTracks, track_row: MakeRow) -> None:
    """Genres are united in the order in which they occur, and the highest popularity is kept."""
    rows = [
        track_row(0, track_genre="rock", popularity=10),
        track_row(1),
        track_row(0, track_genre="pop", popularity=30, energy=0.9),
        track_row(0, track_genre="Rock", popularity=20),
    ]

    imported = import_tracks([write_tracks(rows)])

    first = imported.tracks.slice(0, 1).to_pylist()[0]
    assert ["id0", "id1"] == imported.tracks["track_id"].to_pylist()
    assert (["rock", "pop"], 30, 0.9) == (first["genres"], first["popularity"], round(first["features"][1], 5))
    assert 2 == imported.merged


@pytest.mark.parametrize(
    ("title", "artists"),
    [
        ("Title 0", "Artist 0"),
        ("TITLE 0!", "artist  0"),
        ("Títlé 0", "Artist 0;Guest"),
        ("Title-0", "Artist 0"),
    ],
)
def test_rows_with_one_title_and_main_artist_become_one_track(
    write_tracks: WriteTracks, track_row: MakeRow, title: str, artists: str
) -> None:
    """Capitals, accents, punctuation and guests do not make another track; the most popular row gives the id."""
    rows = [track_row(0), track_row(1, track_name=title, artists=artists, track_genre="pop", popularity=60)]

    imported = import_tracks([write_tracks(rows)])

    assert [("id1", title, ["rock", "pop"], 60)] == [
        (track["track_id"], track["title"], track["genres"], track["popularity"])
        for track in imported.tracks.to_pylist()
    ]


def test_other_titles_and_artists_stay_apart(write_tracks: WriteTracks, track_row: MakeRow) -> None:
    """Neither one title of two artists, nor titles of punctuation alone, nor marks that make another letter merge."""
    names = [("Intro", "A"), ("Intro", "B"), ("!!!", "A"), ("???", "A"), ("か", "A"), ("が", "A")]
    rows = [track_row(n, track_name=title, artists=artist) for n, (title, artist) in enumerate(names)]

    imported = import_tracks([write_tracks(rows)])

    assert (6, 0) == (imported.tracks.num_rows, imported.merged)


def test_merged_rows_are_named(write_tracks: WriteTracks, track_row: MakeRow) -> None:
    """The report says which row went into which."""
    imported = import_tracks([write_tracks([track_row(0, popularity=60), track_row(1), track_row(0)])])

    (finding,) = imported.findings
    assert (Action.MERGED, "same id") == (finding.action, finding.what)
    assert [(4, "Title 0 by Artist 0 → row 2 of tracks.csv")] == list(finding.examples(3))


def test_id_of_another_track_is_refused(write_tracks: WriteTracks, track_row: MakeRow) -> None:
    """A row is refused when nothing but its id agrees, as in files that each number their rows."""
    one = write_tracks([track_row(0, track_id="1")], name="one.csv")
    two = write_tracks([track_row(5, track_id="1")], name="two.csv")

    imported = import_tracks([one, two])

    assert (["Title 0"], 1) == (imported.tracks["title"].to_pylist(), imported.refused)
    assert [("two.csv", Action.REFUSED, "the id of another track")] == [
        (finding.source, finding.action, finding.what) for finding in imported.findings
    ]


def test_made_ids_depend_on_title_and_main_artist_alone(write_tracks: WriteTracks, track_row: MakeRow) -> None:
    """A track gets the same id from another file, in another order, with other features."""
    drop = ["track_id"]
    one = import_tracks([write_tracks([track_row(0), track_row(1)], drop=drop)])
    two = import_tracks([write_tracks([track_row(1, energy=0.1, track_name="title 1"), track_row(0)], drop=drop)])

    assert one.tracks["track_id"].to_pylist() == two.tracks["track_id"].to_pylist()[::-1]
    assert 2 == len(set(one.tracks["track_id"].to_pylist())) == one.ids_made


def test_row_with_an_id_beats_a_more_popular_one_without(write_tracks: WriteTracks, track_row: MakeRow) -> None:
    """An id that the source gave is not replaced by a made one."""
    rows = [track_row(0, track_id="", popularity=90), track_row(0, popularity=10)]

    imported = import_tracks([write_tracks(rows)])

    assert [("id0", 90)] == [(track["track_id"], track["popularity"]) for track in imported.tracks.to_pylist()]


def test_files_with_other_columns_are_merged(write_tracks: WriteTracks, track_row: MakeRow) -> None:
    """A file without genres takes them from another one that has the same tracks."""
    one = write_tracks([track_row(n) for n in range(3)], name="one.csv", drop=["track_genre", "popularity"])
    two = write_tracks([track_row(n, track_genre="jazz") for n in range(1, 4)], name="two.csv", drop=["track_id"])

    imported = import_tracks([one, two])

    assert [("Title 0", []), ("Title 1", ["jazz"]), ("Title 2", ["jazz"]), ("Title 3", ["jazz"])] == [
        (track["title"], track["genres"]) for track in imported.tracks.to_pylist()
    ]
