"""Profiles as the store has them, cached in memory: the reads of *load* and *resolve*.

`load_profile` is the one rule by which server and trainer read a profile.
"""

import asyncio
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from palate.catalog.snapshot import Catalog
from palate.domain import Event, EventKind, Profile, Taste, Verdict, apply_events, replay
from palate.domain.features import FeatureMap
from palate.metrics import Metrics
from palate.models.cache import ModelCache
from palate.plugins.strategy import Context, Rows
from palate.store.contract import Header, ServingVersion, Store

__all__ = ["ArrayCache", "Listener", "Profiles", "load_profile"]

A = TypeVar("A", bound=NDArray[Any])
P = ParamSpec("P")
T = TypeVar("T")
_Rated: TypeAlias = dict[Verdict, dict[str, T]]
"""Something for each verdict and taste_id."""

_FEW_EVENTS: Final = 64
"""Events that are read and applied on the event loop, within about a millisecond; more go to a thread."""
_BYTES_PER_ARRAY: Final = 2_000
"""What an array takes in the cache beside its own bytes: its key, its place, and a taste."""
_LISTENER_WEIGHT: Final = 8
"""What a listener takes besides ratings, in ratings."""


def load_profile(store: Store, feature_map: FeatureMap, user_id: str) -> tuple[Profile, Header] | None:
    """Read a profile on the scale of a feature map; replay its log where it was computed with another one.

    Returns:
        The profile and its header, which tells with which feature map the store has it; None when there is none.

    Raises:
        StoreUnavailable: When the store cannot be read.
    """
    stored = store.profile(user_id)
    if stored is None or stored[1].feature_map == feature_map.fingerprint:
        return stored
    found = store.since(user_id)
    return None if found is None else (replay(user_id, found[1], feature_map), found[0])


@dataclass(frozen=True, slots=True)
class Listener:
    """A profile beside what an answer needs of catalog and models.

    Attributes:
        header: The profile's header as the store gave it; None for a listener without any feedback.
        profile: The profile.
        rated: Rows of all rated tracks, ascending; read-only.
        context: What strategies may see of it.
        serving_versions: Which model serves each taste, by taste_id.
    """

    header: Header | None
    profile: Profile
    rated: Rows
    context: Context
    serving_versions: Mapping[str, ServingVersion] = field(default_factory=dict)


class Profiles:
    """Reads profiles and caches the most recently used ones, as many as have `max_ratings` ratings together.

    Every listener counts as eight ratings more, since those with few or none take memory too. One read of the header
    decides whether a cached profile is current; where it is not, only the events since are read and applied. Its
    methods run on one event loop; reads of a store that is not local, and long ones, are awaited in a thread.

    Args:
        store: Where profiles are.
        catalog: Where their tracks are.
        models: Opens their models.
        max_ratings: How many ratings the cached profiles may have together.
        array_bytes: How much memory the arrays may take that strategies memoise.
        metrics: Counts updates of profiles and swaps of models.
    """

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        models: ModelCache,
        max_ratings: int,
        array_bytes: int,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._models = models
        self._metrics = metrics
        self._arrays = ArrayCache(array_bytes)
        self._cache: LRUCache[str, Listener] = LRUCache(max_ratings, getsizeof=_weight)

    async def header(self, user_id: str) -> Header | None:
        """Return a profile's header as the store has it now; None without any feedback. The one read of *load*."""
        return await self._read(self._store.header, user_id)

    async def resolve(self, user_id: str, header: Header | None) -> Listener:
        """Return a listener for one answer: the profile, at least as new as a header, with its models opened.

        Within one answer a taste has one model. Cached listeners hold none, so that unused sessions can be closed.

        Raises:
            StoreUnavailable: When the store cannot be read.
        """
        if header is None:
            self._cache.pop(user_id, None)
            return self._new_listener(Profile(user_id), None)
        cached = self._cache.get(user_id)
        listener = cached
        if listener is None or listener.header != header:
            listener = await self._updated(cached, header) or await self._loaded(user_id, header)
            listener = await self._with_serving_versions(listener, cached)
            if _weight(listener) <= self._cache.maxsize:
                self._cache[user_id] = listener
        if not listener.serving_versions:
            return listener
        models = await self._models.open(user_id, listener.serving_versions)
        return replace(listener, context=replace(listener.context, models=models))

    async def _read(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do a read that a local store answers within microseconds."""
        return read(*args, **kwargs) if self._store.local else await asyncio.to_thread(read, *args, **kwargs)

    async def _updated(self, cached: Listener | None, header: Header) -> Listener | None:
        """Bring a cached listener up to date, or return None where only a full load helps."""
        if cached is None or not self._continues(cached, header):
            return None
        profile = cached.profile
        if profile.revision == header.revision:
            return replace(cached, header=header)
        if header.revision - profile.revision <= _FEW_EVENTS:
            found = await self._read(self._store.since, profile.user_id, profile.revision)
            return self._applied(cached, found)
        return await asyncio.to_thread(
            lambda: self._applied(cached, self._store.since(profile.user_id, profile.revision))
        )

    def _applied(self, cached: Listener, found: tuple[Header, Sequence[Event]] | None) -> Listener | None:
        """Apply the events after a cached profile; None where it was deleted since the header was read."""
        if found is None or not self._continues(cached, found[0]):
            return None
        header, events = found
        self._metrics.profile_updates.labels("events").inc()
        return self._advanced(cached, apply_events(cached.profile, events, self._catalog.feature_map), header, events)

    def _continues(self, cached: Listener, header: Header) -> bool:
        """Return whether events alone bring a cached listener to a header."""
        before = cached.header
        if before is None or before.generation != header.generation or before.revision > header.revision:
            return False
        return before.feature_map == header.feature_map == self._catalog.feature_map.fingerprint

    async def _loaded(self, user_id: str, header: Header) -> Listener:
        """Read a whole profile; one with few events on the event loop, where the store is local."""
        if header.revision <= _FEW_EVENTS:
            return await self._read(self._load, user_id)
        return await asyncio.to_thread(self._load, user_id)

    def _load(self, user_id: str) -> Listener:
        loaded = load_profile(self._store, self._catalog.feature_map, user_id)
        if loaded is None:
            return self._new_listener(Profile(user_id), None)
        profile, header = loaded
        replayed = header.feature_map != self._catalog.feature_map.fingerprint
        self._metrics.profile_updates.labels("replay" if replayed else "store").inc()
        return self._new_listener(profile, header)

    async def _with_serving_versions(self, listener: Listener, cached: Listener | None) -> Listener:
        """Give a listener its serving versions, those of a cached one while no other model serves.

        They are read after the header: they may be newer than it says, and the next header then says so.
        """
        header = listener.header
        if header is None or header.models_revision == 0:
            return listener
        if cached is not None and cached.header is not None and _same_models(cached.header, header):
            return replace(listener, serving_versions=cached.serving_versions)
        versions = await self._read(self._store.models.serving_versions, listener.profile.user_id)
        if cached is not None:
            self._metrics.model_swaps.inc(_swaps(cached.serving_versions, versions))
        return replace(listener, serving_versions=versions)

    def _new_listener(self, profile: Profile, header: Header | None) -> Listener:
        """Look up the rows of everything that a profile rated."""
        ratings = list(profile.ratings.values())
        rows = self._catalog.rows([rating.track_id for rating in ratings])
        rated: _Rated[list[int]] = {Verdict.LIKE: {}, Verdict.DISLIKE: {}}
        for rating, row in zip(ratings, rows.tolist(), strict=True):
            if row >= 0 and profile.counts(rating):
                rated[rating.verdict].setdefault(rating.taste_id, []).append(row)
        liked, disliked = (
            {taste_id: _frozen(np.array(rows, dtype=np.int32)) for taste_id, rows in rated[verdict].items()}
            for verdict in (Verdict.LIKE, Verdict.DISLIKE)
        )
        context = self._context(profile.user_id, liked, disliked)
        return Listener(header, profile, _frozen(np.unique(rows[rows >= 0])), context)

    def _advanced(self, cached: Listener, profile: Profile, header: Header, events: Sequence[Event]) -> Listener:
        """Do what `_new_listener` does, but look only at what the events after a cached listener touched."""
        rows_rated = cached.rated
        rated: _Rated[Rows] = {
            Verdict.LIKE: dict(cached.context.liked),
            Verdict.DISLIKE: dict(cached.context.disliked),
        }
        for event in events:
            if event.kind is EventKind.DELETE_TASTE:
                for tastes in rated.values():
                    tastes.pop(event.taste_id, None)
        for track_id in _last_touched(events):
            row = self._catalog.row(track_id)
            if row is None:
                continue
            before, now = cached.profile.ratings.get(track_id), profile.ratings.get(track_id)
            if before is not None:
                _remove(rated[before.verdict], before.taste_id, row)
            if now is not None and profile.counts(now):
                rows = rated[now.verdict].get(now.taste_id, _NO_ROWS)
                rated[now.verdict][now.taste_id] = _frozen(np.append(rows, np.int32(row)))
            rows_rated = _without(rows_rated, row) if now is None else _with(rows_rated, row)
        context = self._context(profile.user_id, rated[Verdict.LIKE], rated[Verdict.DISLIKE])
        return Listener(header, profile, _frozen(rows_rated), context)

    def _context(self, user_id: str, liked: Mapping[str, Rows], disliked: Mapping[str, Rows]) -> Context:
        memoise = partial(self._arrays.get, user_id)
        return Context(self._catalog, liked, disliked, memoise=memoise)


class ArrayCache:
    """Arrays that strategies memoise, by listener, taste and key: the most recently used ones. Threads may share it.

    Feedback changes one taste of several, and a swap of a model none, so that most arrays stay right.

    Args:
        max_bytes: What all of them may take.
    """

    def __init__(self, max_bytes: int) -> None:
        self._cache: LRUCache[Hashable, tuple[Taste, Any]] = LRUCache(max_bytes, getsizeof=_array_bytes)
        self._lock = threading.Lock()

    def get(self, user_id: str, taste: Taste, key: Hashable, find: Callable[[], A]) -> A:
        """Return the array that was found for an equal taste of that listener under that key, or find it now."""
        place = user_id, taste.taste_id, key
        with self._lock:
            cached = self._cache.get(place)
        if cached is None or cached[0] != taste:
            cached = taste, _frozen(find())
            if _array_bytes(cached) <= self._cache.maxsize:
                with self._lock:
                    self._cache[place] = cached
        found: A = cached[1]
        return found


_NO_ROWS: Final[Rows] = np.array([], dtype=np.int32)


def _array_bytes(entry: tuple[Taste, Any]) -> int:
    size: int = entry[1].nbytes
    return size + _BYTES_PER_ARRAY


def _weight(listener: Listener) -> int:
    return _LISTENER_WEIGHT + len(listener.profile.ratings)


def _frozen(array: A) -> A:
    """Make an array read-only."""
    array.flags.writeable = False
    return array


def _same_models(cached: Header, header: Header) -> bool:
    """Return whether the same models serve a profile, and not only as many as served a deleted predecessor."""
    return (cached.generation, cached.models_revision) == (header.generation, header.models_revision)


def _swaps(before: Mapping[str, ServingVersion], now: Mapping[str, ServingVersion]) -> int:
    """Return how many tastes are served by another model than before, or by one where there was none."""
    versions = {taste_id: serving.version for taste_id, serving in before.items()}
    return sum(serving.version != versions.get(taste_id) for taste_id, serving in now.items())


def _last_touched(events: Sequence[Event]) -> list[str]:
    """Return the tracks of some events, each once, in the order of their last events."""
    latest_first = dict.fromkeys(event.track_id for event in reversed(events) if event.track_id)
    return list(reversed(latest_first))


def _remove(tastes: dict[str, Rows], taste_id: str, row: int) -> None:
    rows = tastes.get(taste_id)
    if rows is None:
        return
    others = rows[rows != row]
    if len(others):
        tastes[taste_id] = _frozen(others)
    else:
        del tastes[taste_id]


def _with(rows: Rows, row: int) -> Rows:
    """Put a row into ascending rows unless it is there."""
    place = int(np.searchsorted(rows, row))
    return rows if place < len(rows) and rows[place] == row else np.insert(rows, place, row)


def _without(rows: Rows, row: int) -> Rows:
    others: Rows = rows[rows != row]
    return others
