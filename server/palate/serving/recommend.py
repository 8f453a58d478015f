"""Recommend: from a request to a slate, in four steps."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, NamedTuple

import numpy as np
from cachetools import LRUCache

from palate.catalog.snapshot import Catalog
from palate.metrics import Metrics
from palate.plugins.strategy import Rows, SlateRequest
from palate.serving.encode import encode_slate
from palate.serving.fields import PageTokens
from palate.serving.profiles import Listener, Profiles
from palate.serving.router import Router, Slate
from palate.store.contract import Header

__all__ = ["ANSWER_BYTES", "RecommendQuery", "RecommendService"]

ANSWER_BYTES: Final = 400
"""What a cached answer takes beside its own bytes: its key with the profile's header, and its place."""
_ARTISTS: Final = 10
"""Of how many tracks before a page the artists count: at least as many as `SlateRequest.artists_span`."""
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
        digest: Of the whole request; equal requests have equal ones.
    """

    user_id: str
    page_size: int
    page_token: str = ""
    strategy: str = ""
    exclude_track_ids: Sequence[str] = ()
    digest: bytes = b""


class _Answer(NamedTuple):
    """A serialized slate, and the strategy that it is by."""

    data: bytes
    strategy: str


class RecommendService:
    """Makes slates.

    A slate depends on nothing but the request, the profile's header and the catalog, so that the latest answers can be
    cached by the first two: an unchanged profile costs one read of its header.

    Args:
        catalog: Where tracks come from.
        profiles: Where listeners come from.
        router: Chooses.
        tokens: Seals page tokens.
        cache_bytes: How much memory cached answers may take.
        metrics: Counts slates.
        artists_limit: How many tracks of one main artist ten slots in a row may have.
    """

    def __init__(
        self,
        catalog: Catalog,
        profiles: Profiles,
        router: Router,
        tokens: PageTokens,
        cache_bytes: int,
        metrics: Metrics,
        artists_limit: int = 1,
    ) -> None:
        self._catalog = catalog
        self._profiles = profiles
        self._router = router
        self._tokens = tokens
        self._metrics = metrics
        self._artists_limit = artists_limit
        self._cache: LRUCache[tuple[bytes, Header | None], _Answer] = LRUCache(cache_bytes, getsizeof=_size)

    async def recommend(self, query: RecommendQuery, deadline: float | None = None) -> bytes:
        """Make a slate: load, resolve, choose, encode.

        Args:
            query: What is asked for.
            deadline: When the caller stops waiting, on the clock of `time.monotonic`.

        Returns:
            A serialized ``RecommendResponse``.

        Raises:
            InvalidField: For a page token that does not belong to this query.
            NotFound: For a strategy that is not installed or not allowed.
            StrategyFailed: When the strategy that the query names, or every stage, failed.
            StrategyDeclined: When the strategy that the query names declined.
            Overloaded: When it could not begin in time.
            StoreUnavailable: When the profile cannot be read.
        """
        # load: the one read that decides whether a cached answer is still right
        header = await self._profiles.header(query.user_id)
        cached = self._cache.get((query.digest, header))
        if cached is not None:
            self._count(cached.strategy, degraded=False, cached=True)
            return cached.data

        # resolve: everything else that needs the store, a file or a session
        binding = ("recommend", self._catalog.version, query.user_id, query.strategy)
        shown = self._shown(binding, query.page_token)
        listener = await self._profiles.resolve(query.user_id, header)

        # choose: pure functions
        request = SlateRequest(
            limit=query.page_size,
            excluded=self._excluded(listener, query, shown),
            artists=self._catalog.main_artist[shown[-_ARTISTS:]].tolist(),
            seed=int.from_bytes(self._digest(listener, str(len(shown)).encode(), size=8)),
            artists_limit=self._artists_limit,
        )
        choose = partial(
            self._router.recommend, listener.profile, context=listener.context, name=query.strategy, deadline=deadline
        )
        slate = await choose(request)
        if not slate.items and request.artists:  # only the artists of the page before are left
            slate = await choose(replace(request, artists=()))

        # encode: to the bytes that go out, and into the cache
        answer = _Answer(self._encoded(binding, listener, slate, shown), slate.strategy)
        if not slate.degraded and _size(answer) <= self._cache.maxsize:
            self._cache[query.digest, listener.header] = answer
        self._count(slate.strategy, degraded=slate.degraded, cached=False)
        return answer.data

    def _shown(self, binding: tuple[str, ...], page_token: str) -> Rows:
        """Return the rows that earlier pages showed, in order."""
        return np.frombuffer(self._tokens.open(binding, page_token), dtype="<i4") if page_token else _NO_ROWS

    def _excluded(self, listener: Listener, query: RecommendQuery, shown: Rows) -> Rows:
        if not query.exclude_track_ids and len(shown) == 0:
            return listener.rated
        named = self._catalog.rows(query.exclude_track_ids)
        excluded = np.unique(np.concatenate([listener.rated, named[named >= 0], shown])).astype(np.int32)
        excluded.flags.writeable = False
        return excluded

    def _encoded(self, binding: tuple[str, ...], listener: Listener, slate: Slate, shown: Rows) -> bytes:
        rows = np.array([placed.choice.row for placed in slate.items], dtype="<i4")
        shown = np.concatenate([shown, rows])
        more = len(rows) > 0 and len(shown) < _MAX_PAGED  # a page may be short for want of other artists
        name = self._digest(listener, slate.strategy.encode() + b"\0" + shown.tobytes(), size=16).hex()
        token = self._tokens.seal(binding, shown.tobytes()) if more else ""
        return encode_slate(slate, rows, self._catalog, name, listener.profile.revision, token)

    def _digest(self, listener: Listener, what: bytes, size: int) -> bytes:
        """Return a digest of the state that an answer is made from, and of something else."""
        profile = listener.profile
        models = listener.header.models_revision if listener.header else 0
        state = f"{profile.user_id}\0{profile.revision}\0{models}\0{self._catalog.version}\0".encode()
        return hashlib.blake2b(state + what, digest_size=size).digest()

    def _count(self, strategy: str, *, degraded: bool, cached: bool) -> None:
        self._metrics.slates.labels(strategy, _word(degraded), _word(cached)).inc()


_NO_ROWS: Final[Rows] = np.array([], dtype=np.int32)


def _size(answer: _Answer) -> int:
    return len(answer.data) + ANSWER_BYTES


def _word(truth: bool) -> str:
    return "true" if truth else "false"
