"""Profiles as callers see them: with names, stage and medoids worked out."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import numpy as np

from palate.catalog.snapshot import Catalog
from palate.domain import Event, Profile, Taste, TasteState
from palate.errors import NotFound
from palate.serving.profiles import Listener, Profiles
from palate.serving.router import Router
from palate.store.contract import Store

__all__ = ["ProfileService", "ProfileView", "TasteView"]


@dataclass(frozen=True, slots=True)
class TasteView:
    """A taste with what the catalog knows of it.

    Attributes:
        taste: The taste.
        display_name: The name to show to people.
        centroid_features: The centroid in the units of the source; empty without likes.
        medoid_track_id: The liked track nearest to the centroid by cosine, or empty.
    """

    taste: Taste
    display_name: str
    centroid_features: tuple[float, ...]
    medoid_track_id: str


@dataclass(frozen=True, slots=True)
class ProfileView:
    """A profile, the strategy that its stage selects, and its tastes, most confident first."""

    profile: Profile
    stage: str
    tastes: Sequence[TasteView]


class ProfileService:
    """Reads profiles and their logs."""

    def __init__(self, catalog: Catalog, store: Store, profiles: Profiles, router: Router) -> None:
        self._catalog = catalog
        self._store = store
        self._profiles = profiles
        self._router = router

    async def view(self, user_id: str) -> ProfileView:
        """Return a profile. NotFound for a listener without any feedback."""
        listener = await self._profiles.resolve(user_id, await self._profiles.header(user_id))
        if listener.header is None:
            raise NotFound("profile", user_id)
        tastes = [self._taste(taste, listener) for taste in listener.profile.tastes_in(*TasteState)]
        stage = self._router.stage_of(listener.profile, listener.context)
        return ProfileView(listener.profile, stage.name, tastes)

    async def export(self, user_id: str, page: int = 1_000) -> AsyncIterator[ProfileView | Sequence[Event]]:
        """Iterate over a profile and then the pages of its log, oldest event first. NotFound as in `view`."""
        view = await self.view(user_id)
        yield view
        after = 0
        while events := await asyncio.to_thread(self._store.events, user_id, after, limit=page):
            yield [event for event in events if event.revision <= view.profile.revision]
            after = events[-1].revision

    def _taste(self, taste: Taste, listener: Listener) -> TasteView:
        number = self._catalog.cluster_number(taste.taste_id)
        name = taste.taste_id if number is None else self._catalog.clusters[number].display_name
        if taste.state is TasteState.INACTIVE:
            return TasteView(taste, name, (), "")
        features = self._catalog.feature_map.denormalize(taste.centroid[np.newaxis])[0]
        return TasteView(taste, name, tuple(features.tolist()), self._medoid(taste, listener))

    def _medoid(self, taste: Taste, listener: Listener) -> str:
        liked = listener.context.liked.get(taste.taste_id)
        if liked is None:
            return ""
        vectors = self._catalog.normalized[liked]
        cosines = vectors @ taste.centroid / np.maximum(np.linalg.norm(vectors, axis=1), np.finfo(np.float32).tiny)
        return self._catalog.track_id(int(liked[np.argmax(cosines)]))
