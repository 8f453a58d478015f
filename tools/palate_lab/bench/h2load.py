"""The same calls from nghttp2's `h2load`, which takes a fraction of the processor time of any client in Python."""

import asyncio
import re
import resource
import shutil
import tempfile
from pathlib import Path
from typing import Final

import numpy as np

from palate_lab.bench.process import BenchmarkError, ServerProcess
from palate_lab.bench.samples import Sample

__all__ = ["available", "h2load"]

_FINISHED: Final = re.compile(r"finished in ([\d.]+)(us|ms|s)")
_SUCCEEDED: Final = re.compile(r"(\d+) succeeded, 0 failed, 0 errored")
_DATA: Final = re.compile(r"\((\d+)\) data")
_UNITS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_PREFIX_BYTES: Final = 5
"""What gRPC puts before each message: a flag and the message's length."""


def available() -> bool:
    """Return whether h2load is there."""
    return shutil.which("h2load") is not None


async def h2load(
    server: ServerProcess, method: str, request: bytes, calls: int, concurrency: int, answer_bytes: int
) -> Sample:
    """Make so many equal calls.

    Args:
        server: The server.
        method: The path of the method.
        request: The serialized request.
        calls: How many.
        concurrency: How many calls are under way at the same time, on one connection.
        answer_bytes: The size of each answer; h2load sees no gRPC status, but a failed call has no answer.

    Raises:
        BenchmarkError: When not every call was answered.
    """
    with tempfile.TemporaryDirectory() as folder:
        body, log = _body(folder, request), Path(folder, "log")
        command = ["h2load", f"-n{calls}", "-c1", f"-m{concurrency}", f"-d{body}", f"--log-file={log}"]
        command += ["-Hcontent-type: application/grpc", "-Hte: trailers", f"http://{server.address}{method}"]
        server_cpu, own_cpu = server.cpu_seconds(), _children_cpu()
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        output = (await process.communicate())[0].decode()
        sample = Sample(
            calls=calls,
            seconds=_seconds(output),
            latencies=np.loadtxt(log, usecols=2, ndmin=1) * 1e-6,
            server_cpu=server.cpu_seconds() - server_cpu,
            generator_cpu=_children_cpu() - own_cpu,
        )
    _require_answers(output, calls, answer_bytes)
    return sample


def _body(folder: str, request: bytes) -> Path:
    """Write a request as gRPC frames it."""
    path = Path(folder, "body")
    path.write_bytes(b"\0" + len(request).to_bytes(_PREFIX_BYTES - 1) + request)
    return path


def _seconds(output: str) -> float:
    found = _FINISHED.search(output)
    if found is None:
        raise BenchmarkError(f"h2load did not finish; it said:\n{output}")
    return float(found[1]) * _UNITS[found[2]]


def _require_answers(output: str, calls: int, answer_bytes: int) -> None:
    succeeded, data = _SUCCEEDED.search(output), _DATA.search(output)
    if succeeded is None or data is None or int(succeeded[1]) != calls:
        raise BenchmarkError(f"h2load had calls that failed; it said:\n{output}")
    if int(data[1]) != calls * (_PREFIX_BYTES + answer_bytes):
        raise BenchmarkError(
            f"h2load got {data[1]} bytes instead of {calls} answers of {answer_bytes}; it said:\n{output}"
        )


def _children_cpu() -> float:
    """Return the processor time of the child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
