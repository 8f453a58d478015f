"""Profiles that were folded with another feature map, made ready outside of the transaction that writes them."""

from collections.abc import Mapping
from typing import NamedTuple

from palate.domain import Profile, Taste, apply_events
from palate.domain.features import FeatureMap
from palate.store.contract import Header, Store, Transaction

__all__ = ["Outdated", "Refolding"]


class Outdated(Exception):
    """A profile was folded with another feature map and is not ready to be written.

    Attributes:
        user_id: The listener.
    """

    def __init__(self, user_id: str) -> None:
        super().__init__(user_id)
        self.user_id = user_id


class _Ready(NamedTuple):
    header: Header
    profile: Profile


class Refolding:
    """Folds logs anew after a change of catalog: long ones take seconds, in which no writer need wait.

    Args:
        store: Where the logs are.
        feature_map: That of the catalog.
    """

    def __init__(self, store: Store, feature_map: FeatureMap) -> None:
        self._store = store
        self._feature_map = feature_map
        self._ready: dict[str, _Ready] = {}

    def require(self, transaction: Transaction, user_id: str) -> None:
        """Raise Outdated for a profile that would have to be written anew and is not ready."""
        header = transaction.header(user_id)
        if header is not None and header.feature_map != self._feature_map.fingerprint:
            self._of(user_id, header)

    def write(self, transaction: Transaction, user_id: str, header: Header) -> Mapping[str, Taste]:
        """Write a profile anew and return its tastes. Outdated, before any write, when it is not ready."""
        profile = self._of(user_id, header)
        transaction.replace_tastes(profile, self._feature_map.fingerprint)
        return profile.tastes

    def prepare(self, user_id: str) -> None:
        """Fold a profile up to what the store has now, going on from where an earlier preparation ended.

        Raises:
            StoreUnavailable: When the store cannot be read.
        """
        earlier = self._ready.pop(user_id, None)
        found = self._store.since(user_id, earlier.profile.revision if earlier else 0)
        if found is None:
            return
        header, events = found
        if earlier is not None and header.generation != earlier.header.generation:
            self.prepare(user_id)
            return
        profile = earlier.profile if earlier else Profile(user_id)
        self._ready[user_id] = _Ready(header, apply_events(profile, events, self._feature_map))

    def forget(self) -> None:
        """Let go of what was made ready."""
        self._ready.clear()

    def _of(self, user_id: str, header: Header) -> Profile:
        ready = self._ready.get(user_id)
        if ready is None or ready.header != header:
            raise Outdated(user_id)
        return ready.profile
