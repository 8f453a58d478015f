"""Search by words: what is found, in which order, and in every script."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from palate.catalog import search
from palate.catalog.search import words_of
from palate.catalog.snapshot import Catalog
from palate.catalog.writer import write_catalog
from palate.domain.track import GenreCluster

MakeTracks = Callable[..., pa.Table]
Find = Callable[..., list[str]]

SONGS = {
    "Love": ("Nobody", 3),
    "Lovely Day": ("Bill Withers", 80),
    "Love Me Do": ("The Beatles", 90),
    "Déjà Vu": ("Beyoncé", 70),
    "Don't Stop Me Now": ("Queen", 95),
    "Get You The Moon (feat. Snøw)": ("Kina", 60),
    "残響散歌": ("Aimer", 75),
    "Группа крови": ("Кино", 65),
    "نور العين": ("عمرو دياب", 72),
    "사랑했지만": ("김광석", 58),
    "\N{GREEK CAPITAL LETTER ETA} αγάπη είναι ζάλη": ("Αλέξια", 40),
    "Straße ohne Ziel": ("Æon Łódź", 20),
    "Supercalifragilistic": ("Julie Andrews", 35),
    "Supercalifornia": ("Nobody", 36),
    "\N{DIVISION SIGN}": ("Ed Sheeran", 88),
    "99 Luftballons": ("Nena", 82),
}


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory, make_tracks: MakeTracks, clusters: list[GenreCluster]) -> Catalog:
    """Return a catalog of a few songs; every second one is jazz, the others are rock."""
    path = tmp_path_factory.mktemp("songs") / "catalog.arrow"
    tracks = make_tracks(
        len(SONGS),
        title=list(SONGS),
        artists=[[artist] for artist, _ in SONGS.values()],
        popularity=[popularity for _, popularity in SONGS.values()],
        cluster=["jazz" if number % 2 == 0 else "rock" for number in range(len(SONGS))],
    )
    write_catalog(path, tracks, clusters, source="made up")
    return Catalog.open(path)


@pytest.fixture(scope="module")
def find(songs: Catalog) -> Find:
    """Return a function that gives the titles that a query finds."""

    def titles(query: str, limit: int = 10, offset: int = 0, cluster_id: str | None = None) -> list[str]:
        rows, _ = songs.search(query, limit, offset, cluster_id)
        return [songs.track(int(row)).title for row in rows]

    return titles


def test_the_exact_title_comes_first_then_the_most_popular(find: Find) -> None:
    """A title that is the query beats any popularity."""
    assert ["Love", "Love Me Do", "Lovely Day"] == find("love")


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("DEJA vu", "Déjà Vu"),
        ("beyonce", "Déjà Vu"),
        ("dont stop", "Don't Stop Me Now"),
        ("don\N{RIGHT SINGLE QUOTATION MARK}t", "Don't Stop Me Now"),
        ("snow", "Get You The Moon (feat. Snøw)"),
        ("残響", "残響散歌"),
        ("группа кино", "Группа крови"),
        ("دياب", "نور العين"),
        ("사랑", "사랑했지만"),
        ("ΑΓΑΠΗ", "\N{GREEK CAPITAL LETTER ETA} αγάπη είναι ζάλη"),
        ("strasse", "Straße ohne Ziel"),
        ("aeon lodz", "Straße ohne Ziel"),
        ("99", "99 Luftballons"),
        ("  moon,  KINA!", "Get You The Moon (feat. Snøw)"),
    ],
)
def test_case_accents_and_punctuation_do_not_count(query: str, title: str, find: Find) -> None:
    """Words are found in any script, however they are spelt."""
    assert [title] == find(query)


def test_every_word_must_begin_a_word(find: Find) -> None:
    """Words count from their beginning, and one that fits nothing empties the answer."""
    assert ["Love Me Do"] == find("beat lov")
    assert [] == find("eatles")
    assert [] == find("love queen")


def test_words_that_agree_in_their_first_letters_are_told_apart(find: Find) -> None:
    """Longer words than a key holds are compared in full."""
    assert ["Supercalifornia", "Supercalifragilistic"] == find("supercalif")
    assert ["Supercalifragilistic"] == find("supercalifr")


@pytest.mark.parametrize("query", ["", "   ", "?!", "\N{DIVISION SIGN}", "\x00", "'"])
def test_a_query_without_words_finds_nothing(query: str, find: Find) -> None:
    """Nothing is not everything."""
    assert [] == find(query)


def test_pages_follow_one_another(songs: Catalog, find: Find) -> None:
    """Pages laid side by side are the whole answer, and the last one says that it is the last."""
    whole = find("love")
    pages = [songs.search("love", 1, offset) for offset in range(3)]
    assert whole == [songs.track(int(rows[0])).title for rows, _ in pages]
    assert [True, True, False] == [more for _, more in pages]
    assert ([], False) == (songs.search("love", 5, 3)[0].tolist(), songs.search("love", 5, 3)[1])


def test_a_cluster_narrows_the_search(find: Find) -> None:
    """Only tracks of the cluster are found; an unknown cluster has none."""
    assert ["Love", "Love Me Do"] == find("love", cluster_id="jazz")
    assert ["Lovely Day"] == find("love", cluster_id="rock")
    assert [] == find("love", cluster_id="polka")


@given(query=st.text(max_size=40))
def test_any_text_is_a_query(query: str, songs: Catalog) -> None:
    """No text breaks the search, and what it finds has all words of the query."""
    rows, _ = songs.search(query, 10)
    for row in rows.tolist():
        own = words_of(" ".join([songs.track(row).title, *songs.artists(row)]))
        assert all(any(word.startswith(wanted) for word in own) for wanted in words_of(query))


def test_every_track_is_found_by_its_own_words(snapshot: Catalog) -> None:
    """A title and its artist together find the track."""
    for row in range(0, len(snapshot), 50):
        query = " ".join([snapshot.track(row).title, *snapshot.artists(row)])
        rows, _ = snapshot.search(query, 10)
        assert row in rows


def test_frequent_words_find_the_exact_title_and_the_most_popular(
    snapshot: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a word has more tracks than are looked through, the best ones are still found."""
    monkeypatch.setattr(search, "_GATHERED", 64)
    monkeypatch.setattr(search, "_VERIFIED", 32)
    rows, more = snapshot.search("song", 10)
    highest = np.sort(snapshot.popularity)[::-1][:10]
    assert highest.tolist() == snapshot.popularity[rows].tolist()
    assert more
    rare = int(np.argmin(snapshot.popularity))
    rows, _ = snapshot.search(snapshot.track(rare).title, 1)
    assert [rare] == rows.tolist()
