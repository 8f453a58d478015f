"""Fallback."""

from collections import Counter

import numpy as np
import pytest
from palate.catalog.snapshot import Catalog
from palate.plugins.strategy import ReasonKind
from palate.testing.catalog import Listener, make_listener
from palate.testing.strategy import slate
from palate_strategies.config import FallbackConfig
from palate_strategies.fallback import Fallback

FALLBACK = Fallback(FallbackConfig())
SEEDS = range(200)


@pytest.fixture(scope="module")
def mixed(tiny: Catalog) -> Listener:
    """Return a listener with two active tastes, a weak one, one that was tried once and one that is disliked."""
    return make_listener(
        tiny, {"death-metal": (6, 0), "salsa": (3, 0), "bebop": (1, 0), "baroque": (0, 1), "j-pop": (1, 8)}
    )


def cluster_of(listener: Listener, row: int) -> str:
    """Return the cluster of a track."""
    catalog = listener.context.catalog
    return catalog.clusters[int(catalog.cluster[row])].cluster_id


@pytest.mark.parametrize(("limit", "explored"), [(1, 0), (2, 0), (5, 1), (10, 2), (20, 4), (100, 20)])
def test_a_fifth_of_the_slots_is_explored(mixed: Listener, limit: int, explored: int) -> None:
    """At least one from five slots on."""
    choices = slate(FALLBACK, mixed, limit)
    assert (limit, explored) == (len(choices), sum(choice.exploration for choice in choices))


def test_exploration_can_be_turned_off(mixed: Listener) -> None:
    """An operator who wants none gets none."""
    choices = slate(Fallback(FallbackConfig(exploration=0)), mixed, 20)
    assert {False} == {choice.exploration for choice in choices}


def test_the_other_slots_are_of_the_strong_tastes(mixed: Listener) -> None:
    """What is not explored is like what the listener likes most surely."""
    choices = [choice for choice in slate(FALLBACK, mixed, 20) if not choice.exploration]
    assert {"death-metal", "salsa"} == {choice.taste_id for choice in choices}
    assert {(ReasonKind.SIMILAR, 1.0)} == {(choice.reason.kind, choice.propensity) for choice in choices}


def test_a_listener_without_an_active_taste_is_served_from_the_weak_ones(tiny: Catalog) -> None:
    """A single like decides the slate, and exploration goes elsewhere."""
    listener = make_listener(tiny, {"bebop": (1, 0)})
    choices = slate(FALLBACK, listener, 10)
    assert {(False, True), (True, False)} == {(choice.exploration, choice.taste_id == "bebop") for choice in choices}


def test_explored_tracks_stand_among_the_others(mixed: Listener) -> None:
    """They are neither all first nor all last."""
    places = [place for place, choice in enumerate(slate(FALLBACK, mixed, 20)) if choice.exploration]
    assert places[0] < 5
    assert 10 <= places[-1] < 20


def test_tracks_are_lesser_known(mixed: Listener, tiny: Catalog) -> None:
    """No track of a slate is above the quantile of its cluster while the cluster has others."""
    for choice in slate(FALLBACK, mixed, 20):
        assert tiny.popularity[choice.row] <= tiny.popularity_quantile(int(tiny.cluster[choice.row]), 0.6)


def test_well_known_tracks_follow_when_the_lesser_known_are_used_up(tiny: Catalog) -> None:
    """A taste of which only well-known tracks are left still fills its slots."""
    listener = make_listener(tiny, {"salsa": (5, 0)})
    number = tiny.cluster_number("salsa") or 0
    lesser = np.flatnonzero((tiny.cluster == number) & (tiny.popularity <= tiny.popularity_quantile(number, 0.6)))
    excluded = np.union1d(listener.rated, lesser).astype(np.int32)
    choices = slate(FALLBACK, listener, 10, excluded=excluded)
    assert 8 == sum(choice.taste_id == "salsa" for choice in choices)


def test_exploration_leaves_alone_what_is_mostly_disliked_and_what_has_slots(mixed: Listener) -> None:
    """Over many seeds it goes to the weak taste, to what was tried once and to every other cluster."""
    explored = [choice for seed in SEEDS for choice in slate(FALLBACK, mixed, 10, seed=seed) if choice.exploration]
    clusters = Counter(cluster_of(mixed, choice.row) for choice in explored)
    assert {"bebop", "baroque", "bossa-nova", "drum-and-bass", "outlaw-country"} == set(clusters)
    assert "bebop" == clusters.most_common(1)[0][0]
    assert {"bebop", "baroque", ""} == {choice.taste_id for choice in explored}
    assert {ReasonKind.EXPLORATION} == {choice.reason.kind for choice in explored}


def test_exploration_is_random_for_a_taste_without_likes(tiny: Catalog) -> None:
    """A taste that has no direction is explored by popularity, not at some arbitrary place."""
    listener = make_listener(tiny, {"salsa": (4, 0), "baroque": (0, 1)})
    only_tried = Fallback(FallbackConfig(novelty=0))
    picks = [c for seed in SEEDS for c in slate(only_tried, listener, 5, seed=seed) if c.exploration]
    assert {"baroque"} == {choice.taste_id for choice in picks}
    assert len({choice.row for choice in picks}) > 40


def test_the_propensity_is_how_often_a_track_is_drawn(tiny: Catalog) -> None:
    """With one draw to a slate, the frequency over many seeds is the propensity that the choices were given."""
    listener = make_listener(tiny, {"salsa": (4, 0), "bebop": (1, 0), "baroque": (0, 1)})
    left = np.concatenate(
        [np.flatnonzero(tiny.cluster == tiny.cluster_number(name))[-4:] for name in ("bebop", "baroque")]
    )
    excluded = np.setdiff1d(np.arange(len(tiny), dtype=np.int32), left)
    strategy = Fallback(FallbackConfig(exploration=1, novelty=0))
    picks = [slate(strategy, listener, 1, excluded=excluded, seed=seed)[0] for seed in range(1_500)]
    propensity = {pick.row: pick.propensity for pick in picks}
    counts = Counter(pick.row for pick in picks)
    assert pytest.approx(propensity, abs=0.05) == {row: count / len(picks) for row, count in counts.items()}
    assert pytest.approx(1.0) == sum(propensity.values())


def test_an_explored_track_of_no_taste_gives_no_likeness_as_its_reason(tiny: Catalog) -> None:
    """It is scored by the best taste, but not said to sound like it."""
    listener = make_listener(tiny, {"salsa": (4, 0)})
    explored = [choice for choice in slate(FALLBACK, listener, 10) if choice.exploration]
    for choice in explored:
        assert (None, ()) == (choice.reason.nearest_liked, choice.reason.features)
    rows = np.array([choice.row for choice in explored], dtype=np.int32)
    expected = FALLBACK.score(listener.profile, rows, listener.context).values
    np.testing.assert_allclose(expected, [choice.score for choice in explored], rtol=1e-5)


def test_a_listener_without_likes_gets_the_explored_part_alone(tiny: Catalog) -> None:
    """The rest is left to the stage below, and the score is popularity."""
    choices = slate(FALLBACK, make_listener(tiny, {"salsa": (0, 3)}), 10)
    assert [True, True] == [choice.exploration for choice in choices]
    assert [tiny.popularity[choice.row] / 100 for choice in choices] == [choice.score for choice in choices]


@pytest.mark.parametrize(
    ("field", "value"),
    [("lesser_known", 0), ("exploration", 1.1), ("exploration_pool", 0), ("novelty", -1), ("audio_weight", -1)],
)
def test_a_bad_option_is_refused_by_name(field: str, value: float) -> None:
    """The operator reads which option is wrong."""
    with pytest.raises(ValueError, match=field):
        FallbackConfig(**{field: value})  # type: ignore[arg-type]  # the wrong value is the test
