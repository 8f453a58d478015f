"""Events and profiles for tests, made as the server makes them."""

from functools import cache

import numpy as np
from palate.domain.apply import apply, replay
from palate.domain.features import FeatureMap
from palate.domain.profile import Event, EventKind, RecordedTrack
from palate.domain.track import FEATURE_RANGES
from palate.store.contract import Store, Transaction

__all__ = [
    "assert_replay_equals_stored",
    "assert_writable",
    "make_feature_map",
    "make_recorded_track",
    "record",
    "taste_bytes",
    "walk",
]


@cache
def make_feature_map(seed: int = 0) -> FeatureMap:
    """Return a feature map of a thousand random tracks."""
    low, high = np.array(list(FEATURE_RANGES.values())).T
    return FeatureMap.fit(np.random.default_rng(seed).uniform(low, high, (1000, len(low))).astype(np.float32))


def make_recorded_track(seed: int = 0, *genres: str) -> RecordedTrack:
    """Return a random recorded track; its features are values of float32, as the catalog's are."""
    low, high = np.array(list(FEATURE_RANGES.values())).T
    features = np.random.default_rng(seed).uniform(low, high).astype(np.float32)
    return RecordedTrack(tuple(features.tolist()), genres or (f"genre {seed % 7}", "any"))


def record(
    transaction: Transaction,
    user_id: str,
    kind: EventKind,
    track_id: str = "",
    taste_id: str = "",
    *,
    request_id: str = "",
    recorded_at: int = 0,
) -> Event:
    """Apply one event to the stored profile: read what it touches, apply, append. Return the event.

    Likes and dislikes get a recorded track that depends on the track.
    """
    feature_map = make_feature_map()
    current = transaction.current(user_id, track_id, taste_id)
    rated = kind in (EventKind.LIKE, EventKind.DISLIKE)
    event = Event(
        revision=1 + (current.header.revision if current.header else 0),
        kind=kind,
        track_id=track_id,
        taste_id=taste_id,
        track=make_recorded_track(sum(track_id.encode())) if rated else None,
        request_id=request_id,
        recorded_at=recorded_at,
    )
    transaction.append(
        user_id, event, apply(event, current.rating, current.tastes, feature_map), feature_map.fingerprint
    )
    return event


def walk(transaction: Transaction, user_id: str, steps: int, seed: int = 0) -> None:
    """Record random likes, dislikes, changed minds, retractions and deleted tastes, some on excluded kinds."""
    random = np.random.default_rng(seed)
    kinds = [EventKind.LIKE] * 6 + [EventKind.DISLIKE] * 4 + [EventKind.RETRACT] * 2 + [EventKind.DELETE_TASTE]
    for _ in range(steps):
        kind, track = kinds[random.integers(len(kinds))], int(random.integers(1 + steps // 3))
        taste_id = ("", "metal", "j-pop", "latin")[track % 4]
        if kind is EventKind.DELETE_TASTE:
            record(transaction, user_id, kind, taste_id=taste_id or "metal")
        else:
            record(transaction, user_id, kind, f"track {track}", taste_id)


def assert_writable(store: Store) -> None:
    """Open and end a writing transaction that writes nothing."""
    with store.transaction():
        pass


def taste_bytes(store: Store, user_id: str) -> dict[str, bytes]:
    """Return the bytes of a listener's tastes."""
    stored = store.profile(user_id)
    assert stored is not None
    return {taste_id: taste.to_bytes() for taste_id, taste in stored[0].tastes.items()}


def assert_replay_equals_stored(store: Store, user_id: str) -> None:
    """Compare a stored profile with the replay of its log: values, order and bytes."""
    stored = store.profile(user_id)
    assert stored is not None
    profile, header = stored
    replayed = replay(user_id, store.events(user_id), make_feature_map())
    assert replayed == profile
    assert replayed.revision == header.revision
    assert list(replayed.tastes) == list(profile.tastes)
    assert list(replayed.ratings) == list(profile.ratings)
    assert {name: taste.to_bytes() for name, taste in replayed.tastes.items()} == taste_bytes(store, user_id)
