"""Profiles in memory, never older than the store."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, TypeAlias, TypeVar

import numpy as np

from palate.catalog.snapshot import Catalog
from palate.domain import Event, EventKind, Profile, Rating, Verdict, apply_events, replay
from palate.models.serving import ServedModels
from palate.observer import UNOBSERVED, Observer
from palate.plugins.strategy import Context, Rows
from palate.serving.candidates import CandidateCache
from palate.store.contract import Header, ServingVersion, Store

__all__ = ["Listener", "Listeners"]

T = TypeVar("T")
_Sides: TypeAlias = dict[Verdict, dict[str, T]]
"""Something for each verdict and taste_id."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A profile beside the catalog rows of what it rated.

    Attributes:
        header: The profile's header as the store gave it; None for a listener without any feedback.
        profile: The profile.
        rated: Rows of all rated tracks, ascending.
        context: What strategies may see of it. Its models are loaded as they are asked for, each once: within one
            answer a taste has one model.
        serving_versions: Which model serves each taste, by taste_id.
    """

    header: Header | None
    profile: Profile
    rated: Rows
    context: Context
    serving_versions: Mapping[str, ServingVersion] = field(default_factory=dict)


class Listeners:
    """Reads profiles and keeps the most recently used ones, as many as have `max_ratings` ratings together.

    Every listener counts as eight ratings more, since those with few or none take room too.

    One read of the profile's header decides whether what is kept is still right; where it is not, only the
    events since are read and folded, and the serving versions to models where one of them has moved.

    Args:
        store: Where profiles are.
        catalog: Where their tracks are.
        max_ratings: How many ratings the kept profiles may have together.
        models: Finds their models; without it nobody is served by one.
        observer: Is told of what is folded and swapped.
        candidate_bytes: How much memory may be taken by what strategies found for tastes.
    """

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        max_ratings: int,
        models: ServedModels | None = None,
        observer: Observer = UNOBSERVED,
        candidate_bytes: int = 0,
    ) -> None:
        self._store = store
        self._observer = observer
        self._catalog = catalog
        self._max_ratings = max_ratings
        self._models = models
        self._candidates = CandidateCache(candidate_bytes)
        self._ratings = 0
        self._kept: OrderedDict[str, Listener] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, user_id: str) -> Listener:
        """Return a listener as the store has it now, for one answer.

        Raises:
            StoreUnavailable: When the store cannot be read.
        """
        header = self._store.header(user_id)
        if header is None:
            self._forget(user_id)
            return self._listener(Profile(user_id), None)
        with self._lock:
            kept = self._kept.get(user_id)
            if kept is not None:
                self._kept.move_to_end(user_id)
        if kept is None or kept.header != header:
            kept = self._pointed(self._advanced(kept, header) or self._loaded(user_id), kept)
            self._keep(kept)
        return self._served(kept)

    def _pointed(self, listener: Listener, kept: Listener | None) -> Listener:
        """Give a listener its serving versions, those of a kept one while no other model serves.

        They are read after the header: they may be newer than it says, and the next header then says so.
        """
        if self._models is None or listener.header is None or listener.header.models_revision == 0:
            return listener
        if kept is not None and kept.header is not None and _same_models(kept.header, listener.header):
            return replace(listener, serving_versions=kept.serving_versions)
        serving_versions = self._models.serving_versions(listener.profile.user_id)
        if kept is not None:
            self._observer.models_swapped(_moved(kept.serving_versions, serving_versions))
        return replace(listener, serving_versions=serving_versions)

    def _served(self, listener: Listener) -> Listener:
        """Give a listener models for one answer; what is kept holds on to none, so that unused ones can go."""
        if self._models is None or not listener.serving_versions:
            return listener
        models = self._models.of(listener.profile.user_id, listener.serving_versions)
        return replace(listener, context=replace(listener.context, models=models))

    def _advanced(self, kept: Listener | None, header: Header) -> Listener | None:
        """Bring a kept listener up to date, or return None where only a full load helps."""
        if kept is None or not self._continues(kept, header):
            return None
        profile = kept.profile
        if profile.revision == header.revision:
            return replace(kept, header=header)
        found = self._store.since(profile.user_id, profile.revision)
        if found is None or not self._continues(kept, found[0]):  # deleted since the header was read
            return None
        header, events = found
        self._observer.profile_updated("events")
        return self._continued(kept, apply_events(profile, events, self._catalog.feature_map), header, events)

    def _continues(self, kept: Listener, header: Header) -> bool:
        """Return whether events alone bring a kept listener to a header."""
        own = header.feature_map == self._catalog.feature_map.fingerprint
        return own and kept.header is not None and header.continues(kept.header)

    def _loaded(self, user_id: str) -> Listener:
        stored = self._store.profile(user_id)
        if stored is None:
            return self._listener(Profile(user_id), None)
        profile, header = stored
        if header.feature_map == self._catalog.feature_map.fingerprint:
            self._observer.profile_updated("store")
            return self._listener(profile, header)
        found = self._store.since(user_id)
        if found is None:  # deleted since the profile was read
            return self._listener(Profile(user_id), None)
        header, events = found
        self._observer.profile_updated("replay")
        return self._listener(replay(user_id, events, self._catalog.feature_map), header)

    def _listener(self, profile: Profile, header: Header | None) -> Listener:
        """Look up the rows of everything that a profile rated."""
        ratings = list(profile.ratings.values())
        rows = self._catalog.rows([rating.track_id for rating in ratings])
        sides: _Sides[list[int]] = {Verdict.LIKE: {}, Verdict.DISLIKE: {}}
        for rating, row in zip(ratings, rows.tolist(), strict=True):
            if row >= 0 and _counts(profile, rating):
                sides[rating.verdict].setdefault(rating.taste_id, []).append(row)
        liked, disliked = (
            {taste_id: np.array(rows, dtype=np.int32) for taste_id, rows in sides[verdict].items()}
            for verdict in (Verdict.LIKE, Verdict.DISLIKE)
        )
        return Listener(header, profile, np.unique(rows[rows >= 0]), self._context(profile.user_id, liked, disliked))

    def _continued(self, kept: Listener, profile: Profile, header: Header, events: Sequence[Event]) -> Listener:
        """Do what `_listener` does, but look only at what the events after a kept listener touched."""
        rated = kept.rated
        sides: _Sides[Rows] = {Verdict.LIKE: dict(kept.context.liked), Verdict.DISLIKE: dict(kept.context.disliked)}
        for event in events:
            if event.kind is EventKind.DELETE_TASTE:
                for tastes in sides.values():
                    tastes.pop(event.taste_id, None)
        for track_id in _last_touched(events):
            row = self._catalog.row(track_id)
            if row is None:
                continue
            before, now = kept.profile.ratings.get(track_id), profile.ratings.get(track_id)
            if before is not None:
                _take_out(sides[before.verdict], before.taste_id, row)
            if now is not None and _counts(profile, now):
                rows = sides[now.verdict].get(now.taste_id, _NO_ROWS)
                sides[now.verdict][now.taste_id] = np.append(rows, np.int32(row))
            rated = _without(rated, row) if now is None else _with(rated, row)
        context = self._context(profile.user_id, sides[Verdict.LIKE], sides[Verdict.DISLIKE])
        return Listener(header, profile, rated, context)

    def _context(self, user_id: str, liked: Mapping[str, Rows], disliked: Mapping[str, Rows]) -> Context:
        return Context(self._catalog, liked, disliked, memoise=partial(self._candidates.array, user_id))

    def _keep(self, listener: Listener) -> None:
        user_id = listener.profile.user_id
        with self._lock:
            self._drop(user_id)
            self._kept[user_id] = listener
            self._ratings += _weight(listener)
            while self._ratings > self._max_ratings:
                self._drop(next(iter(self._kept)))

    def _forget(self, user_id: str) -> None:
        with self._lock:
            self._drop(user_id)

    def _drop(self, user_id: str) -> None:
        dropped = self._kept.pop(user_id, None)
        if dropped is not None:
            self._ratings -= _weight(dropped)


_NO_ROWS: Final[Rows] = np.array([], dtype=np.int32)
_LISTENER_WEIGHT: Final = 8
"""What a listener takes besides ratings, in ratings."""


def _weight(listener: Listener) -> int:
    return _LISTENER_WEIGHT + listener.profile.interaction_count


def _same_models(kept: Header, header: Header) -> bool:
    """Return whether the same models serve a profile, and not only as many as served a deleted predecessor."""
    return (kept.generation, kept.models_revision) == (header.generation, header.models_revision)


def _moved(before: Mapping[str, ServingVersion], now: Mapping[str, ServingVersion]) -> int:
    """Return how many tastes are served by another model than before, or by one where there was none."""
    versions = {taste_id: serving_version.version for taste_id, serving_version in before.items()}
    return sum(serving_version.version != versions.get(taste_id) for taste_id, serving_version in now.items())


def _counts(profile: Profile, rating: Rating) -> bool:
    """Return whether a rating counts for a taste that the profile has."""
    taste = profile.tastes.get(rating.taste_id)
    return taste is not None and taste.holds(rating)


def _last_touched(events: Sequence[Event]) -> list[str]:
    """Return the tracks of some events, each once, in the order of their last events."""
    latest_first = dict.fromkeys(event.track_id for event in reversed(events) if event.track_id)
    return list(reversed(latest_first))


def _take_out(tastes: dict[str, Rows], taste_id: str, row: int) -> None:
    rows = tastes.get(taste_id)
    if rows is None:
        return
    tastes[taste_id] = rows[rows != row]
    if len(tastes[taste_id]) == 0:
        del tastes[taste_id]


def _with(rows: Rows, row: int) -> Rows:
    """Put a row into ascending rows unless it is there."""
    place = int(np.searchsorted(rows, row))
    return rows if place < len(rows) and rows[place] == row else np.insert(rows, place, row)


def _without(rows: Rows, row: int) -> Rows:
    others: Rows = rows[rows != row]
    return others
