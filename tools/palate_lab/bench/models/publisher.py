"""The publishing process as the benchmark sees it."""

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Final

from palate.catalog.snapshot import Catalog
from palate.store import open_store

from palate_lab.bench.models.population import populate, read_graphs, store_config, write_graphs
from palate_lab.bench.models.publishing import Publication, publish, targets
from palate_lab.bench.models.watching import Watch
from palate_lab.bench.process import BenchmarkError

__all__ = ["Publisher", "prepare", "publisher"]

_LABELS: Final = 200
_GRAPHS: Final = "graphs"


class Publisher:
    """The publishing process, and what it says.

    Args:
        orders: Its standard input.
        answers: Its standard output.
        watch: Is told of every acknowledged version.
    """

    def __init__(self, orders: asyncio.StreamWriter, answers: asyncio.StreamReader, watch: Watch) -> None:
        self._orders = orders
        self._answers = answers
        self._watch = watch

    async def publish(self, count: int, pause: float = 0.0) -> Sequence[Publication]:
        """Publish so many versions with so many seconds between the starts of two; return when all are acknowledged.

        Raises:
            BenchmarkError: When the process ended.
        """
        self._orders.write(f"{count} {pause}\n".encode())
        done = []
        while (line := await self._answers.readline()) != b"\n":
            if not line:
                raise BenchmarkError("the publishing process ended; its error stands above")
            done.append(Publication.from_line(line.decode()))
            self._watch.note(done[-1])
        return done


def prepare(catalog_path: Path, data_dir: Path, listeners: int) -> list[Publication]:
    """Make listeners of three tastes, each taste with a model of its own, and the rest with a common model.

    Returns:
        What was published.
    """
    config = store_config(catalog_path, data_dir)
    user_ids = populate(config, listeners, _LABELS)
    write_graphs(config, user_ids[0], data_dir / _GRAPHS)
    graphs = itertools.cycle(read_graphs(data_dir / _GRAPHS))
    with Catalog.open(catalog_path) as catalog, closing(open_store(config.store_url)) as store:
        places = targets(store, catalog.feature_map.fingerprint)
        common = {target.user_id: replace(target, taste_id="") for target in places}
        return [publish(store, target, next(graphs)) for target in (*common.values(), *places)]


@asynccontextmanager
async def publisher(catalog_path: Path, data_dir: Path, watch: Watch) -> AsyncIterator[Publisher]:
    """Start the publishing process; it ends with the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "palate_lab.bench.models.publishing", str(catalog_path), str(data_dir), str(data_dir / _GRAPHS)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    if process.stdin is None or process.stdout is None:
        raise BenchmarkError("the publishing process has no pipes")
    try:
        yield Publisher(process.stdin, process.stdout, watch)
        process.stdin.close()
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
