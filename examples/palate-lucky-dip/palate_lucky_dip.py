"""Lucky dip: a strategy that draws tracks from the listener's active tastes by chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from palate.domain import Profile, Taste, TasteState
from palate.plugins import Choice, Context, Reason, ReasonKind, Rows, Scores, SlateRequest, Stage
from palate.plugins.slate import SlateBuilder

__all__ = ["LuckyDip", "LuckyDipConfig"]


@dataclass(frozen=True, kw_only=True)
class LuckyDipConfig:
    """The options of lucky dip.

    Attributes:
        pool: From how many of the tracks nearest to each taste it draws, at least 1.
    """

    pool: int = 200

    def __post_init__(self) -> None:
        """Raise ValueError when the pool is empty."""
        if self.pool < 1:
            raise ValueError("pool must be at least 1")


class LuckyDip:
    """Draws each track of the slate from the pools of all active tastes, every one with the same chance.

    Args:
        config: The options.
    """

    config_type: ClassVar[type[LuckyDipConfig]] = LuckyDipConfig
    stage: ClassVar[Stage | None] = None

    def __init__(self, config: LuckyDipConfig) -> None:
        self._config = config

    def recommend(self, profile: Profile, request: SlateRequest, context: Context) -> Sequence[Choice]:
        """Return tracks in the order in which they were drawn; none for a listener without an active taste."""
        generator = np.random.default_rng(request.seed)
        builder = SlateBuilder(request, context.catalog)
        tastes = _active_tastes(profile, context)
        pool = self._pool(tastes, context)
        choices: list[Choice] = []
        while builder.room and len(pool := builder.open(pool)):
            row = int(generator.choice(pool))
            builder.add(row)
            taste = tastes[int(context.catalog.cluster[row])]
            choices.append(_choice(row, 1 / len(pool), taste, context))
        return choices

    def score(self, profile: Profile, rows: Rows, context: Context) -> Scores:
        """Score each track by its cosine to the active taste that is nearest; 0 without one."""
        tastes = list(_active_tastes(profile, context).values())
        if not tastes:
            return Scores(np.zeros(len(rows), dtype=np.float32), [""] * len(rows))
        cosines = np.stack([_cosines(rows, taste, context) for taste in tastes])
        nearest = cosines.argmax(axis=0)
        return Scores(cosines.max(axis=0), [tastes[number].taste_id for number in nearest])

    def _pool(self, tastes: Mapping[int, Taste], context: Context) -> Rows:
        """Return the rows to draw from; no two tastes share one, since each has a cluster of its own."""
        catalog = context.catalog
        pools = [
            catalog.nearest(cluster, taste.centroid, catalog.genre_weights(taste.genre_distribution), self._config.pool)
            for cluster, taste in tastes.items()
        ]
        return np.concatenate([np.empty(0, dtype=np.int32), *pools])


def _active_tastes(profile: Profile, context: Context) -> dict[int, Taste]:
    """Return the active tastes by the number of their cluster, where the catalog still has it."""
    numbered = [
        (context.catalog.cluster_number(taste.taste_id), taste) for taste in profile.tastes_in(TasteState.ACTIVE)
    ]
    return {number: taste for number, taste in numbered if number is not None}


def _choice(row: int, propensity: float, taste: Taste, context: Context) -> Choice:
    cosine = float(_cosines(np.array([row], dtype=np.int32), taste, context)[0])
    reason = Reason(ReasonKind.EXPLORATION, parts={"audio": cosine})
    return Choice(row, cosine, reason, taste_id=taste.taste_id, exploration=True, propensity=propensity)


def _cosines(rows: Rows, taste: Taste, context: Context) -> NDArray[np.float32]:
    """Return the cosine of each track to a taste's centroid, float32 ``(n,)``."""
    tracks, centroid = context.catalog.normalized[rows], taste.centroid
    lengths = np.linalg.norm(tracks, axis=1) * np.linalg.norm(centroid)
    cosines: NDArray[np.float32] = (tracks @ centroid) / np.maximum(lengths, np.float32(1e-6))
    return cosines
