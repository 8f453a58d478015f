"""RecommendationService."""

import hashlib
from concurrent.futures import Executor
from typing import Final, NamedTuple

from palate.catalog.snapshot import Catalog
from palate.errors import InvalidField
from palate.lru import LruCache
from palate.observer import Observer
from palate.rpc.convert import rank_response, recommend_response
from palate.rpc.fields import identifier, optional_identifier, page_size, repeated
from palate.rpc.threads import CallContext, Turns, deadline_of, in_thread
from palate.serving.recommend import Recommendation, RecommendationService, RecommendQuery
from palate.store.contract import Header, Store
from palate.v1 import recommendation_pb2, recommendation_pb2_grpc

__all__ = ["ANSWER_BYTES", "RecommendationServicer"]

ANSWER_BYTES: Final = 400
"""What a kept answer takes beside its own bytes: its key with the profile's header, and its place."""

_MAX_EXCLUDED = 10_000
_FEW_EXCLUDED = 100
_MAX_RANKED = 1_000


class _Answer(NamedTuple):
    """A serialized slate, and the strategy that it is by."""

    data: bytes
    strategy: str


class RecommendationServicer(recommendation_pb2_grpc.RecommendationServiceServicer):
    """Answers Recommend and Rank.

    A slate depends on nothing but the request, the profile's header and the catalog. The answers given last
    are kept by the first two, so that an unchanged profile costs one read of its header.
    """

    def __init__(
        self,
        service: RecommendationService,
        store: Store,
        catalog: Catalog,
        executor: Executor,
        slate_bytes: int,
        observer: Observer,
    ) -> None:
        self._service = service
        self._observer = observer
        self._store = store
        self._catalog = catalog
        self._executor = executor
        self._turns = Turns(bursts=store.local)
        self._answers: LruCache[tuple[bytes, Header | None], _Answer] = LruCache(
            slate_bytes, lambda answer: len(answer.data) + ANSWER_BYTES
        )

    async def Recommend(  # type: ignore[override]  # serialized already; the interceptor passes bytes on
        self, request: recommendation_pb2.RecommendRequest, context: CallContext
    ) -> bytes:
        """Return a slate, serialized."""
        user_id = identifier("user_id", request.user_id)
        excluded = len(request.exclude_track_ids)
        repeated("exclude_track_ids", excluded, _MAX_EXCLUDED)
        few = excluded <= _FEW_EXCLUDED
        key = _digest(request) if few else await in_thread(self._executor, _digest, request)
        header = self._store.header
        answer = self._answers.get(
            (key, header(user_id) if self._store.local else await in_thread(self._executor, header, user_id))
        )
        if answer is not None:
            self._observer.slate_answered(answer.strategy, degraded=False, cached=True)
            return answer.data
        deadline = deadline_of(context)
        made = await self._turns.run(self._executor, self._recommend, user_id, request, deadline)
        answer = _Answer(recommend_response(made, self._catalog).SerializeToString(), made.strategy)
        if not made.degraded:
            self._answers.keep((key, made.listener.header), answer)
        self._observer.slate_answered(made.strategy, degraded=made.degraded, cached=False)
        return answer.data

    async def Rank(
        self, request: recommendation_pb2.RankRequest, context: CallContext
    ) -> recommendation_pb2.RankResponse:
        """Return the caller's tracks in the listener's order."""
        user_id = identifier("user_id", request.user_id)
        repeated("track_ids", len(request.track_ids), _MAX_RANKED, smallest=1)
        seen: set[str] = set()
        for number, track_id in enumerate(request.track_ids):
            path = f"track_ids[{number}]"
            if identifier(path, track_id) in seen:
                raise InvalidField(path, f"repeats {track_id!r}; name every track once")
            seen.add(track_id)
        deadline = deadline_of(context)
        ranking = await self._turns.run(
            self._executor,
            self._service.rank,
            user_id,
            list(request.track_ids),
            strategy=optional_identifier("strategy", request.strategy),
            allow_missing=request.allow_missing,
            deadline=deadline,
        )
        self._observer.tracks_ranked(ranking.strategy)
        return rank_response(ranking, self._catalog)

    def _recommend(
        self, user_id: str, request: recommendation_pb2.RecommendRequest, deadline: float | None
    ) -> Recommendation:
        return self._service.recommend(_recommend_query(user_id, request), deadline)


def _digest(request: recommendation_pb2.RecommendRequest) -> bytes:
    return hashlib.blake2b(request.SerializeToString(deterministic=True), digest_size=16).digest()


def _recommend_query(user_id: str, request: recommendation_pb2.RecommendRequest) -> RecommendQuery:
    return RecommendQuery(
        user_id=user_id,
        page_size=page_size(request.page_size),
        page_token=request.page_token,
        strategy=optional_identifier("strategy", request.strategy),
        exclude_track_ids=[
            identifier(f"exclude_track_ids[{number}]", track_id)
            for number, track_id in enumerate(request.exclude_track_ids)
        ],
    )
