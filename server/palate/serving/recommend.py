"""Recommend and Rank: from a listener to an ordered list of tracks."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from palate.catalog.snapshot import Catalog
from palate.domain import Verdict
from palate.errors import NotFound
from palate.plugins.strategy import Rows, Scores, SlateRequest
from palate.serving.listeners import Listener, Listeners
from palate.serving.paging import PageTokens
from palate.serving.router import Placed, Router

__all__ = ["Ranking", "RecommendQuery", "Recommendation", "RecommendationService"]

_MAX_PAGED: Final = 1_000
"""Tracks that a chain of pages shows at the most; its tokens carry them."""


@dataclass(frozen=True, slots=True)
class RecommendQuery:
    """What Recommend is asked for.

    Attributes:
        user_id: The listener.
        page_size: How many items, 1 to 100.
        page_token: Of the page before, or empty.
        strategy: The strategy to use, or empty for the listener's stage.
        exclude_track_ids: Tracks to leave out.
    """

    user_id: str
    page_size: int
    page_token: str = ""
    strategy: str = ""
    exclude_track_ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A slate and everything that it was made from.

    Attributes:
        recommendation_id: Names the slate; equal slates made from equal state have equal names.
        strategy: The strategy that answered.
        items: The choices, in order.
        listener: The profile that it was made from.
        catalog_version: The catalog that it was made from.
        next_page_token: Of the next page, or empty.
        degraded: Whether a strategy that was asked failed or ran out of time; the next call may do better.
    """

    recommendation_id: str
    strategy: str
    items: Sequence[Placed]
    listener: Listener
    catalog_version: str
    next_page_token: str
    degraded: bool


@dataclass(frozen=True, slots=True)
class Ranking:
    """Given tracks in a listener's order.

    Attributes:
        strategy: The strategy that scored.
        rows: The tracks, best first.
        scores: Their scores, in the same order.
        profile_revision: The profile that they were scored for.
        missing_track_ids: Tracks that the catalog lacks.
    """

    strategy: str
    rows: Rows
    scores: Scores
    profile_revision: int
    missing_track_ids: Sequence[str]


class RecommendationService:
    """Makes slates and rankings.

    Args:
        catalog: Where tracks come from.
        listeners: Where profiles come from.
        router: Finds the strategy.
        tokens: Seals page tokens.
    """

    def __init__(self, catalog: Catalog, listeners: Listeners, router: Router, tokens: PageTokens) -> None:
        self._catalog = catalog
        self._listeners = listeners
        self._router = router
        self._tokens = tokens

    def recommend(self, query: RecommendQuery, deadline: float | None = None) -> Recommendation:
        """Make a slate.

        Args:
            query: What is asked for.
            deadline: When the caller stops waiting, on the clock of `time.monotonic`.

        Raises:
            InvalidField: For a page token that does not belong to this query.
            NotFound: For a strategy that is not installed or not allowed.
            StrategyFailed: When the strategy that the query names, or the whole stages, failed or declined.
            Overloaded: When it could not begin in time.
            StoreUnavailable: When the profile cannot be read.
        """
        binding = ("recommend", self._catalog.version, query.user_id, query.strategy)
        shown = np.frombuffer(self._tokens.open(binding, query.page_token), dtype="<i4") if query.page_token else _NONE
        listener = self._listeners.get(query.user_id)
        request = SlateRequest(
            limit=query.page_size,
            excluded=self._excluded(listener, query, shown),
            artists=frozenset(),
            seed=self._seed(listener, len(shown)),
        )
        slate = self._router.recommend(
            listener.profile, request, listener.context, name=query.strategy, deadline=deadline
        )
        rows = np.array([placed.choice.row for placed in slate.items], dtype="<i4")
        shown = np.concatenate([shown, rows])
        more = len(rows) > 0 and len(shown) < _MAX_PAGED  # a page may be short for want of other artists
        return Recommendation(
            recommendation_id=self._name(listener, slate.strategy, shown),
            strategy=slate.strategy,
            items=slate.items,
            listener=listener,
            catalog_version=self._catalog.version,
            next_page_token=self._tokens.seal(binding, shown.tobytes()) if more else "",
            degraded=slate.degraded,
        )

    def rank(
        self,
        user_id: str,
        track_ids: Sequence[str],
        *,
        strategy: str = "",
        allow_missing: bool = False,
        deadline: float | None = None,
    ) -> Ranking:
        """Put given tracks in a listener's order; equal scores keep the order given.

        What the listener said of a track counts for more than any guess: tracks whose dislike stands come last, and
        their scores are at most the lowest of the others.

        Raises:
            NotFound: For a strategy that is not installed or not allowed and, unless `allow_missing`, for a track that
                the catalog lacks.
            StrategyFailed: When the strategy that was named, or the whole stages, failed or declined.
            Overloaded: When it could not begin in time.
            StoreUnavailable: When the profile cannot be read.
        """
        rows = self._catalog.rows(track_ids)
        missing = [track_id for track_id, row in zip(track_ids, rows.tolist(), strict=True) if row < 0]
        if missing and not allow_missing:
            raise NotFound("track", missing[0])
        rows = rows[rows >= 0]
        listener = self._listeners.get(user_id)
        name, scores = self._router.score(listener.profile, rows, listener.context, name=strategy, deadline=deadline)
        disliked = self._disliked(listener, rows)
        values = _demoted(scores.values, disliked)
        order = np.lexsort((-values, disliked))
        ordered = Scores(
            values[order],
            [scores.taste_ids[i] for i in order],
            [scores.model_versions[i] for i in order] if scores.model_versions else (),
        )
        return Ranking(name, rows[order], ordered, listener.profile.revision, missing)

    def _disliked(self, listener: Listener, rows: Rows) -> NDArray[np.bool_]:
        """Return which tracks have a standing dislike, in whatever taste or in none."""
        given = (listener.profile.ratings.get(track_id) for track_id in self._catalog.track_ids(rows))
        return np.array([rating is not None and rating.verdict is Verdict.DISLIKE for rating in given], dtype=np.bool_)

    def _excluded(self, listener: Listener, query: RecommendQuery, shown: Rows) -> Rows:
        if not query.exclude_track_ids and len(shown) == 0:
            return listener.rated
        named = self._catalog.rows(query.exclude_track_ids)
        return np.unique(np.concatenate([listener.rated, named[named >= 0], shown])).astype(np.int32)

    def _seed(self, listener: Listener, offset: int) -> int:
        return int.from_bytes(self._digest(listener, str(offset).encode(), size=8))

    def _name(self, listener: Listener, strategy: str, shown: Rows) -> str:
        return self._digest(listener, strategy.encode() + b"\0" + shown.tobytes(), size=16).hex()

    def _digest(self, listener: Listener, what: bytes, size: int) -> bytes:
        profile = listener.profile
        models = listener.header.models_revision if listener.header else 0
        state = f"{profile.user_id}\0{profile.revision}\0{models}\0{self._catalog.version}\0".encode()
        return hashlib.blake2b(state + what, digest_size=size).digest()


def _demoted(values: NDArray[np.float32], disliked: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Lower the scores of disliked tracks to the lowest of the others."""
    if disliked.all():
        return values
    return np.where(disliked, np.minimum(values, values[~disliked].min()), values)


_NONE: Final[Rows] = np.array([], dtype=np.int32)
