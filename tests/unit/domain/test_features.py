"""The positions of many tracks, worked out together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from palate.domain import Event, EventKind, Profile, RecordedTrack, apply_events, replay
from palate.domain.features import FIXED_POINT, Features, positions
from support.factories import make_feature_map

FEATURE_MAP = make_feature_map()
values = st.one_of(st.floats(-60, 250, width=32), st.floats(allow_nan=False, allow_infinity=False, width=32))
tracks = st.tuples(*[values] * 9)


def alone(features: Features) -> tuple[int, ...]:
    """Work out the position of one track by the definition."""
    scores = FEATURE_MAP.normalize(np.array([features], dtype=np.float32))[0]
    return tuple(int(np.rint(float(score) * FIXED_POINT)) for score in scores)


@given(st.lists(tracks, max_size=12))
def test_positions_worked_out_together_are_those_of_each_track_alone(many: list[Features]) -> None:
    """The number of tracks beside it moves no track by a single step."""
    assert {features: alone(features) for features in many} == positions(many, FEATURE_MAP)


@pytest.mark.parametrize("count", [254, 255, 256, 2_000])
def test_so_are_those_of_more_tracks_than_the_map_has_knots(count: int) -> None:
    """Interpolation works its slopes out in advance from there on."""
    many = [
        tuple(row) for row in np.random.default_rng(count).uniform(-60, 250, (count, 9)).astype(np.float32).tolist()
    ]
    assert {features: alone(features) for features in many} == positions(many, FEATURE_MAP)


@given(st.lists(st.tuples(st.sampled_from(EventKind), st.integers(0, 4), tracks), max_size=20))
def test_a_replay_gives_the_bytes_of_folding_one_event_at_a_time(steps: list[tuple[EventKind, int, Features]]) -> None:
    """Mapping a whole log at once changes nothing."""
    events = [
        Event(revision, kind, taste_id="metal")
        if kind is EventKind.DELETE_TASTE
        else Event(
            revision,
            kind,
            f"track {track}",
            "metal",
            None if kind is EventKind.RETRACT else RecordedTrack(features, ("any",)),
        )
        for revision, (kind, track, features) in enumerate(steps, 1)
    ]
    one_by_one = Profile("ana")
    for event in events:
        one_by_one = apply_events(one_by_one, [event], FEATURE_MAP)
    together = replay("ana", events, FEATURE_MAP)
    assert one_by_one == together
    assert [taste.to_bytes() for taste in one_by_one.tastes.values()] == [
        taste.to_bytes() for taste in together.tastes.values()
    ]
