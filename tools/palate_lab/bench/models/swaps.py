"""Recommend under load while a second process publishes new versions: what each answer names, and how fast it is."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from palate.catalog.snapshot import Catalog

from palate_lab.bench.models.publisher import prepare, publisher
from palate_lab.bench.models.watching import Asking, Watch, ask_until_current, asking
from palate_lab.bench.process import ServerProcess, start_server
from palate_lab.bench.samples import Sample, sampled

__all__ = ["SwapFigures", "SwapLoad", "measure_swaps"]


@dataclass(frozen=True, slots=True)
class SwapLoad:
    """How much of everything.

    Attributes:
        listeners: How many listeners of three tastes ask, one after the other.
        concurrency: How many calls are under way at the same time.
        swaps: How many versions are published, all rounds together.
        swaps_per_second: How many of them in a second.
        quiet_seconds: How long Recommend is measured without swaps, all rounds together.
        rounds: In how many rounds.
    """

    listeners: int
    concurrency: int
    swaps: int
    swaps_per_second: float
    quiet_seconds: float
    rounds: int


@dataclass(frozen=True, slots=True)
class SwapFigures:
    """Recommend with and without swaps, in rounds that alternate.

    Attributes:
        tracks: The catalog's number of tracks.
        swaps: How many versions were published.
        answers: How many answers were checked.
        degraded: How many of them came from a stage below, since the stage had run out of time.
        quiet: A sample for each round without swaps.
        swapping: A sample for each round with swaps.
        publish_p50: Median seconds of a publishing transaction under load.
        publish_p99: The 99th percentile of it.
    """

    tracks: int
    swaps: int
    answers: int
    degraded: int
    quiet: Sequence[Sample]
    swapping: Sequence[Sample]
    publish_p50: float
    publish_p99: float

    @property
    def p99_ratio(self) -> float:
        """How many times as long as in the quiet the slowest hundredth takes, the median of the rounds' ratios."""
        pairs = zip(self.swapping, self.quiet, strict=True)
        return float(np.median([_p99(swapping) / _p99(quiet) for swapping, quiet in pairs]))


async def measure_swaps(
    catalog_path: Path, data_dir: Path, load: SwapLoad, progress: Callable[[str], None]
) -> SwapFigures:
    """Drive Recommend, in rounds with and without a process that publishes new versions.

    Args:
        catalog_path: The catalog.
        data_dir: An empty folder on the disk that is to be measured; made when it is missing.
        load: How much of everything.
        progress: Called with what is about to be done.

    Raises:
        BenchmarkError: When a call failed or an answer did not name what it should.
    """
    progress("swaps: preparing listeners")
    watch = Watch(prepare(catalog_path, data_dir, load.listeners))
    before = len(watch.publications)
    in_round, pause = load.swaps // load.rounds, 1 / load.swaps_per_second
    quiet, swapping = list[Sample](), list[Sample]()
    with start_server(catalog_path, data_dir) as server:
        async with asking(server) as recommend, publisher(catalog_path, data_dir, watch) as publishing:
            driver = _Driver(server, recommend, watch, load.concurrency)
            await driver.drive(asyncio.sleep(1))
            for number in range(load.rounds):
                progress(f"swaps: round {number + 1} of {load.rounds}")
                quiet.append(await driver.drive(asyncio.sleep(load.quiet_seconds / load.rounds)))
                swapping.append(await driver.drive(publishing.publish(in_round, pause)))
                await driver.require_latest()
    watch.settle()
    publications = watch.publications[before:]
    p50, p99 = np.quantile([publication.seconds for publication in publications], [0.5, 0.99]).tolist()
    with Catalog.open(catalog_path) as catalog:
        return SwapFigures(len(catalog), len(publications), driver.answers, watch.degraded, quiet, swapping, p50, p99)


class _Driver:
    """Asks for all listeners in turn, and checks every answer.

    Attributes:
        answers: How many answers were checked.
    """

    def __init__(self, server: ServerProcess, recommend: Asking, watch: Watch, concurrency: int) -> None:
        self._server = server
        self._recommend = recommend
        self._watch = watch
        self._concurrency = concurrency
        self._turns = itertools.cycle(watch.user_ids)
        self.answers = 0

    async def drive(self, until: Awaitable[object]) -> Sample:
        """Let the workers ask until something else is done."""
        done = asyncio.ensure_future(until)
        latencies = list[float]()
        work = asyncio.gather(*(self._work(done, latencies) for _ in range(self._concurrency)), done)
        return await sampled(self._server, work, latencies)

    async def require_latest(self) -> None:
        """Check that every listener's next answer names the version of each taste that was published last."""
        for user_id in self._watch.user_ids:
            await ask_until_current(self._recommend, self._watch, user_id)

    async def _work(self, done: asyncio.Future[object], latencies: list[float]) -> None:
        while not done.done():
            user_id = next(self._turns)
            latest = self._watch.latest(user_id)
            started = time.perf_counter()
            answer = await self._recommend(user_id)
            latencies.append(time.perf_counter() - started)
            self._watch.check(user_id, latest, answer)
            self.answers += 1


def _p99(sample: Sample) -> float:
    return float(np.quantile(sample.latencies, 0.99))
