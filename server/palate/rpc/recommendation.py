"""RecommendationService."""

import hashlib
import time
from typing import Final

from palate.errors import InvalidField
from palate.rpc.interceptor import CallContext
from palate.serving.fields import identifier, optional_identifier, page_size, repeated
from palate.serving.rank import RankQuery, RankService
from palate.serving.recommend import RecommendQuery, RecommendService
from palate.v1 import recommendation_pb2, recommendation_pb2_grpc

__all__ = ["RecommendationServicer"]

_MAX_EXCLUDED: Final = 10_000
_MAX_RANKED: Final = 1_000


class RecommendationServicer(recommendation_pb2_grpc.RecommendationServiceServicer):
    """Answers Recommend and Rank; both answers are serialized already, and the interceptor passes bytes on."""

    def __init__(self, recommend: RecommendService, rank: RankService) -> None:
        self._recommend = recommend
        self._rank = rank

    async def Recommend(  # type: ignore[override]  # see above
        self, request: recommendation_pb2.RecommendRequest, context: CallContext
    ) -> bytes:
        """Return a slate, serialized."""
        return await self._recommend.recommend(_recommend_query(request), _deadline(context))

    async def Rank(  # type: ignore[override]  # see above
        self, request: recommendation_pb2.RankRequest, context: CallContext
    ) -> bytes:
        """Return the caller's tracks in the listener's order, serialized."""
        return await self._rank.rank(_rank_query(request), _deadline(context))


def _recommend_query(request: recommendation_pb2.RecommendRequest) -> RecommendQuery:
    user_id = identifier("user_id", request.user_id)
    repeated("exclude_track_ids", len(request.exclude_track_ids), _MAX_EXCLUDED)
    return RecommendQuery(
        user_id=user_id,
        page_size=page_size(request.page_size),
        page_token=request.page_token,
        strategy=optional_identifier("strategy", request.strategy),
        exclude_track_ids=[
            identifier(f"exclude_track_ids[{number}]", track_id)
            for number, track_id in enumerate(request.exclude_track_ids)
        ],
        digest=hashlib.blake2b(request.SerializeToString(deterministic=True), digest_size=16).digest(),
    )


def _rank_query(request: recommendation_pb2.RankRequest) -> RankQuery:
    user_id = identifier("user_id", request.user_id)
    repeated("track_ids", len(request.track_ids), _MAX_RANKED, smallest=1)
    seen: set[str] = set()
    for number, track_id in enumerate(request.track_ids):
        path = f"track_ids[{number}]"
        if identifier(path, track_id) in seen:
            raise InvalidField(path, f"repeats {track_id!r}; name every track once")
        seen.add(track_id)
    return RankQuery(
        user_id=user_id,
        track_ids=list(request.track_ids),
        strategy=optional_identifier("strategy", request.strategy),
        allow_missing=request.allow_missing,
    )


def _deadline(context: CallContext) -> float | None:
    """Return when the caller stops waiting, on the clock of `time.monotonic`, or None."""
    remaining: float | None = context.time_remaining()
    return None if remaining is None else time.monotonic() + remaining
