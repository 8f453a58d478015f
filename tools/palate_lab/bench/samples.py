"""Takes samples of what drives a server, and says what they come to over several rounds."""

import os
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from palate_lab.bench.process import ServerProcess, process_cpu_seconds

__all__ = ["Figures", "Sample", "figures", "growth_per_tenfold", "sampled"]

_QUANTILES: Final = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Sample:
    """One stretch of calls of one kind.

    Attributes:
        calls: How many.
        seconds: How long they took together.
        latencies: float64 ``(calls,)``, seconds from sending a call to holding its answer.
        server_cpu: Processor seconds that the server used meanwhile.
        generator_cpu: The same of the load generator.
    """

    calls: int
    seconds: float
    latencies: NDArray[np.float64]
    server_cpu: float
    generator_cpu: float

    @property
    def rate(self) -> float:
        """Calls per second."""
        return self.calls / self.seconds

    @property
    def cpu_per_call(self) -> float:
        """Processor seconds of the server for one call."""
        return self.server_cpu / self.calls

    def __add__(self, other: "Sample") -> "Sample":
        return Sample(
            self.calls + other.calls,
            self.seconds + other.seconds,
            np.concatenate([self.latencies, other.latencies]),
            self.server_cpu + other.server_cpu,
            self.generator_cpu + other.generator_cpu,
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """One row of the report: medians over the rounds.

    Attributes:
        calls: All calls of all rounds.
        rate: Calls per second.
        p50: Median latency, seconds.
        p95: 95th percentile of the latency, seconds.
        p99: 99th percentile of the latency, seconds.
        cpu_per_call: Processor seconds of the server for one call.
        generator_load: Share of one core that the load generator used; near 1 it was what set the pace.
        rate_ratio: Calls per second as a share of the empty RPC's in the same round.
        cpu_ratio: Processor time of the empty RPC as a share of this call's in the same round.
    """

    calls: int
    rate: float
    p50: float
    p95: float
    p99: float
    cpu_per_call: float
    generator_load: float
    rate_ratio: float
    cpu_ratio: float


def figures(rounds: Sequence[Sample], empty: Sequence[Sample]) -> Figures:
    """Work out a row from its rounds and those of the empty RPC."""
    pairs = list(zip(rounds, empty, strict=True))
    p50, p95, p99 = np.median([np.quantile(sample.latencies, _QUANTILES) for sample in rounds], axis=0).tolist()
    return Figures(
        calls=sum(sample.calls for sample in rounds),
        rate=_median([sample.rate for sample in rounds]),
        p50=p50,
        p95=p95,
        p99=p99,
        cpu_per_call=_median([sample.cpu_per_call for sample in rounds]),
        generator_load=_median([sample.generator_cpu / sample.seconds for sample in rounds]),
        rate_ratio=_median([sample.rate / base.rate for sample, base in pairs]),
        cpu_ratio=_median([base.cpu_per_call / sample.cpu_per_call for sample, base in pairs]),
    )


def growth_per_tenfold(smaller: Sequence[Sample], larger: Sequence[Sample], factor: float) -> tuple[float, float]:
    """Return how many times as long a call takes on a catalog ten times as large.

    Args:
        smaller: The rounds on one catalog.
        larger: The rounds on a larger one.
        factor: How many times as many tracks that one has.

    Returns:
        The growth of the median latency and of the server's processor time.
    """
    pairs = list(zip(smaller, larger, strict=True))
    latency = _median([float(np.median(after.latencies) / np.median(before.latencies)) for before, after in pairs])
    cpu = _median([after.cpu_per_call / before.cpu_per_call for before, after in pairs])
    exponent = 1 / np.log10(factor)
    return float(latency**exponent), float(cpu**exponent)


def _median(values: Sequence[float]) -> float:
    return float(np.median(values))


async def sampled(server: ServerProcess, work: Awaitable[object], latencies: Sequence[float]) -> Sample:
    """Wait for work that notes the latency of each of its calls, and return what it came to.

    Args:
        server: Whom it calls.
        work: The work, which has not begun yet.
        latencies: Where it notes them, in seconds.
    """
    server_cpu, own_cpu = server.cpu_seconds(), process_cpu_seconds(os.getpid())
    started = time.perf_counter()
    await work
    return Sample(
        calls=len(latencies),
        seconds=time.perf_counter() - started,
        latencies=np.array(latencies),
        server_cpu=server.cpu_seconds() - server_cpu,
        generator_cpu=process_cpu_seconds(os.getpid()) - own_cpu,
    )
