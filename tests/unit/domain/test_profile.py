"""The values that a profile is made of."""

import json
import math
from dataclasses import asdict

import numpy as np
import palate.domain
import pytest
from hypothesis import given
from hypothesis import strategies as st
from palate.domain import Profile, Tally, Taste, TasteState, combined_confidence, confidence, dislike_pull
from palate.domain.features import positions
from support.factories import make_feature_map, make_recorded_track

FEATURE_MAP = make_feature_map()
counts = st.integers(0, 10**6)
tallies = st.builds(
    Tally,
    counts,
    st.tuples(*[st.integers(-(10**12), 10**12)] * 9),
    st.dictionaries(st.text(max_size=8), st.integers(1, 10**6), max_size=6),
)
tastes = st.builds(Taste, st.text(min_size=1, max_size=12), counts, counts, tallies, tallies)


def tally(*seeds: int) -> Tally:
    """Add some tracks up."""
    result = Tally()
    for seed in seeds:
        evidence = make_recorded_track(seed)
        [position] = positions([evidence.features], FEATURE_MAP).values()
        result = result.adjusted(position, evidence.genres, +1)
    return result


def taste(likes: int, dislikes: int = 0) -> Taste:
    """Return a taste with so many likes and dislikes."""
    return Taste("metal", 1, 1, tally(*range(likes)), tally(*range(100, 100 + dislikes)))


def test_the_package_exports_the_values_and_the_apply_one() -> None:
    """The names of the package are fixed and sorted."""
    assert sorted(palate.domain.__all__) == palate.domain.__all__
    assert {"Event", "Profile", "Taste", "apply_events", "apply", "replay"} <= set(palate.domain.__all__)


@given(tastes)
def test_a_taste_comes_back_from_its_bytes(value: Taste) -> None:
    """Writing and reading give the same value and the same bytes."""
    again = Taste.from_bytes(value.to_bytes())
    assert value == again
    assert value.to_bytes() == again.to_bytes()


@given(tastes)
def test_the_bytes_of_a_taste_are_its_fields_as_sorted_compact_json(value: Taste) -> None:
    """The form is fixed: bytes that are stored today must equal those of a later version."""
    expected = json.dumps(asdict(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=dict)
    assert expected.encode() == value.to_bytes()


def test_equal_tastes_have_equal_bytes_whatever_the_order_of_their_genres() -> None:
    """Mappings are equal in any order, and so are the bytes."""
    forwards, backwards = (Tally(2, (0,) * 9, dict(items)) for items in ([("a", 1), ("b", 2)], [("b", 2), ("a", 1)]))
    assert Taste("metal", 1, 1, forwards).to_bytes() == Taste("metal", 1, 1, backwards).to_bytes()


@given(counts, counts)
def test_confidence_rises_with_likes_and_falls_with_dislikes(likes: int, dislikes: int) -> None:
    """More evidence moves confidence in its own direction, within [0, 1)."""
    here = confidence(likes, dislikes)
    assert 0 <= here < 1
    assert here < confidence(likes + 1, dislikes)
    assert confidence(likes, dislikes + 1) <= here
    assert (confidence(likes, dislikes + 1) < here) == (likes > 0)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=6), st.data())
def test_a_profile_grows_surer_with_any_of_its_tastes(tallies: list[tuple[int, int]], data: st.DataObject) -> None:
    """Opening a taste never lowers the profile's confidence, and a like in any taste raises it."""
    values = [confidence(*one) for one in tallies]
    combined = combined_confidence(values)
    assert 0 <= combined < 1
    assert combined <= combined_confidence(
        [*values, confidence(*data.draw(st.tuples(st.integers(0, 50), st.integers(0, 50))))]
    )
    if values:
        assert max(values) <= combined + 1e-12
        likes, dislikes = tallies[0]
        assert combined <= combined_confidence([confidence(likes + 1, dislikes), *values[1:]])


@pytest.mark.parametrize("value", [confidence(10**17, 0), combined_confidence([0.999] * 20)], ids=["taste", "profile"])
def test_no_evidence_makes_certain(value: float) -> None:
    """Where the nearest number would be 1, the one below it stands."""
    assert math.nextafter(1, 0) == value


@given(counts)
def test_the_pull_of_dislikes_grows_and_stays_below_its_bound(dislikes: int) -> None:
    """However many dislikes there are, the disliked mean counts for less than half the liked one."""
    assert 0 <= dislike_pull(dislikes) < dislike_pull(dislikes + 1) < 0.5


@pytest.mark.parametrize(
    ("likes", "dislikes", "state"),
    [
        (0, 0, TasteState.INACTIVE),
        (0, 3, TasteState.INACTIVE),
        (1, 0, TasteState.WEAK),
        (2, 0, TasteState.ACTIVE),
        (2, 2, TasteState.WEAK),
    ],
)
def test_the_state_follows_the_evidence(likes: int, dislikes: int, state: TasteState) -> None:
    """Two likes make a taste active, and dislikes weaken it again."""
    assert state is taste(likes, dislikes).state


def test_the_centroid_of_likes_is_their_mean() -> None:
    """Normal scores are averaged, to the step of the sums."""
    features = np.array([make_recorded_track(seed).features for seed in range(3)], dtype=np.float32)
    np.testing.assert_allclose(FEATURE_MAP.normalize(features).mean(axis=0), taste(3).centroid, atol=2**-16)


def test_dislikes_move_the_centroid_away() -> None:
    """The centroid is the liked mean less the pulled disliked mean, so it lies farther from the disliked tracks."""
    before, after = taste(3), taste(3, 4)
    disliked = after.disliked.mean
    np.testing.assert_allclose(before.centroid - np.float32(dislike_pull(4)) * disliked, after.centroid, rtol=1e-6)
    assert disliked @ after.centroid < disliked @ before.centroid


def test_the_mean_of_nothing_is_zero() -> None:
    """A taste without tracks has a centroid of zeros and no genres."""
    empty = Taste("metal", 1, 1)
    assert [0.0] * 9 == empty.centroid.tolist()
    assert {} == empty.genre_distribution


def test_the_genre_distribution_is_of_likes_less_half_the_dislikes() -> None:
    """Shares add up to 1, largest first, equal ones by name; genres that dislikes outweigh are left out."""
    liked = Tally(4, (0,) * 9, {"doom": 1, "black": 2, "death": 2, "nu": 1})
    value = Taste("metal", 1, 1, liked, Tally(3, (0,) * 9, {"nu": 3, "doom": 1}))
    assert [("black", 2 / 4.5), ("death", 2 / 4.5), ("doom", 0.5 / 4.5)] == list(value.genre_distribution.items())


def test_tastes_are_chosen_by_state_most_confident_first() -> None:
    """Equal ones stand by their identifiers."""
    by_id = {
        name: Taste(name, 1, 1, Tally(likes, (0,) * 9))
        for name, likes in {"metal": 2, "latin": 9, "j-pop": 2, "polka": 1, "ska": 0}.items()
    }
    profile = Profile("ana", 1, by_id)
    assert ["latin", "j-pop", "metal"] == [chosen.taste_id for chosen in profile.tastes_in(TasteState.ACTIVE)]
    weak = profile.tastes_in(TasteState.WEAK, TasteState.INACTIVE)
    assert ["polka", "ska"] == [chosen.taste_id for chosen in weak]
