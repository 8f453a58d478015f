"""From feedback to profile: pure, exact, and one taste at a time."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from palate.domain import (
    Event,
    EventKind,
    Profile,
    Rating,
    RecordedTrack,
    Taste,
    TasteState,
    Verdict,
    apply,
    apply_events,
    replay,
)
from palate.domain.features import Position, positions
from support.factories import make_feature_map, make_recorded_track

LIKE, DISLIKE, RETRACT, DELETE_TASTE = EventKind
FEATURE_MAP = make_feature_map()
TASTES = ("metal", "j-pop", "latin", "")


def verdict(kind: EventKind, track: int, taste_id: str = "metal") -> Event:
    """Return a like or dislike; the fold's callers number it."""
    return Event(0, kind, f"track {track}", taste_id, make_recorded_track(track))


def numbered(events: list[Event], after: int = 0) -> list[Event]:
    """Give events their revisions."""
    return [replace(event, revision=number) for number, event in enumerate(events, after + 1)]


def profile_of(*events: Event) -> Profile:
    """Return the profile that events make."""
    return replay("ana", numbered(list(events)), FEATURE_MAP)


def without_revision(taste: Taste) -> bytes:
    """Return a taste's bytes as if it had never changed."""
    return replace(taste, revision=0).to_bytes()


def position(track: RecordedTrack) -> Position:
    """Return the position of one track, worked out alone."""
    return positions([track.features], FEATURE_MAP)[track.features]


verdicts = st.builds(
    lambda kind, track: verdict(kind, track, TASTES[track % len(TASTES)]),
    st.sampled_from([LIKE, DISLIKE]),
    st.integers(0, 15),
)
retractions = st.integers(0, 15).map(lambda track: Event(0, RETRACT, f"track {track}", TASTES[track % len(TASTES)]))
deletions = st.sampled_from(TASTES[:3]).map(lambda taste_id: Event(0, DELETE_TASTE, taste_id=taste_id))
histories = st.lists(st.one_of(verdicts, verdicts, retractions, deletions), max_size=40).map(numbered)


@given(histories)
def test_a_profile_is_what_its_standing_verdicts_add_up_to(events: list[Event]) -> None:
    """Whatever happened on the way, a taste counts the verdicts that stand since it was opened, and no others."""
    profile = replay("ana", events, FEATURE_MAP)
    for taste in profile.tastes.values():
        counted = [rating for rating in profile.ratings.values() if taste.holds(rating)]
        afresh = Taste(taste.taste_id, taste.opened, taste.revision)
        for rating in counted:
            side = "liked" if rating.verdict is Verdict.LIKE else "disliked"
            tally = getattr(afresh, side).adjusted(position(rating.track), rating.track.genres, +1)
            afresh = replace(afresh, **{side: tally})
        assert afresh.to_bytes() == taste.to_bytes()


@given(histories)
def test_folding_event_by_event_equals_the_replay(events: list[Event]) -> None:
    """`apply`, given only what an event can touch, makes what `replay` makes of the whole log, in the same order."""
    tastes: dict[str, Taste] = {}
    ratings: dict[str, Rating] = {}
    for event in events:
        standing = ratings.get(event.track_id)
        needed = {event.taste_id, standing.taste_id if standing else ""}
        change = apply(event, standing, {name: tastes[name] for name in needed if name in tastes}, FEATURE_MAP)
        tastes |= {taste.taste_id: taste for taste in change.tastes}
        tastes.pop(change.deleted_taste, None)
        ratings.pop(change.track_id, None)
        if change.rating is not None:
            ratings[change.track_id] = change.rating
    replayed = replay("ana", events, FEATURE_MAP)
    assert (tastes, ratings) == (replayed.tastes, replayed.ratings)
    assert sorted(replayed.tastes.values(), key=lambda taste: taste.opened) == list(replayed.tastes.values())
    assert sorted(replayed.ratings.values(), key=lambda rating: rating.revision) == list(replayed.ratings.values())


@given(histories, st.integers(0, 40))
def test_a_profile_can_be_advanced_from_any_point(events: list[Event], cut: int) -> None:
    """Folding a log in two parts equals folding it in one."""
    begun = replay("ana", events[:cut], FEATURE_MAP)
    assert replay("ana", events, FEATURE_MAP) == apply_events(begun, events[cut:], FEATURE_MAP)


@given(histories, verdicts)
def test_folding_changes_none_of_its_arguments(events: list[Event], event: Event) -> None:
    """The fold is pure: what went in is as before, and the same goes in, the same comes out."""
    profile = replay("ana", events, FEATURE_MAP)
    before = {name: taste.to_bytes() for name, taste in profile.tastes.items()}
    event = replace(event, revision=len(events) + 1)
    changes = [apply(event, profile.ratings.get(event.track_id), profile.tastes, FEATURE_MAP) for _ in range(2)]
    assert changes[0] == changes[1]
    assert before == {name: taste.to_bytes() for name, taste in profile.tastes.items()}


@given(histories, verdicts)
def test_an_event_touches_no_taste_but_its_own(events: list[Event], event: Event) -> None:
    """The bytes of every taste that the track neither counted for nor counts for stay as they are."""
    before = replay("ana", events, FEATURE_MAP)
    after = apply_events(before, numbered([event], len(events)), FEATURE_MAP)
    others = before.tastes.keys() - {event.taste_id}
    assert {name: before.tastes[name].to_bytes() for name in others} == {
        name: after.tastes[name].to_bytes() for name in others
    }


@given(histories, st.sampled_from([LIKE, DISLIKE]), st.sampled_from(TASTES[:3]))
def test_a_retraction_restores_the_taste_to_the_byte(events: list[Event], kind: EventKind, taste_id: str) -> None:
    """Only the revision tells that something was given and taken back."""
    before = replay("ana", [*events, verdict_at(len(events) + 1, LIKE, 90, taste_id)], FEATURE_MAP)
    given_and_taken = numbered([verdict(kind, 99, taste_id), Event(0, RETRACT, "track 99", taste_id)], before.revision)
    after = apply_events(before, given_and_taken, FEATURE_MAP)
    assert without_revision(before.tastes[taste_id]) == without_revision(after.tastes[taste_id])
    assert before.ratings == after.ratings
    assert before.revision + 2 == after.revision


def verdict_at(revision: int, kind: EventKind, track: int, taste_id: str) -> Event:
    """Return a numbered like or dislike."""
    return replace(verdict(kind, track, taste_id), revision=revision)


@given(st.permutations([verdict((LIKE, DISLIKE)[n % 2], n) for n in range(8)]))
def test_the_order_of_feedback_does_not_change_the_sums(events: list[Event]) -> None:
    """Whole numbers add up to the same bytes in any order, where floating point would not."""
    expected = profile_of(*(verdict((LIKE, DISLIKE)[n % 2], n) for n in range(8)))
    assert without_revision(expected.tastes["metal"]) == without_revision(profile_of(*events).tastes["metal"])


def test_a_like_after_a_dislike_leaves_only_the_like() -> None:
    """A changed mind moves the track from one side to the other."""
    changed = profile_of(verdict(LIKE, 1), verdict(DISLIKE, 2), verdict(LIKE, 2))
    straight = profile_of(verdict(LIKE, 1), verdict(LIKE, 2))
    assert without_revision(straight.tastes["metal"]) == without_revision(changed.tastes["metal"])
    assert Verdict.LIKE is changed.ratings["track 2"].verdict


def test_a_like_does_not_erase_the_dislikes_of_other_tracks() -> None:
    """Confidence after a like still counts an earlier dislike."""
    disliked = profile_of(verdict(LIKE, 1), verdict(DISLIKE, 2), verdict(LIKE, 3)).tastes["metal"]
    clean = profile_of(verdict(LIKE, 1), verdict(LIKE, 3)).tastes["metal"]
    assert (2, 1) == (disliked.liked.count, disliked.disliked.count)
    assert disliked.confidence < clean.confidence


def test_a_repeated_like_counts_once() -> None:
    """The same verdict on the same track again changes revisions only."""
    once, twice = profile_of(verdict(LIKE, 1)), profile_of(verdict(LIKE, 1), verdict(LIKE, 1))
    assert without_revision(once.tastes["metal"]) == without_revision(twice.tastes["metal"])


def test_a_track_that_moved_to_another_taste_leaves_the_old_one() -> None:
    """When a new catalog places a track elsewhere, the new verdict takes the old one back where it counted."""
    profile = profile_of(verdict(LIKE, 2, "metal"), verdict(LIKE, 1, "metal"), verdict(LIKE, 1, "latin"))
    assert (1, 1) == (profile.tastes["metal"].liked.count, profile.tastes["latin"].liked.count)


@pytest.mark.parametrize("kind", [LIKE, DISLIKE], ids=["like", "dislike"])
@pytest.mark.parametrize(
    "last", [Event(0, RETRACT, "track 1", "metal"), verdict(LIKE, 1, "latin")], ids=["retracted", "moved"]
)
def test_a_taste_that_loses_its_only_verdict_is_as_if_it_had_never_been_opened(kind: EventKind, last: Event) -> None:
    """It is deleted, and the next verdict opens it anew."""
    events = [verdict(kind, 1, "metal"), last]
    assert "metal" not in profile_of(*events).tastes
    assert (3, 1) == (
        profile_of(*events, verdict(LIKE, 2)).tastes["metal"].opened,
        profile_of(*events, verdict(LIKE, 2)).tastes["metal"].liked.count,
    )


def test_a_taste_whose_only_verdict_changes_stays_open() -> None:
    """It is empty only between taking out the old verdict and putting in the new one."""
    taste = profile_of(verdict(LIKE, 1), verdict(DISLIKE, 1)).tastes["metal"]
    assert (1, 0, 1) == (taste.opened, taste.liked.count, taste.disliked.count)


@given(histories)
def test_every_taste_has_a_verdict_that_stands(events: list[Event]) -> None:
    """There are no empty tastes, whatever was taken back."""
    assert not any(taste.is_empty for taste in replay("ana", events, FEATURE_MAP).tastes.values())


def test_dislikes_leave_the_bytes_of_the_other_tastes() -> None:
    """Fifty dislikes in one taste touch no other."""
    likes = [verdict(LIKE, number, taste_id) for number, taste_id in enumerate(TASTES[:3])]
    before, after = profile_of(*likes), profile_of(*likes, *(verdict(DISLIKE, number) for number in range(10, 60)))
    for taste_id in ("j-pop", "latin"):
        assert before.tastes[taste_id].to_bytes() == after.tastes[taste_id].to_bytes()
    assert TasteState.WEAK is after.tastes["metal"].state


def test_a_deleted_taste_keeps_its_tracks_rated() -> None:
    """They are not recommended again, but count for nothing."""
    profile = profile_of(verdict(LIKE, 1), verdict(LIKE, 2, "latin"), Event(0, DELETE_TASTE, taste_id="metal"))
    assert ["latin"] == list(profile.tastes)
    assert {"track 1", "track 2"} == profile.ratings.keys()


@pytest.mark.parametrize(
    "last", [verdict(DISLIKE, 1), Event(0, RETRACT, "track 1", "metal")], ids=["dislike", "retract"]
)
@pytest.mark.parametrize("reopened", [True, False], ids=["reopened", "deleted"])
def test_a_changed_mind_on_a_track_of_a_deleted_taste_takes_nothing_from_its_successor(
    last: Event, *, reopened: bool
) -> None:
    """The old verdict went with the old taste; it must not be subtracted from the new one."""
    between = [verdict(LIKE, 2)] if reopened else []
    profile = profile_of(verdict(LIKE, 1), Event(0, DELETE_TASTE, taste_id="metal"), *between, last)
    alone = profile_of(*between, *([last] if last.kind is DISLIKE else []))
    assert alone.tastes.keys() == profile.tastes.keys()
    for taste_id, taste in profile.tastes.items():
        assert (alone.tastes[taste_id].liked, alone.tastes[taste_id].disliked) == (taste.liked, taste.disliked)


def test_deleting_a_taste_that_is_not_there_changes_only_the_revision() -> None:
    """The log may say so; the profile is as before."""
    before = profile_of(verdict(LIKE, 1))
    after = profile_of(verdict(LIKE, 1), Event(0, DELETE_TASTE, taste_id="latin"))
    assert (before.tastes, before.ratings, 2) == (after.tastes, after.ratings, after.revision)


def test_a_track_of_an_excluded_kind_is_rated_but_teaches_nothing() -> None:
    """It opens no taste, and its verdict can change and be taken back."""
    liked, disliked = verdict(LIKE, 1, ""), verdict(DISLIKE, 1, "")
    for events, ratings in (([liked], 1), ([liked, disliked], 1), ([liked, Event(0, RETRACT, "track 1")], 0)):
        profile = profile_of(*events)
        assert ({}, ratings) == (profile.tastes, profile.interaction_count)


def test_a_retraction_without_a_verdict_changes_only_the_revision() -> None:
    """The fold takes it; refusing it is the caller's part."""
    assert Profile("ana", revision=1) == profile_of(Event(0, RETRACT, "track 1"))


def test_a_rating_without_its_recorded_track_is_refused() -> None:
    """An event that was read without its recorded track must not pass for a retraction."""
    with pytest.raises(ValueError, match="recorded track"):
        apply(Event(1, LIKE, "track 1", "metal"), None, {}, FEATURE_MAP)


def test_a_genre_that_a_track_names_twice_is_taken_back_twice() -> None:
    """Odd catalogs leave no remains."""
    odd = Event(0, LIKE, "track 1", "metal", RecordedTrack(make_recorded_track().features, ("metal", "metal")))
    profile = profile_of(verdict(DISLIKE, 2), odd, Event(0, RETRACT, "track 1", "metal"))
    assert {} == profile.tastes["metal"].liked.genres
