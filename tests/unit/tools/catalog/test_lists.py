"""Names are taken apart however a source writes lists."""

import pyarrow as pa
import pytest
from palate_tools.catalog.fields import read_artists, read_genres, split_artists, split_genres


@pytest.mark.parametrize("name", ["10,000 Maniacs", "Earth, Wind & Fire", "Tyler, The Creator", "[spunge]", "AC/DC"])
def test_artist_is_not_split_at_commas_and_brackets(name: str) -> None:
    """One artist stays one, whatever stands in the name."""
    assert [name] == split_artists(name)


@pytest.mark.parametrize(
    "text",
    [
        "Earth, Wind & Fire;The Emotions",
        "Earth, Wind & Fire | The Emotions",
        "['Earth, Wind & Fire', 'The Emotions']",
        '["Earth, Wind & Fire", "The Emotions"]',
        "['Earth, Wind & Fire' 'The Emotions']",
        "[{'name': 'Earth, Wind & Fire', 'id': '1'}, {'name': 'The Emotions', 'id': '2'}]",
    ],
)
def test_artists_are_split_however_they_are_listed(text: str) -> None:
    """Every common way to write two artists gives the two, main artist first."""
    assert ["Earth, Wind & Fire", "The Emotions"] == split_artists(text)


def test_quotes_within_a_list_are_kept() -> None:
    """An apostrophe or an escaped quote in a listed name does not end it."""
    assert ["Guns N' Roses", 'The "A" Band', "Beyoncé"] == split_artists(
        r"""["Guns N' Roses", 'The "A" Band', "Beyonc\u00e9"]"""
    )


@pytest.mark.parametrize("text", ["", "  ", "[]", "nan", "<NA>"])
def test_no_artist_is_an_empty_list(text: str) -> None:
    """What says that there is nobody gives nobody."""
    assert [] == split_artists(text)


@pytest.mark.parametrize("text", ["pop, dance pop", "pop;dance pop", "['pop', 'dance pop']", "[pop, dance pop]"])
def test_genres_are_split_at_commas_too(text: str) -> None:
    """Genres have no commas in their names, so that commas divide them."""
    assert ["pop", "dance pop"] == split_genres(text)


@pytest.mark.parametrize("text", ["", "[]", "nan", "unknown", "None", "['']", "N/A", ";"])
def test_words_for_no_genre_are_no_genre(text: str) -> None:
    """What says that there is no genre gives none."""
    assert [] == split_genres(text)


def test_repeated_names_count_once() -> None:
    """A name that is listed twice, in whatever capitals, is kept once."""
    assert ["Rock", "Pop"] == split_genres("Rock; rock; Pop")


@pytest.mark.parametrize(
    "column",
    [
        pa.array([["A", "B"], [], None]),
        pa.array([["A", "B"], [], None], pa.large_list(pa.large_string())),
        pa.array([[{"name": "A"}, {"name": "B"}], [], None]),
        pa.array(["A;B", "", None]),
        pa.array(["A;B", "", None]).dictionary_encode(),
    ],
)
def test_columns_of_any_type_are_read(column: pa.Array) -> None:
    """Lists, objects, text and dictionaries give the same names."""
    assert [["A", "B"], [], []] == read_artists(column).to_pylist()
    assert [["A", "B"], [], []] == read_genres(column).to_pylist()
