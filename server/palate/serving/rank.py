"""Rank: the caller's tracks in a listener's order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palate.catalog.snapshot import Catalog
from palate.domain import Profile, Verdict
from palate.errors import NotFound
from palate.metrics import Metrics
from palate.plugins.strategy import Rows, Scores
from palate.serving.encode import encode_ranking
from palate.serving.profiles import Profiles
from palate.serving.router import Router

__all__ = ["RankQuery", "RankService"]


@dataclass(frozen=True, slots=True)
class RankQuery:
    """What Rank is asked for.

    Attributes:
        user_id: The listener.
        track_ids: The tracks, each once.
        strategy: The strategy to use, or empty for the listener's stage.
        allow_missing: Whether tracks that the catalog lacks are left out and named.
    """

    user_id: str
    track_ids: Sequence[str]
    strategy: str = ""
    allow_missing: bool = False


class RankService:
    """Puts given tracks in a listener's order, in the same four steps as Recommend.

    Args:
        catalog: Where tracks come from.
        profiles: Where listeners come from.
        router: Scores.
        metrics: Counts rankings.
    """

    def __init__(self, catalog: Catalog, profiles: Profiles, router: Router, metrics: Metrics) -> None:
        self._catalog = catalog
        self._profiles = profiles
        self._router = router
        self._metrics = metrics

    async def rank(self, query: RankQuery, deadline: float | None = None) -> bytes:
        """Put given tracks in a listener's order; equal scores stay in the order given.

        A listener's own ratings count for more than any score: disliked tracks come last, and their scores are at
        most the lowest of the others.

        Args:
            query: What is asked for.
            deadline: When the caller stops waiting, on the clock of `time.monotonic`.

        Returns:
            A serialized ``RankResponse``.

        Raises:
            NotFound: For a strategy that is not installed or not allowed and, unless `allow_missing`, for a track that
                the catalog lacks.
            StrategyFailed: When the strategy that was named, or every stage, failed.
            StrategyDeclined: When the strategy that was named declined.
            Overloaded: When it could not begin in time.
            StoreUnavailable: When the profile cannot be read.
        """
        rows = self._catalog.rows(query.track_ids)
        missing = [track_id for track_id, row in zip(query.track_ids, rows.tolist(), strict=True) if row < 0]
        if missing and not query.allow_missing:
            raise NotFound("track", missing[0])
        rows = rows[rows >= 0]
        rows.flags.writeable = False  # stages below score the same rows
        header = await self._profiles.header(query.user_id)
        listener = await self._profiles.resolve(query.user_id, header)
        profile = listener.profile
        strategy, scores = await self._router.score(
            profile, rows, listener.context, name=query.strategy, deadline=deadline
        )
        rows, scores = _ordered(rows, scores, self._disliked(profile, rows))
        self._metrics.rankings.labels(strategy).inc()
        return encode_ranking(strategy, rows, scores, self._catalog, profile.revision, missing)

    def _disliked(self, profile: Profile, rows: Rows) -> NDArray[np.bool_]:
        """Return which tracks the listener dislikes, in whatever taste or in none."""
        ratings = (profile.ratings.get(track_id) for track_id in self._catalog.track_ids(rows))
        return np.array(
            [rating is not None and rating.verdict is Verdict.DISLIKE for rating in ratings], dtype=np.bool_
        )


def _ordered(rows: Rows, scores: Scores, disliked: NDArray[np.bool_]) -> tuple[Rows, Scores]:
    """Put rows and their scores in order, disliked ones last."""
    values = _demoted(scores.values, disliked)
    order = np.lexsort((-values, disliked))
    return rows[order], Scores(
        values[order],
        [scores.taste_ids[position] for position in order],
        [scores.model_versions[position] for position in order] if scores.model_versions else (),
    )


def _demoted(values: NDArray[np.float32], disliked: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Lower the scores of disliked tracks to the lowest of the others."""
    if disliked.all():
        return values
    return np.where(disliked, np.minimum(values, values[~disliked].min()), values)
