"""`palate lab bench`: makes the catalogs, measures, and prints the report."""

import asyncio
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

from palate.catalog.snapshot import Catalog
from palate_tools.catalog.bundled import bundled_catalog
from palate_tools.catalog.synthesize import synthesize
from palate_tools.tables import open_console
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from palate_lab.bench.blocking import BlockingFigures, measure_blocking
from palate_lab.bench.measure import Plan, Result, measure
from palate_lab.bench.models.measure import MODEL_ROWS, ModelPlan, measure_models
from palate_lab.bench.models.swaps import SwapLoad
from palate_lab.bench.report import print_report, write_json

__all__ = ["measure_all", "synthetic_catalog"]

_SEED: Final = 1
_CALLS: Final = "calls"
_BLOCKING: Final = "blocking"
_GROUPS: Final = (_CALLS, _BLOCKING, *MODEL_ROWS)
_LARGEST_FOR_MODELS: Final = 100_000
_SWAPPED_LISTENERS: Final = 50


def synthetic_catalog(cache: Path, tracks: int, progress: Callable[[int], None] | None = None) -> Path:
    """Return a catalog of so many tracks, making it when the cache does not have it.

    Args:
        cache: A folder; made when it is missing.
        tracks: How many tracks.
        progress: Called with numbers of further tracks while the catalog is made.

    Raises:
        CatalogError: The cache cannot be written.
    """
    sample_path = bundled_catalog(cache)
    path = cache / f"synthetic-{_fingerprint()}-{tracks}.catalog"
    if not path.exists():
        unfinished = path.with_suffix(".unfinished")
        with Catalog.open(sample_path) as sample:
            synthesize(sample, tracks, _SEED, unfinished, progress)
        shutil.move(unfinished, path)
    return path


def _fingerprint() -> str:
    """Name the code and the data that catalogs are made by, so that a change of either makes new ones."""
    folders = (files("palate.catalog"), files("palate_tools.catalog"), files("palate_tools").joinpath("data"))
    sources = sorted((entry for folder in folders for entry in folder.iterdir() if entry.is_file()), key=str)
    return hashlib.blake2b(b"\0".join(entry.read_bytes() for entry in sources), digest_size=6).hexdigest()


def measure_all(  # noqa: PLR0913 - an option each
    sizes: Sequence[int],
    *,
    seconds: float,
    rounds: int,
    concurrency: int,
    listeners: int,
    groups: tuple[str, ...],
    trained: int,
    labels: int,
    swaps: int,
    swaps_per_second: float,
    memory_swaps: int,
    cache: Path | None,
    json_path: Path | None,
) -> None:
    """Do what `palate lab bench` says: its options are the arguments."""
    cache = cache or Path(tempfile.gettempdir(), "palate-bench")
    with _progress() as progress:
        task = progress.add_task("")

        def say(what: str) -> None:
            progress.update(task, description=what)

        catalogs = []
        for size in sorted(set(sizes)):
            say(f"looking for a catalog of {size:,} tracks, or making it")
            catalogs.append(synthetic_catalog(cache, size))
        chosen = groups or _GROUPS
        plan = Plan(catalogs, seconds, rounds, concurrency, listeners)
        served_from = catalogs[_place_for_models(sorted(set(sizes)))]
        model_plan = ModelPlan(
            rows=[group for group in MODEL_ROWS if group in chosen],
            trained_on=[bundled_catalog(cache), served_from],
            served_from=served_from,
            trained=trained,
            labels=labels,
            swaps=SwapLoad(
                min(listeners, _SWAPPED_LISTENERS), concurrency, swaps, swaps_per_second, 2 * seconds, rounds
            ),
            memory_swaps=memory_swaps,
        )
        results: list[Result] = []
        blocking: list[BlockingFigures] = []
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            if _CALLS in chosen:
                results = asyncio.run(measure(plan, Path(folder), say))
            if _BLOCKING in chosen:
                say("looking for how long the event loop is held up")
                blocking = measure_blocking(catalogs[-1], Path(folder) / "blocking")
            models = measure_models(model_plan, Path(folder), say)
    print_report(results, blocking, models, open_console())
    if json_path is not None:
        write_json(results, blocking, models, (plan, model_plan), json_path)


def _place_for_models(sizes: Sequence[int]) -> int:
    """Return which of some ascending sizes the model rows use: the largest that is not too large."""
    return max(0, sum(size <= _LARGEST_FOR_MODELS for size in sizes) - 1)


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
