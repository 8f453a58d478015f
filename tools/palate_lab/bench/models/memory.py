"""Resident memory of a server that loads one new version after the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from palate.catalog.snapshot import Catalog

from palate_lab.bench.models.publisher import Publisher, prepare, publisher
from palate_lab.bench.models.watching import Asking, Watch, ask_until_current, asking
from palate_lab.bench.process import BenchmarkError, start_server

__all__ = ["MemoryCurve", "measure_memory"]

_LISTENERS: Final = 4
_POINTS: Final = 40
_CACHES: Final = {
    "models.session_bytes": 16 * 2**20,
    "cache.slate_bytes": 300_000,
    "cache.candidate_bytes": 2_000_000,
}
"""Small, so that the server's caches are full early, and each further swap drops a session, a slate, and what an old
model said of its candidates."""


@dataclass(frozen=True, slots=True)
class MemoryCurve:
    """How memory went.

    Attributes:
        tracks: The catalog's number of tracks.
        swaps: After how many swaps each point was read, int ``(points,)``; the first is before any.
        resident: The server's RSS at each point, bytes.
        publish_seconds: Median seconds of a publishing transaction in each quarter of the swaps.
    """

    tracks: int
    swaps: Sequence[int]
    resident: Sequence[int]
    publish_seconds: Sequence[float]

    @property
    def slope(self) -> float:
        """Bytes for each swap, by least squares over the last half."""
        return float(np.polyfit(*self._last_half(), 1)[0])

    @property
    def slope_error(self) -> float:
        """Standard error of the slope."""
        swaps, resident = self._last_half()
        rest = resident - np.polyval(np.polyfit(swaps, resident, 1), swaps)
        spread = np.square(swaps - swaps.mean()).sum()
        return float(np.sqrt(rest @ rest / (len(swaps) - 2) / spread))

    @property
    def growth(self) -> float:
        """How many times as large memory is at the end of the last half as at its begin, along the fitted line."""
        swaps, resident = self._last_half()
        line = np.polyval(np.polyfit(swaps, resident, 1), swaps[[0, -1]])
        return float(line[1] / line[0])

    def _last_half(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        half = len(self.swaps) // 2
        return np.array(self.swaps[half:], np.float64), np.array(self.resident[half:], np.float64)


async def measure_memory(
    catalog_path: Path, data_dir: Path, swaps: int, progress: Callable[[str], None]
) -> MemoryCurve:
    """Publish versions one by one, and after each call Recommend for its listener, whose answer must name it.

    Args:
        catalog_path: The catalog.
        data_dir: An empty folder; made when it is missing.
        swaps: How many versions.
        progress: Called with what is about to be done.

    Raises:
        BenchmarkError: When an answer did not name the version, which then had not been loaded.
    """
    watch = Watch(prepare(catalog_path, data_dir, _LISTENERS))
    before, step = len(watch.publications), max(1, swaps // _POINTS)
    counts, resident = list[int](), list[int]()
    with start_server(catalog_path, data_dir, **_CACHES) as server:
        async with asking(server) as recommend, publisher(catalog_path, data_dir, watch) as publishing:
            for number in range(0, swaps + 1, step):
                progress(f"memory: {number:,} of {swaps:,} swaps")
                counts.append(number)
                resident.append(server.memory().resident)
                for _ in range(min(step, swaps - number)):
                    await _swap(publishing, recommend, watch)
    seconds = [publication.seconds for publication in watch.publications[before:]]
    quarters = [float(np.median(part)) for part in np.array_split(seconds, 4) if len(part)]
    with Catalog.open(catalog_path) as catalog:
        return MemoryCurve(len(catalog), counts, resident, quarters)


async def _swap(publishing: Publisher, recommend: Asking, watch: Watch) -> None:
    [publication] = await publishing.publish(1)
    named = await ask_until_current(recommend, watch, publication.user_id)
    if publication.taste_id not in named:
        raise BenchmarkError(f"{publication.version} was published, but the next answer has nothing of its taste")
