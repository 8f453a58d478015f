"""For how long one heavy call holds up the event loop, and so every other call of the server.

The parts of the server run here on a loop of their own, over a real store, beside a task that does nothing but notice
how long it had to wait for its next run. No network is involved, so that nothing else waits.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from palate.app.config import load_config
from palate.catalog.snapshot import Catalog
from palate.domain import EventKind
from palate.metrics import Metrics
from palate.models.cache import ModelCache
from palate.plugins.registry import Registry
from palate.serving.feedback import Feedback, FeedbackService
from palate.serving.fields import PageTokens
from palate.serving.profile_views import ProfileService
from palate.serving.profiles import Profiles
from palate.serving.rank import RankQuery, RankService
from palate.serving.recommend import RecommendQuery, RecommendService
from palate.serving.router import Router
from palate.store import open_store
from palate.store.contract import Store

__all__ = ["BlockingFigures", "measure_blocking"]

_TASTES: Final = 50
_RATINGS: Final = 10_000
_BATCH: Final = 1_000
_REPETITIONS: Final = 15
_USER: Final = "ana"
_SEED: Final = 5
_RANKED: Final = 1_000


@dataclass(frozen=True, slots=True)
class BlockingFigures:
    """One kind of call.

    Attributes:
        call: What was called.
        tracks: The catalog's number of tracks.
        tastes: The listener's number of tastes.
        ratings: The listener's number of rated tracks.
        took: Median seconds of a call.
        blocked: Median over the calls of the longest time for which the event loop stood still, in seconds.
        worst: The longest of all.
    """

    call: str
    tracks: int
    tastes: int
    ratings: int
    took: float
    blocked: float
    worst: float


class _Watch:
    """Notices the longest time between two runs of a task that always wants to run."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def run(self) -> None:
        """Watch until cancelled."""
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            self.longest = max(self.longest, now - last)
            last = now


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of a server that a call passes through."""

    catalog: Catalog
    feedback: FeedbackService
    recommend: RecommendService
    rank: RankService
    profiles: ProfileService


def measure_blocking(catalog_path: Path, data_dir: Path) -> list[BlockingFigures]:
    """Measure a listener of 10,000 ratings in 50 tastes, or as many as the catalog has clusters that are large enough.

    Args:
        catalog_path: The catalog.
        data_dir: An empty folder; made when it is missing.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with Catalog.open(catalog_path) as catalog, closing(open_store(f"sqlite:///{data_dir / 'palate.db'}")) as store:
        liked = _populate(catalog, store)
        return asyncio.run(_measure_all(catalog, store, liked))


def _populate(catalog: Catalog, store: Store) -> Sequence[str]:
    """Rate tracks of many clusters, and return some tracks more to like later."""
    random = np.random.default_rng(_SEED)
    counts = np.array(catalog.track_counts)
    counts[sorted(catalog.excluded_clusters)] = 0
    clusters = [number for number in np.argsort(-counts)[:_TASTES].tolist() if counts[number] > 1]
    shares = np.minimum(_RATINGS // len(clusters), counts[clusters] // 2)
    drawn = [
        random.choice(np.flatnonzero(catalog.cluster == number), share + 1, replace=False)
        for number, share in zip(clusters, shares.tolist(), strict=True)
    ]
    rated = random.permutation(np.concatenate([rows[:-1] for rows in drawn])).astype(np.int32)
    kinds = random.choice([EventKind.LIKE, EventKind.DISLIKE], len(rated), p=[0.6, 0.4])
    feedback = [
        Feedback(_USER, EventKind(int(kind)), track_id)
        for kind, track_id in zip(kinds, catalog.track_ids(rated), strict=True)
    ]
    with closing(FeedbackService(store, catalog)) as service:
        for start in range(0, len(feedback), _BATCH):
            service.record(feedback[start : start + _BATCH]).result()
    return catalog.track_ids(np.array([rows[-1] for rows in drawn], dtype=np.int32))


async def _measure_all(catalog: Catalog, store: Store, later: Sequence[str]) -> list[BlockingFigures]:
    with ExitStack() as stack:
        parts = _assemble(catalog, store, stack)
        view = await parts.profiles.view(_USER)
        figures = []
        for call, make in _calls(parts, later).items():
            took, longest = await _timed(make)
            figures.append(
                BlockingFigures(
                    call,
                    len(catalog),
                    len(view.tastes),
                    view.profile.interaction_count,
                    float(np.median(took)),
                    float(np.median(longest)),
                    max(longest),
                )
            )
        return figures


def _assemble(catalog: Catalog, store: Store, stack: ExitStack) -> _Parts:
    config, metrics = load_config(None), Metrics()
    router = stack.enter_context(closing(Router(Registry.load({}, {}), config.strategies.timeout_seconds, metrics)))
    models = stack.enter_context(
        closing(ModelCache(store.models, catalog.feature_map.fingerprint, config.models.session_bytes, metrics))
    )
    cache = config.cache
    profiles = Profiles(store, catalog, models, cache.max_ratings, cache.candidate_bytes, metrics)
    tokens = PageTokens(bytes(32))
    return _Parts(
        catalog,
        stack.enter_context(closing(FeedbackService(store, catalog))),
        RecommendService(catalog, profiles, router, tokens, cache.slate_bytes, metrics),
        RankService(catalog, profiles, router, metrics),
        ProfileService(catalog, store, profiles, router),
    )


def _calls(parts: _Parts, later: Sequence[str]) -> dict[str, Callable[[int], Awaitable[object]]]:
    """Return what is called, by name; each call but the first comes right after a like."""

    async def liked(number: int) -> None:
        track_id = later[number % len(later)]
        await asyncio.wrap_future(parts.feedback.record([Feedback(_USER, EventKind.LIKE, track_id)]))

    def recommend(page_size: int) -> Callable[[int], Awaitable[object]]:
        async def call(number: int) -> None:
            await liked(number)
            await parts.recommend.recommend(RecommendQuery(_USER, page_size, digest=f"{page_size} {number}".encode()))

        return call

    ranked = list(_ranked(parts.catalog))

    def rank(count: int) -> Callable[[int], Awaitable[object]]:
        async def call(number: int) -> None:
            await liked(number)
            await parts.rank.rank(RankQuery(_USER, ranked[:count]))

        return call

    async def profile(number: int) -> None:
        await liked(number)
        await parts.profiles.view(_USER)

    return {
        "Recommend, 10 items": recommend(10),
        "Recommend, 100 items": recommend(100),
        "Rank of 100": rank(100),
        "Rank of 1,000": rank(_RANKED),
        "GetProfile": profile,
    }


def _ranked(catalog: Catalog) -> Iterator[str]:
    rows = np.random.default_rng(_SEED).choice(len(catalog), min(_RANKED, len(catalog)), replace=False)
    yield from catalog.track_ids(rows.astype(np.int32))


async def _timed(call: Callable[[int], Awaitable[object]]) -> tuple[list[float], list[float]]:
    """Return how long each of many calls took, and the longest time for which the loop stood still meanwhile."""
    took, longest = [], []
    for number in range(_REPETITIONS):
        watch = _Watch()
        watching = asyncio.create_task(watch.run())
        await asyncio.sleep(0)
        started = time.perf_counter()
        await call(number)
        took.append(time.perf_counter() - started)
        watching.cancel()
        longest.append(watch.longest)
    return took, longest
