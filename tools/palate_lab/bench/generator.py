"""The load generator: calls with bytes that are ready, from several workers on one connection."""

import asyncio
import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias

import grpc
import numpy as np
from palate.v1 import recommendation_pb2

from palate_lab.bench.process import BenchmarkError, ServerProcess
from palate_lab.bench.samples import Sample, sampled
from palate_lab.bench.traffic import BARE, BATCH, INTERCEPTED, RANK, RECOMMEND, RECORD, Listener, with_request_id

__all__ = ["Generator"]

_FEEDBACKS_OF_A_SESSION: Final = 3
_CHUNK: Final = 100
_ITEMS: Final = 10
_FOREVER: Final = float("inf")

_Job: TypeAlias = Sequence[tuple[str, bytes]]
"""Calls that follow one another: methods and requests."""


class Generator:
    """Drives one server with listeners of three tastes.

    Half of the listeners never give feedback once they are prepared; the others are those of the workloads with
    feedback. A call that fails ends the benchmark.

    Args:
        server: The server.
        listeners: Their requests; an even number of listeners.
        concurrency: How many calls are under way at the same time.
    """

    def __init__(self, server: ServerProcess, listeners: Sequence[Listener], concurrency: int) -> None:
        self._server = server
        self._concurrency = concurrency
        self._channel = grpc.aio.insecure_channel(server.address)
        self._methods: dict[str, Any] = {
            method: self._channel.unary_unary(method) for method in (BARE, INTERCEPTED, RECOMMEND, RANK, RECORD, BATCH)
        }
        self._listeners = listeners
        self._steady = listeners[: len(listeners) // 2]
        active = listeners[len(listeners) // 2 :]
        self._active = itertools.cycle(
            [(listener.recommend, itertools.cycle(listener.feedback)) for listener in active]
        )
        self._chunk = min(_CHUNK, len(active))
        self._request_ids = itertools.count()
        self._answers: dict[bytes, bytes] = {}

    async def close(self) -> None:
        """Disconnect."""
        await self._channel.close()

    async def prepare(self) -> int:
        """Give every listener their tastes. Return the median size of their Recommend answers in bytes."""
        await self._drive(((BATCH, listener.preparation),) for listener in self._listeners)
        await self.warm_up()
        return int(np.median([len(answer) for answer in self._answers.values()]))

    async def warm_up(self) -> None:
        """Ask for every listener's slate once, and check it."""
        for listener in self._listeners:
            answer = await self._call(RECOMMEND, listener.recommend)
            slate = recommendation_pb2.RecommendResponse.FromString(answer)
            if len(slate.items) != _ITEMS or slate.strategy != "ranking":
                raise BenchmarkError(
                    f"{len(slate.items)} items of {slate.strategy!r} came back instead of ten of ranking"
                )
            self._answers[listener.recommend] = answer

    async def empty_bare(self, seconds: float) -> Sample:
        """Call the empty RPC that passes nothing of palate."""
        return await self._drive(itertools.repeat(((BARE, b""),)), seconds)

    async def empty_intercepted(self, seconds: float) -> Sample:
        """Call the empty RPC that passes palate's interceptor."""
        return await self._drive(itertools.repeat(((INTERCEPTED, b""),)), seconds)

    async def recommend_unchanged(self, seconds: float) -> Sample:
        """Call Recommend for listeners whose profiles do not change."""
        jobs = (((RECOMMEND, listener.recommend),) for listener in itertools.cycle(self._steady))
        sample = await self._drive(jobs, seconds)
        request = self._steady[0].recommend
        if await self._call(RECOMMEND, request) != self._answers[request]:
            raise BenchmarkError("the slate of an unchanged profile changed")
        return sample

    async def recommend_after_feedback(self, seconds: float) -> Sample:
        """Call Recommend for listeners of whom each has given one feedback since; only Recommend is measured."""
        total: Sample | None = None
        while total is None or total.seconds < seconds:
            chunk = list(itertools.islice(self._active, self._chunk))
            await self._drive(((RECORD, self._next(feedback)),) for _, feedback in chunk)
            sample = await self._drive(((RECOMMEND, recommend),) for recommend, _ in chunk)
            total = sample if total is None else total + sample
        return total

    async def session(self, seconds: float) -> Sample:
        """Call Recommend and then three times RecordFeedback for one listener after the other."""
        return await self._drive(itertools.starmap(self._session, self._active), seconds)

    async def record_feedback(self, seconds: float) -> Sample:
        """Call RecordFeedback for one listener after the other."""
        return await self._drive((((RECORD, self._next(feedback)),) for _, feedback in self._active), seconds)

    async def rank(self, seconds: float) -> Sample:
        """Call Rank of a hundred tracks for listeners whose profiles do not change."""
        return await self._drive((((RANK, listener.rank),) for listener in itertools.cycle(self._steady)), seconds)

    def steady_recommend(self, number: int) -> tuple[bytes, int]:
        """Return the Recommend of one listener whose profile does not change, and the size of its answer."""
        request = self._steady[number % len(self._steady)].recommend
        return request, len(self._answers[request])

    def _session(self, recommend: bytes, feedback: Iterator[bytes]) -> _Job:
        return [(RECOMMEND, recommend), *((RECORD, self._next(feedback)) for _ in range(_FEEDBACKS_OF_A_SESSION))]

    def _next(self, feedback: Iterator[bytes]) -> bytes:
        return with_request_id(next(feedback), next(self._request_ids))

    async def _drive(self, jobs: Iterable[_Job], seconds: float = _FOREVER) -> Sample:
        """Let the workers do jobs until there are none left or the time is over."""
        jobs, latencies = iter(jobs), list[float]()
        end = time.perf_counter() + seconds
        work = asyncio.gather(*(self._work(jobs, end, latencies) for _ in range(self._concurrency)))
        return await sampled(self._server, work, latencies)

    async def _work(self, jobs: Iterator[_Job], end: float, latencies: list[float]) -> None:
        for job in jobs:
            for method, request in job:
                started = time.perf_counter()
                await self._call(method, request)
                latencies.append(time.perf_counter() - started)
            if time.perf_counter() >= end:
                return

    async def _call(self, method: str, request: bytes) -> bytes:
        try:
            answer: bytes = await self._methods[method](request)
        except grpc.aio.AioRpcError as error:
            raise BenchmarkError(f"{method} failed: {error.code().name}: {error.details()}") from error
        return answer
