"""Columns are found by their names."""

import pytest
from palate.domain.track import FEATURES
from palate.errors import CatalogError
from palate_tools.catalog.columns import map_columns, parse_mapping


def test_capitals_spaces_and_hyphens_do_not_matter() -> None:
    """Columns are found however their names are spelled."""
    columns = ["Track Name", "Artist Name(s)", "Track URI", "Artist-Genres", *map(str.upper, FEATURES)]

    found = map_columns(columns, {})

    assert ("Track Name",) == found["title"]
    assert ("Artist Name(s)",) == found["artists"]
    assert ("Track URI",) == found["id"]
    assert ("Artist-Genres",) == found["genres"]
    assert ("TEMPO",) == found["tempo"]


@pytest.mark.parametrize("title", ["track_name", "Track", "name", "title", "song_title"])
@pytest.mark.parametrize("artists", ["artists", "Artist", "track_artist", "artist_names"])
def test_usual_names_are_known(title: str, artists: str) -> None:
    """The names that public datasets use for title and artists are found."""
    found = map_columns([title, artists, *FEATURES], {})

    assert (title,) == found["title"]
    assert (artists,) == found["artists"]


def test_better_name_wins() -> None:
    """Where several columns could be the title, the one that says so best is taken."""
    found = map_columns(["name", "track_name", "artists", *FEATURES], {})

    assert ("track_name",) == found["title"]


def test_all_genre_columns_are_taken() -> None:
    """A genre and a finer one beside it both count."""
    found = map_columns(["title", "artist", "playlist_genre", "playlist_subgenre", *FEATURES], {})

    assert ("playlist_genre", "playlist_subgenre") == found["genres"]


def test_explicit_column_beats_guess() -> None:
    """A column that was named is taken even where another one would have been guessed."""
    found = map_columns(["title", "song", "artist", *FEATURES], {"title": "song"})

    assert ("song",) == found["title"]


def test_missing_column_is_named_with_nearest() -> None:
    """The error says what is missing, what is there and what could be meant."""
    columns = ["title", "artist", *(name for name in FEATURES if name != "energy"), "enrgy"]

    with pytest.raises(CatalogError, match=r"no column for energy; .*enrgy.*--map energy=enrgy"):
        map_columns(columns, {})


def test_optional_columns_may_be_missing() -> None:
    """Id, genres and popularity are not needed."""
    found = map_columns(["title", "artist", *FEATURES], {})

    assert {"title", "artists", *FEATURES} == set(found)


def test_mapping_takes_any_name_of_a_field() -> None:
    """A pair may name the field as a column would be named."""
    assert {"title": "song", "tempo": "speed"} == parse_mapping(["track_name=song", "BPM=speed"])


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["title"], "FIELD=COLUMN"),
        (["title="], "FIELD=COLUMN"),
        (["titel=song"], "did you mean title"),
        (["title=a", "name=b"], "twice"),
    ],
)
def test_wrong_pairs_are_refused(pairs: list[str], message: str) -> None:
    """A pair that cannot be meant so is an error that says what to write."""
    with pytest.raises(CatalogError, match=message):
        parse_mapping(pairs)
