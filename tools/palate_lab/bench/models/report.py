"""The model rows, for people and as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from palate_lab.bench.models.measure import ModelResults
from palate_lab.bench.models.memory import MemoryCurve
from palate_lab.bench.models.scoring import ScoringFigures
from palate_lab.bench.models.swaps import SwapFigures
from palate_lab.bench.models.training import TrainingFigures
from palate_lab.bench.samples import Sample

__all__ = ["model_document", "print_models", "table"]

_BARS: Final = "▁▂▃▄▅▆▇█"


def table(title: str, *columns: str) -> Table:
    """Return an empty table whose first column names the row; the others hold figures."""
    made = Table(title=title, title_justify="left")
    made.add_column(no_wrap=True)
    for column in columns:
        made.add_column(column, justify="right")
    return made


def print_models(results: ModelResults, console: Console) -> None:
    """Print a table for each group of rows that was measured."""
    for shown in _tables(results):
        console.print(shown, "")
    if results.memory is not None:
        console.print(_sparkline(results.memory.resident), "", highlight=False)


def model_document(results: ModelResults) -> dict[str, Any]:
    """Return all figures for the JSON report. Times are in seconds, sizes in bytes."""
    swaps, memory = results.swaps, results.memory
    return {
        "training": [
            asdict(row) | {"rate_ratio": row.rate_ratio, "cpu_ratio": row.cpu_ratio} for row in results.training
        ],
        "scoring": [asdict(row) | {"ratio": row.ratio} for row in results.scoring],
        "swaps": None if swaps is None else _swaps_document(swaps),
        "memory": None if memory is None else _memory_document(memory),
    }


def _tables(results: ModelResults) -> Iterator[Table]:
    if results.training:
        yield _training_table(results.training)
    if results.scoring:
        yield _scoring_table(results.scoring)
    if results.swaps is not None:
        yield _swaps_table(results.swaps)
    if results.memory is not None:
        yield _memory_table(results.memory)


def _training_table(rows: Sequence[TrainingFigures]) -> Table:
    columns = ("listeners", "models", "fits", "trainer s", "bare fits s", "ratio", "CPU s", "bare CPU s", "CPU ratio")
    shown = table(f"trainer, {rows[0].labels:,} labels a listener", *columns)
    for row in rows:
        shown.add_row(
            f"{row.tracks:,} tracks",
            *(f"{count:,}" for count in (row.listeners, row.models, row.fits)),
            *(f"{value:.2f}" for value in (row.trainer.seconds, row.bare.seconds, row.rate_ratio)),
            *(f"{value:.2f}" for value in (row.trainer.cpu, row.bare.cpu, row.cpu_ratio)),
        )
    return shown


def _scoring_table(rows: Sequence[ScoringFigures]) -> Table:
    shown = table(f"scoring {rows[0].candidates:,} candidates", "served µs", "bare µs", "bare, threads µs", "ratio")
    for row in rows:
        times = [f"{1e6 * seconds:,.0f}" for seconds in (row.served, row.bare, row.threaded)]
        shown.add_row(row.learner, *times, f"{row.ratio:.2f}")
    return shown


def _swaps_table(figures: SwapFigures) -> Table:
    title = (
        f"{figures.swaps:,} swaps, {figures.answers:,} answers checked: none failed, mixed or stale, "
        f"{figures.degraded} from a stage below"
    )
    shown = table(title, "calls/s", "p50 ms", "p95 ms", "p99 ms", "CPU µs", "client")
    shown.add_row("quiet", *_cells(figures.quiet))
    shown.add_row("during swaps", *_cells(figures.swapping))
    shown.add_row("publishing", "", f"{1e3 * figures.publish_p50:.1f}", "", f"{1e3 * figures.publish_p99:.1f}")
    return shown


def _cells(rounds: Sequence[Sample]) -> list[str]:
    quantiles = np.median([np.quantile(sample.latencies, (0.5, 0.95, 0.99)) for sample in rounds], axis=0)
    return [
        f"{np.median([sample.rate for sample in rounds]):,.0f}",
        *(f"{1e3 * seconds:.1f}" for seconds in quantiles.tolist()),
        f"{1e6 * np.median([sample.cpu_per_call for sample in rounds]):,.0f}",
        f"{np.median([sample.generator_cpu / sample.seconds for sample in rounds]):.0%}",
    ]


def _memory_table(curve: MemoryCurve) -> Table:
    columns = ("start MB", "half MB", "end MB", "KB per 1,000 swaps", "± KB", "publish ms, first and last quarter")
    shown = table(f"memory over {curve.swaps[-1]:,} swaps, each version loaded", *columns)
    points = [curve.resident[place] for place in (0, len(curve.resident) // 2, -1)]
    shown.add_row(
        "server",
        *(f"{size / 1e6:,.1f}" for size in points),
        *(f"{value:,.0f}" for value in (curve.slope, 2 * curve.slope_error)),
        " ".join(f"{1e3 * seconds:.1f}" for seconds in (curve.publish_seconds[0], curve.publish_seconds[-1])),
    )
    return shown


def _sparkline(values: Sequence[int]) -> str:
    least, most = min(values), max(values)
    steps = [round((len(_BARS) - 1) * (value - least) / max(1, most - least)) for value in values]
    return f"{least / 1e6:,.1f} MB {''.join(_BARS[step] for step in steps)} {most / 1e6:,.1f} MB"


def _swaps_document(figures: SwapFigures) -> dict[str, Any]:
    return {
        "tracks": figures.tracks,
        "swaps": figures.swaps,
        "answers": figures.answers,
        "degraded": figures.degraded,
        "quiet": [_round(sample) for sample in figures.quiet],
        "swapping": [_round(sample) for sample in figures.swapping],
        "p99_ratio": figures.p99_ratio,
        "publish_p50": figures.publish_p50,
        "publish_p99": figures.publish_p99,
    }


def _round(sample: Sample) -> dict[str, Any]:
    p50, p95, p99 = np.quantile(sample.latencies, (0.5, 0.95, 0.99)).tolist()
    return {
        "calls": sample.calls,
        "rate": sample.rate,
        "p50": p50,
        "p95": p95,
        "p99": p99,
        "cpu_per_call": sample.cpu_per_call,
    }


def _memory_document(curve: MemoryCurve) -> dict[str, Any]:
    return asdict(curve) | {"slope": curve.slope, "slope_error": curve.slope_error, "growth": curve.growth}
