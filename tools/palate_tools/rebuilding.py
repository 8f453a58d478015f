"""Rebuilds a profile from its feedback log, and tells where a stored one differs from it."""

from collections.abc import Iterator, Sequence
from typing import Final

from palate.domain import Event, Profile, replay
from palate.domain.features import FeatureMap
from palate.errors import StoreUnavailable
from palate.store.contract import Header, Store

__all__ = ["differences", "rebuild_profile"]

_NAMED_TRACKS: Final = 3


def rebuild_profile(store: Store, user_id: str, feature_map: FeatureMap) -> bool:
    """Write a profile anew from its log; without a log, delete what is left of it.

    The replay happens before the transaction, so that others can record feedback meanwhile; it is repeated inside
    when they did so for this listener.

    Returns:
        Whether there is a log.
    """
    before = store.header(user_id)
    profile = replay(user_id, store.events(user_id), feature_map)
    with store.transaction() as transaction:
        if transaction.header(user_id) != before:
            profile = replay(user_id, transaction.events(user_id), feature_map)
        if profile.revision:
            transaction.replace(profile, feature_map.fingerprint)
        else:
            transaction.delete(user_id)
    return profile.revision > 0


def differences(store: Store, user_id: str, feature_map: FeatureMap) -> Sequence[str]:
    """Compare a stored profile with the replay of its log, bit for bit.

    Returns:
        One sentence for everything that differs.
    """
    try:
        stored = store.profile(user_id)
    except StoreUnavailable as exc:
        return [str(exc)]
    events = store.events(user_id)
    if stored is None:
        return ["there is a log, but no profile"] if events else []
    profile, header = stored
    if header.feature_map != feature_map.fingerprint:
        maps = f"made with feature map {header.feature_map}; this catalog's is {feature_map.fingerprint}"
        return [f"{maps}: name the catalog that the server uses with --catalog, or rebuild"]
    known = [event for event in events if event.revision <= header.revision]
    return list(_compared(profile, header, known, replay(user_id, known, feature_map)))


def _compared(profile: Profile, header: Header, events: Sequence[Event], replayed: Profile) -> Iterator[str]:
    if replayed.revision != header.revision:
        yield f"header: revision {header.revision}; the log ends at {replayed.revision}"
    if events and events[0].recorded_at != header.created_at:
        yield f"header: created at {header.created_at}; the log begins at {events[0].recorded_at}"
    for taste_id in sorted(profile.tastes.keys() | replayed.tastes.keys()):
        old, new = profile.tastes.get(taste_id), replayed.tastes.get(taste_id)
        if old is None or new is None:
            yield f"taste {taste_id!r}: {'missing' if old is None else 'not in the log'}"
        elif old.to_bytes() != new.to_bytes():
            yield f"taste {taste_id!r}: not what the log adds up to"
    tracks = profile.ratings.keys() | replayed.ratings.keys()
    wrong = sorted(name for name in tracks if profile.ratings.get(name) != replayed.ratings.get(name))
    if wrong:
        more = ", …" if len(wrong) > _NAMED_TRACKS else ""
        yield f"ratings: {len(wrong):,} not as in the log ({', '.join(map(repr, wrong[:_NAMED_TRACKS]))}{more})"
