"""Shares, interleaving, draws, and the builder of slates."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from palate.catalog.snapshot import Catalog
from palate.plugins.slate import (
    SlateBuilder,
    draw,
    eligible_clusters,
    interleave,
    share_slots,
    shown_by_cluster,
    widening,
)
from palate.plugins.strategy import SlateRequest
from palate.testing.catalog import make_listener, small_catalog

NOTHING = np.empty(0, dtype=np.int32)
WEIGHTS = st.lists(st.floats(0, 1e6), max_size=30)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """Return a catalog with 600 tracks in each cluster."""
    path: Path = tmp_path_factory.mktemp("slate") / "catalog.arrow"
    with small_catalog(path, tracks_per_cluster=600) as opened:
        yield opened


def request_for(limit: int, excluded: np.ndarray = NOTHING, **fields: Any) -> SlateRequest:
    """Return a request with whatever seed."""
    return SlateRequest(limit, excluded, **{"artists": (), "seed": 0, **fields})


@pytest.mark.parametrize(
    ("weights", "slots", "shares"),
    [
        ([], 10, []),
        ([0.4], 10, [10]),
        ([0.5, 0.3, 0.2], 10, [5, 3, 2]),
        ([0.47, 0.16, 0.158, 0.12, 0.061, 0.031], 10, [4, 2, 1, 1, 1, 1]),
        ([0.98, 0.01, 0.01], 10, [8, 1, 1]),
        ([1, 1, 1], 10, [4, 3, 3]),
        ([0, 0], 4, [2, 2]),
        ([0.2, 0.9, 0.5], 2, [0, 1, 1]),
        ([0.5, 0.5], 0, [0, 0]),
    ],
)
def test_shares_are_proportional_with_a_floor_of_one(weights: list[float], slots: int, shares: list[int]) -> None:
    """Worked examples, Hamilton's among them."""
    assert shares == share_slots(weights, slots)


@given(WEIGHTS, st.integers(0, 100))
def test_shares_add_up_and_nobody_goes_without(weights: list[float], slots: int) -> None:
    """For any weights all slots are given out, each weight has one where there are enough, and more never less."""
    shares = share_slots(weights, slots)
    assert (slots if weights else 0) == sum(shares)
    assert min(shares, default=0) >= (1 if weights and slots >= len(weights) else 0)
    ranked = [share for _, share in sorted(zip(weights, shares, strict=True), key=lambda pair: -pair[0])]
    heavier = [share for weight, share in zip(sorted(weights, reverse=True), ranked, strict=True) if weight > 0]
    assert all(left >= right - 1 for left, right in pairwise(heavier))


@given(st.lists(st.lists(st.integers(), max_size=20), max_size=8))
def test_interleaving_keeps_each_part_in_order(parts: list[list[int]]) -> None:
    """However they are spread, every element is there, those of a part in its own order."""
    numbered = [[(number, *pair) for pair in enumerate(part)] for number, part in enumerate(parts)]
    mixed = interleave(*numbered)
    assert numbered == [[element for element in mixed if element[0] == number] for number in range(len(parts))]


def test_parts_are_spread_evenly() -> None:
    """The smaller part stands neither first nor last but in between."""
    assert list("abaaba") == interleave("aaaa", "bb")


def test_draws_follow_the_weights() -> None:
    """The frequency of a position is the probability that the draw reports."""
    generator = np.random.default_rng(1)
    draws = [draw(generator, [1, 2, 5]) for _ in range(8_000)]
    counts = Counter(position for position, _ in draws)
    assert {0: 0.125, 1: 0.25, 2: 0.625} == dict(draws)
    assert pytest.approx([0.125, 0.25, 0.625], abs=0.02) == [counts[position] / 8_000 for position in range(3)]


def test_a_draw_among_one_is_certain() -> None:
    """The only position there is has the probability 1."""
    assert (0, 1.0) == draw(np.random.default_rng(1), [0.3])


def test_only_clusters_with_tracks_that_are_not_excluded_are_eligible(small: Catalog) -> None:
    """Rain sounds are excluded, and there is no polka."""
    names = {small.clusters[number].cluster_id for number in eligible_clusters(small)}
    assert {cluster.cluster_id for cluster in small.clusters} - {"polka", "rain-sounds"} == names


def test_what_is_shown_is_what_is_excluded_but_not_rated(small: Catalog) -> None:
    """Ratings do not count as shown."""
    listener = make_listener(small, {"salsa": (3, 2), "bebop": (0, 4)})
    page = np.setdiff1d(np.flatnonzero(small.cluster == small.cluster_number("salsa")), listener.rated)[:7]
    request = request_for(10, np.union1d(listener.rated, page).astype(np.int32))
    expected = np.zeros(len(small.clusters))
    expected[small.cluster_number("salsa") or 0] = 7
    np.testing.assert_array_equal(expected, shown_by_cluster(request, listener.context))


def test_widening_ends_with_the_whole_cluster(small: Catalog) -> None:
    """Sets grow, each holds the one before, and the last holds all."""
    direction, number = np.ones(9, dtype=np.float32), small.cluster_number("salsa") or 0
    sets = [set(rows.tolist()) for rows in widening(small, number, direction, small.genre_weights({}), limit=10)]
    assert len(sets) > 1
    assert all(smaller <= larger for smaller, larger in pairwise(sets))
    assert set(np.flatnonzero(small.cluster == number).tolist()) == sets[-1]


def test_widening_ends_for_a_cluster_without_tracks(small: Catalog) -> None:
    """There is nothing to look at, and that is soon found."""
    polka = small.cluster_number("polka") or 0
    sets = list(widening(small, polka, np.ones(9, dtype=np.float32), small.genre_weights({}), limit=10))
    assert [0] == [len(rows) for rows in sets]


def test_a_builder_opens_only_what_may_join(small: Catalog) -> None:
    """Excluded rows, rows in the slate and rows of its artists are left out, and the order is kept."""
    rows = small.popular(0)[:8][::-1].copy()
    before = [int(small.main_artist[rows[1]])]
    builder = SlateBuilder(request_for(5, np.sort(rows[5:6]), artists=before), small)
    builder.add(int(rows[3]))
    assert [rows[0], rows[2], rows[4], rows[6], rows[7]] == builder.open(rows).tolist()
    assert 4 == builder.room


def fill(builder: SlateBuilder, *parts: Iterable[int], order: Sequence[int] = (0,)) -> list[tuple[int, int]]:
    """Fill a slate from parts, best first."""
    return builder.fill(order, [builder.best_first(iter(part)) for part in parts])


def test_a_builder_picks_the_first_that_are_distinct(small: Catalog) -> None:
    """No artist comes twice where the span is as long as the slate, and the room is the limit."""
    rows = np.flatnonzero(small.cluster == 0).astype(np.int32)
    picked = fill(SlateBuilder(request_for(12, artists_span=12), small), rows.tolist())
    _, first = np.unique(small.main_artist[rows], return_index=True)
    assert rows[np.sort(first)][:12].tolist() == [row for _, row in picked]


def test_a_builder_takes_as_many_of_an_artist_as_allowed(small: Catalog) -> None:
    """With a limit of two, the most frequent artist of a long slate has two tracks."""
    rows = np.flatnonzero(small.cluster == 0).astype(np.int32)
    picked = fill(SlateBuilder(request_for(400, artists_limit=2, artists_span=400), small), rows.tolist())
    assert 2 == max(Counter(small.main_artist[[row for _, row in picked]].tolist()).values())


def test_an_artist_comes_again_after_a_while(small: Catalog) -> None:
    """Among any five in a row no artist comes twice, though the best ten are all by one; the others move down."""
    rows = np.flatnonzero(small.cluster == 0).astype(np.int32)
    artist = Counter(small.main_artist[rows].tolist()).most_common(1)[0][0]
    favourite = rows[small.main_artist[rows] == artist][:10]
    candidates = [*favourite.tolist(), *np.setdiff1d(rows, favourite).tolist()]
    builder = SlateBuilder(request_for(50, artists_span=5), small)
    artists = small.main_artist[[row for _, row in fill(builder, candidates)]].tolist()
    assert 50 == len(artists)
    assert [0, 5, 10, 15, 20, 25, 30, 35, 40, 45] == [place for place, one in enumerate(artists) if one == artist]
    assert all(5 == len(set(artists[start : start + 5])) for start in range(46))


def test_artists_before_the_slate_count_as_far_as_the_span_goes(small: Catalog) -> None:
    """The artist of the last slot before has to wait, the one of five slots before may come first."""
    rows = small.popular(0)[:8].tolist()
    before = small.main_artist[rows[:5]].tolist()
    picked = fill(SlateBuilder(request_for(8, artists=before, artists_span=5), small), [rows[4], *rows])
    assert rows == [row for _, row in picked]


def test_a_builder_fills_slots_in_the_order_given(small: Catalog) -> None:
    """Each source keeps its own order."""
    parts = [small.popular(number)[:40].tolist() for number in (0, 1)]
    filled = fill(SlateBuilder(request_for(6), small), *parts, order=[0, 1, 0, 0, 1, 0])
    assert [0, 1, 0, 0, 1, 0] == [position for position, _ in filled]
    assert all(row in parts[position] for position, row in filled)


def test_slots_that_a_source_cannot_fill_go_to_the_others(small: Catalog) -> None:
    """Also to those that are last in the order."""
    parts = [small.popular(number).tolist()[:length] for number, length in ((0, 1), (1, 3), (2, 40))]
    filled = fill(SlateBuilder(request_for(10), small), *parts, order=[*[0, 1] * 5, 2])
    counts = Counter(position for position, _ in filled)
    assert 10 == len(filled)
    assert counts[0] <= 1
    assert counts[1] <= 3
    assert counts[2] >= 6
