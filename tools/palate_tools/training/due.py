"""Which listeners are due for training, and the direction that listeners have in common."""

import hashlib
import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from palate.domain import Profile
from palate.domain.features import FeatureMap
from palate.domain.track import FEATURES
from palate.serving.profiles import load_profile
from palate.store.contract import Store

from palate_tools.training.publishing import made_for

__all__ = ["CommonDirection", "common_direction", "due_listeners"]


def due_listeners(store: Store, interactions: int, fingerprint: str) -> Iterator[str]:
    """Iterate over the listeners who are due.

    A listener is due after `interactions` events since the last run of the common model, or when the common model was
    made for another feature map and cannot serve.

    Args:
        store: Where profiles and runs are.
        interactions: After how many events a listener is due.
        fingerprint: Of the feature map of the catalog that is served.
    """
    for user_id in store.user_ids():
        header = store.header(user_id)
        if header is None:
            continue
        run = store.models.last_runs(user_id).get("")
        serving_version = store.models.serving_versions(user_id).get("")
        stale = serving_version is not None and not made_for(serving_version.version, fingerprint)
        if stale or header.revision - (run.labels_revision if run else 0) >= interactions:
            yield user_id


@dataclass(frozen=True, slots=True)
class CommonDirection:
    """The direction in which listeners' likes lie from their dislikes, on average.

    Attributes:
        units: For each sampled listener the unit vector from disliked to liked mean, float64 ``(9,)``.
    """

    units: Mapping[str, NDArray[np.float64]]

    def without(self, user_id: str) -> NDArray[np.float64]:
        """Return the mean of the other listeners' directions, float64 ``(1, 9)``; ``(0, 9)`` without others."""
        others = [unit for other, unit in self.units.items() if other != user_id]
        return np.mean(others, axis=0, keepdims=True) if others else np.empty((0, len(FEATURES)))


def common_direction(store: Store, feature_map: FeatureMap, sample: int) -> CommonDirection:
    """Take the directions of a sample of the listeners, which stays the same while these listeners are there."""
    units = {}
    for user_id in _sampled(store.user_ids(), sample):
        loaded = load_profile(store, feature_map, user_id)
        unit = _unit(loaded[0]) if loaded is not None else None
        if unit is not None:
            units[user_id] = unit
    return CommonDirection(units)


def _sampled(user_ids: Iterable[str], size: int) -> list[str]:
    if size == 0:
        return []
    return heapq.nsmallest(size, user_ids, key=lambda user_id: hashlib.blake2b(user_id.encode()).digest())


def _unit(profile: Profile) -> NDArray[np.float64] | None:
    """Return a listener's direction, or None without likes or without dislikes."""
    sides = []
    for tallies in zip(*((taste.liked, taste.disliked) for taste in profile.tastes.values()), strict=True):
        count = sum(tally.count for tally in tallies)
        if count == 0:
            return None
        sides.append(sum(tally.count * tally.mean.astype(np.float64) for tally in tallies) / count)
    if not sides:
        return None
    difference: NDArray[np.float64] = sides[0] - sides[1]
    length = float(np.linalg.norm(difference))
    return difference / length if length > 0 else None
