"""From feedback to profile: a pure function of what stands and what happened.

`apply` looks only at what an event can touch, so that recording feedback costs the same for a profile with ten
ratings as for one with ten thousand; `replay` applies a whole log. Both give the same bytes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from palate.domain.features import FeatureMap, Features, Position, positions
from palate.domain.profile import Event, EventKind, Profile, Rating, RecordedTrack, Taste, Verdict

__all__ = ["Change", "apply", "apply_events", "replay"]


@dataclass(frozen=True, slots=True)
class Change:
    """What an event does to a profile.

    Attributes:
        revision: The profile's new revision.
        tastes: Tastes to write.
        deleted_taste: The taste to delete, or empty: the one that the event names, or one that lost its only rating.
        rating: The new rating of `track_id`; None when it has none any more.
        track_id: The track whose rating changed, or empty.
    """

    revision: int
    tastes: tuple[Taste, ...] = ()
    deleted_taste: str = ""
    rating: Rating | None = None
    track_id: str = ""


def apply(event: Event, rating: Rating | None, tastes: Mapping[str, Taste], feature_map: FeatureMap) -> Change:
    """Work out what an event changes.

    Args:
        event: What happened.
        rating: The current rating of the event's track, if any.
        tastes: By taste_id, at least the tastes of the event and of the rating where they exist.
        feature_map: Puts features on the common scale.

    Returns:
        The change. A taste that the event does not concern never occurs in it. One without any rating left is
        deleted, as if it had never been opened.

    Raises:
        ValueError: When a like or dislike comes without its recorded track.
    """
    tracks = [event.track, rating.track if rating else None]
    return _apply(event, rating, tastes, positions((track.features for track in tracks if track), feature_map))


def apply_events(profile: Profile, events: Iterable[Event], feature_map: FeatureMap) -> Profile:
    """Return the profile after some more events, oldest first.

    Its tastes stand in the order in which they were opened, its ratings in the order of their revisions.
    """
    tastes, ratings, revision = dict(profile.tastes), dict(profile.ratings), profile.revision
    events = list(events)
    tracks = [event.track for event in events if event.track is not None]
    tracks += [ratings[event.track_id].track for event in events if event.track_id in ratings]
    places = positions((track.features for track in tracks), feature_map)
    for event in events:
        change = _apply(event, ratings.get(event.track_id), tastes, places)
        revision = change.revision
        tastes.update((taste.taste_id, taste) for taste in change.tastes)
        tastes.pop(change.deleted_taste, None)
        ratings.pop(change.track_id, None)
        if change.rating is not None:
            ratings[change.track_id] = change.rating
    return Profile(profile.user_id, revision, tastes, ratings)


def replay(user_id: str, events: Iterable[Event], feature_map: FeatureMap) -> Profile:
    """Rebuild a profile from its whole log, oldest event first."""
    return apply_events(Profile(user_id), events, feature_map)


def _apply(
    event: Event, rating: Rating | None, tastes: Mapping[str, Taste], places: Mapping[Features, Position]
) -> Change:
    """Do what `apply` does, with the positions of all tracks that the event can touch."""
    if event.kind is EventKind.DELETE_TASTE:
        return Change(event.revision, deleted_taste=event.taste_id)
    touched: dict[str, Taste] = {}
    if rating is not None:
        taste = tastes.get(rating.taste_id)
        if taste is not None and taste.holds(rating):
            touched[taste.taste_id] = _count(taste, rating.verdict, rating.track, -1, event.revision, places)
    new = None
    if event.kind is not EventKind.RETRACT:
        if event.track is None:
            raise ValueError(f"event {event.revision} is a rating without its recorded track; read it with its track")
        verdict = Verdict(event.kind)
        new = Rating(event.track_id, verdict, event.taste_id, event.track, event.revision)
        if event.taste_id:
            taste = touched.get(event.taste_id) or tastes.get(event.taste_id)
            taste = taste or Taste(event.taste_id, opened=event.revision, revision=event.revision)
            touched[taste.taste_id] = _count(taste, verdict, event.track, +1, event.revision, places)
    emptied = [taste.taste_id for taste in touched.values() if taste.is_empty]
    return Change(
        event.revision,
        tuple(taste for taste in touched.values() if not taste.is_empty),
        deleted_taste=emptied[0] if emptied else "",
        rating=new,
        track_id=event.track_id,
    )


def _count(
    taste: Taste,
    verdict: Verdict,
    track: RecordedTrack,
    sign: int,
    revision: int,
    places: Mapping[Features, Position],
) -> Taste:
    """Add one rating to a taste (`sign` +1) or take it out again (-1)."""
    position = places[track.features]
    if verdict is Verdict.LIKE:
        return replace(taste, revision=revision, liked=taste.liked.adjusted(position, track.genres, sign))
    return replace(taste, revision=revision, disliked=taste.disliked.adjusted(position, track.genres, sign))
