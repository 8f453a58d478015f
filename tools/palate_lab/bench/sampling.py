"""Takes a sample of what drives a server."""

import os
import time
from collections.abc import Awaitable, Sequence

import numpy as np

from palate_lab.bench.process import ServerProcess, process_cpu_seconds
from palate_lab.bench.samples import Sample

__all__ = ["sampled"]


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
