"""A server as a process of its own, and what the system knows of it. Reads `/proc`, so it needs Linux."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from palate.errors import PalateError

__all__ = ["BenchmarkError", "Memory", "ServerProcess", "process_cpu_seconds", "start_server"]

_CPUCLOCK_SCHED: Final = 2
_LOG_LINES: Final = 5
_STOP_SECONDS: Final = 20


class BenchmarkError(PalateError):
    """A benchmark could not be carried through; figures from it would mean nothing."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a process holds in memory, in bytes.

    Attributes:
        resident: All pages in memory: RSS.
        proportional: The same with each shared page divided among its sharers: PSS.
        anonymous: Pages that no file backs; every further worker adds about as much.
        file_backed: Pages of mapped files, the catalog among them; workers share them.
    """

    resident: int
    proportional: int
    anonymous: int
    file_backed: int


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A running server.

    Attributes:
        pid: Its process.
        port: Where it listens.
        startup_seconds: From the start of the process until it served.
    """

    pid: int
    port: int
    startup_seconds: float

    @property
    def address(self) -> str:
        """Where it listens, ``HOST:PORT``."""
        return f"127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float:
        """Return the processor time that it has used so far, all threads together."""
        return process_cpu_seconds(self.pid)

    def memory(self) -> Memory:
        """Return what it holds in memory now."""
        lines = Path(f"/proc/{self.pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
        sizes = {name: int(size.split()[0]) * 1024 for name, _, size in (line.partition(":") for line in lines)}
        return Memory(
            sizes["Rss"], sizes["Pss"], anonymous=sizes["Anonymous"], file_backed=sizes["Rss"] - sizes["Anonymous"]
        )


def process_cpu_seconds(pid: int) -> float:
    """Return the processor time of another process, exact to nanoseconds where `/proc` counts in hundredths.

    Source:
        clock_getcpuclockid(3); the number of the clock is made as MAKE_PROCESS_CPUCLOCK of the Linux kernel does.
    """
    return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)


@contextmanager
def start_server(catalog: Path, data_dir: Path, payload_bytes: int = 0, **overrides: object) -> Iterator[ServerProcess]:
    """Start a server, wait until it serves, and drain it at the end.

    Args:
        catalog: Its catalog.
        data_dir: Its folder; made when it is missing.
        payload_bytes: How long the answers of the empty methods are.
        overrides: Further values of its configuration, by dotted key.

    Raises:
        BenchmarkError: When it does not serve, or does not end when it should.
    """
    command = [sys.executable, "-m", "palate_lab.bench.server", str(catalog), str(data_dir), str(payload_bytes)]
    command += [f"{key}={value}" for key, value in overrides.items()]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PALATE_")}
    data_dir.mkdir(exist_ok=True)
    log = data_dir / "server.log"
    started = time.perf_counter()
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment) as process,  # noqa: S603 - the command is ours
    ):
        try:
            port = process.stdout.readline() if process.stdout else ""
            if not port:
                raise BenchmarkError(f"the server did not start; its log ends with:\n{_tail(log)}")
            yield ServerProcess(process.pid, int(port), time.perf_counter() - started)
            process.terminate()
            if process.wait(_STOP_SECONDS):
                raise BenchmarkError(
                    f"the server ended with code {process.returncode}; its log ends with:\n{_tail(log)}"
                )
        finally:
            process.kill()


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8").splitlines()[-_LOG_LINES:])
