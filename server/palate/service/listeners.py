"""Profiles in memory, never older than the store."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from palate.catalog.snapshot import Catalog
from palate.store.contract import Header, Store
from palate.strategy.contract import Context, Rows
from palate.tastes import Profile, Verdict, advance, replay

__all__ = ["Listener", "Listeners"]


@dataclass(frozen=True, slots=True)
class Listener:
    """A profile beside the catalog rows of what it rated.

    Attributes:
        header: The profile's header as the store gave it; None for a listener without any feedback.
        profile: The profile.
        rated: Rows of all rated tracks, ascending.
        context: What strategies may see of it.
    """

    header: Header | None
    profile: Profile
    rated: Rows
    context: Context


class Listeners:
    """Reads profiles and keeps the most recently used ones, as many as have `max_ratings` ratings together.

    One read of the profile's header decides whether what is kept is still right; where it is not, only the
    events since are read and folded.
    """

    def __init__(self, store: Store, catalog: Catalog, max_ratings: int) -> None:
        self._store = store
        self._catalog = catalog
        self._max_ratings = max_ratings
        self._ratings = 0
        self._kept: OrderedDict[str, Listener] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, user_id: str) -> Listener:
        """Return a listener as the store has it now. StoreUnavailable when the store cannot be read."""
        header = self._store.header(user_id)
        if header is None:
            self._forget(user_id)
            return self._listener(Profile(user_id), None)
        with self._lock:
            kept = self._kept.get(user_id)
        if kept is not None and kept.header == header:
            return kept
        listener = self._advanced(kept, header) or self._loaded(user_id)
        self._keep(listener)
        return listener

    def _advanced(self, kept: Listener | None, header: Header) -> Listener | None:
        """Bring a kept listener up to date, or return None where only a full load helps."""
        if kept is None or kept.header is None or not header.continues(kept.header):
            return None
        if header.feature_map != self._catalog.feature_map.fingerprint:
            return None
        profile = kept.profile
        events = self._store.events(profile.user_id, profile.revision)
        profile = advance(profile, events, self._catalog.feature_map)
        return self._listener(profile, replace(header, revision=profile.revision))

    def _loaded(self, user_id: str) -> Listener:
        stored = self._store.profile(user_id)
        if stored is None:
            return self._listener(Profile(user_id), None)
        profile, header = stored
        if header.feature_map != self._catalog.feature_map.fingerprint:
            profile = replay(user_id, self._store.events(user_id), self._catalog.feature_map)
        return self._listener(profile, header)

    def _listener(self, profile: Profile, header: Header | None) -> Listener:
        ratings = list(profile.ratings.values())
        rows = self._catalog.rows([rating.track_id for rating in ratings])
        sides: Mapping[Verdict, dict[str, list[int]]] = {Verdict.LIKE: {}, Verdict.DISLIKE: {}}
        for rating, row in zip(ratings, rows.tolist(), strict=True):
            taste = profile.tastes.get(rating.taste_id)
            if row >= 0 and taste is not None and taste.holds(rating):
                sides[rating.verdict].setdefault(taste.taste_id, []).append(row)
        liked, disliked = (
            {taste_id: np.array(rows, dtype=np.int32) for taste_id, rows in sides[verdict].items()}
            for verdict in (Verdict.LIKE, Verdict.DISLIKE)
        )
        return Listener(header, profile, np.unique(rows[rows >= 0]), Context(self._catalog, liked, disliked))

    def _keep(self, listener: Listener) -> None:
        user_id = listener.profile.user_id
        with self._lock:
            self._drop(user_id)
            self._kept[user_id] = listener
            self._ratings += listener.profile.interaction_count
            while self._ratings > self._max_ratings:
                self._drop(next(iter(self._kept)))

    def _forget(self, user_id: str) -> None:
        with self._lock:
            self._drop(user_id)

    def _drop(self, user_id: str) -> None:
        dropped = self._kept.pop(user_id, None)
        if dropped is not None:
            self._ratings -= dropped.profile.interaction_count
