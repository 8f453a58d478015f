"""The benchmark: which calls are measured on which servers, in which order."""

import gc
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from palate.catalog.snapshot import Catalog

from palate_lab.bench.generator import Generator
from palate_lab.bench.h2load import available, h2load
from palate_lab.bench.process import Memory, ServerProcess, start_server
from palate_lab.bench.samples import Figures, Sample, figures
from palate_lab.bench.traffic import BARE, RECOMMEND, Listener, make_listeners

__all__ = ["Plan", "Result", "Workload", "measure", "workloads"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure.

    Attributes:
        catalogs: The catalog files, smallest first.
        seconds: How long each kind of call is measured on each catalog, all rounds together.
        rounds: In how many rounds.
        concurrency: How many calls are under way at the same time.
        listeners: How many listeners there are.
    """

    catalogs: Sequence[Path]
    seconds: float
    rounds: int
    concurrency: int
    listeners: int


@dataclass(slots=True)
class _Rig:
    """One server under measurement."""

    server: ServerProcess
    generator: Generator
    concurrency: int
    answer_bytes: int
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def calls_in(self, seconds: float, key: str) -> int:
        """Return how many calls of a kind that was measured before fit into some seconds."""
        return max(1, int(self.samples[key][-1].rate * seconds))


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of calls.

    Attributes:
        key: Its name in the JSON report.
        title: Its name in tables.
        run: Measures it on a rig for some seconds.
        base: The key of the empty RPC that it is compared with, made by the same generator.
        budget: The least ratio of its calls per second to that one's; None without a budget.
    """

    key: str
    title: str
    run: Callable[[_Rig, float], Awaitable[Sample]]
    base: str = "empty_bare"
    budget: float | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured on one catalog.

    Attributes:
        tracks: Its number of tracks.
        catalog_bytes: The size of its file.
        answer_bytes: The size of a Recommend answer and of the empty RPC's.
        startup_seconds: From the start of the server's process until it served.
        memory: The server's memory after the last round.
        rows: The figures of each workload, by its key.
        samples: What they were worked out from.
    """

    tracks: int
    catalog_bytes: int
    answer_bytes: int
    startup_seconds: float
    memory: Memory
    rows: Mapping[str, Figures]
    samples: Mapping[str, Sequence[Sample]]


async def _h2load_empty(rig: _Rig, seconds: float) -> Sample:
    calls = rig.calls_in(seconds, "empty_bare")
    return await h2load(rig.server, BARE, b"", calls, rig.concurrency, rig.answer_bytes)


async def _h2load_recommend(rig: _Rig, seconds: float) -> Sample:
    request, answer_bytes = rig.generator.steady_recommend(len(rig.samples["recommend_unchanged"]))
    calls = rig.calls_in(seconds, "recommend_unchanged")
    return await h2load(rig.server, RECOMMEND, request, calls, rig.concurrency, answer_bytes)


_WORKLOADS: Final = (
    Workload("empty_bare", "empty RPC", lambda rig, seconds: rig.generator.empty_bare(seconds)),
    Workload(
        "empty_intercepted", "empty RPC, intercepted", lambda rig, seconds: rig.generator.empty_intercepted(seconds)
    ),
    Workload(
        "recommend_unchanged",
        "Recommend, unchanged",
        lambda rig, seconds: rig.generator.recommend_unchanged(seconds),
        budget=0.5,
    ),
    Workload(
        "recommend_after_feedback",
        "Recommend after feedback",
        lambda rig, seconds: rig.generator.recommend_after_feedback(seconds),
    ),
    Workload(
        "session",
        "session",
        lambda rig, seconds: rig.generator.session(seconds),
        budget=0.3,
    ),
    Workload("record_feedback", "RecordFeedback", lambda rig, seconds: rig.generator.record_feedback(seconds)),
    Workload("rank", "Rank of 100", lambda rig, seconds: rig.generator.rank(seconds)),
)
_H2LOAD_WORKLOADS: Final = (
    Workload("h2load_empty_bare", "h2load: empty RPC", _h2load_empty, base="h2load_empty_bare"),
    Workload(
        "h2load_recommend_unchanged",
        "h2load: Recommend, unchanged",
        _h2load_recommend,
        base="h2load_empty_bare",
        budget=0.5,
    ),
)


def workloads() -> tuple[Workload, ...]:
    """Return all workloads, those of h2load only where it is installed."""
    return (*_WORKLOADS, *_H2LOAD_WORKLOADS) if available() else _WORKLOADS


async def measure(plan: Plan, folder: Path, progress: Callable[[str], None]) -> list[Result]:
    """Measure everything, in rounds of all workloads on all catalogs, so that slow minutes hit all alike.

    Args:
        plan: What to measure.
        folder: An empty folder on the disk that is to be measured.
        progress: Called with what is about to be done.

    Raises:
        BenchmarkError: When a call failed or a server did not do as it should.
    """
    async with AsyncExitStack() as stack:
        rigs = [
            await _set_up(plan, path, folder / str(number), stack, progress)
            for number, path in enumerate(plan.catalogs)
        ]
        with _undisturbed():
            for number in range(plan.rounds):
                for rig in rigs:
                    for workload in workloads():
                        progress(f"round {number + 1} of {plan.rounds}: {workload.title}")
                        sample = await workload.run(rig, plan.seconds / plan.rounds)
                        rig.samples.setdefault(workload.key, []).append(sample)
        return [_result(path, rig) for path, rig in zip(plan.catalogs, rigs, strict=True)]


async def _set_up(
    plan: Plan, catalog_path: Path, data_dir: Path, stack: AsyncExitStack, progress: Callable[[str], None]
) -> _Rig:
    """Prepare the listeners with one server, and start another one to be measured."""
    progress(f"preparing {plan.listeners} listeners on {catalog_path.name}")
    listeners = _listeners(catalog_path, plan.listeners)
    with start_server(catalog_path, data_dir) as server:
        generator = Generator(server, listeners, plan.concurrency)
        answer_bytes = await generator.prepare()
        await generator.close()
    server = stack.enter_context(start_server(catalog_path, data_dir, answer_bytes))
    generator = Generator(server, listeners, plan.concurrency)
    stack.push_async_callback(generator.close)
    await generator.warm_up()
    return _Rig(server, generator, plan.concurrency, answer_bytes)


def _listeners(catalog_path: Path, count: int) -> list[Listener]:
    with Catalog.open(catalog_path) as catalog:
        return make_listeners(catalog, count)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep the garbage collector of this process, which is the load generator, out of the figures."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _result(catalog_path: Path, rig: _Rig) -> Result:
    with Catalog.open(catalog_path) as catalog:
        tracks = len(catalog)
    return Result(
        tracks=tracks,
        catalog_bytes=catalog_path.stat().st_size,
        answer_bytes=rig.answer_bytes,
        startup_seconds=rig.server.startup_seconds,
        memory=rig.server.memory(),
        rows={workload.key: figures(rig.samples[workload.key], rig.samples[workload.base]) for workload in workloads()},
        samples=rig.samples,
    )
