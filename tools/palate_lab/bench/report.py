"""The benchmark's report, for people and as JSON."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from palate_lab.bench.blocking import BlockingFigures
from palate_lab.bench.budgets import Check, checks, model_checks, verdict
from palate_lab.bench.measure import Plan, Result, workloads
from palate_lab.bench.models.measure import ModelPlan, ModelResults
from palate_lab.bench.models.report import model_document, print_models, table
from palate_lab.bench.samples import Figures

__all__ = ["print_report", "write_json"]


def print_report(
    results: Sequence[Result], blocking: Sequence[BlockingFigures], models: ModelResults, console: Console
) -> None:
    """Print a table for each catalog, one of the servers, one for each group of model rows, and one of the budgets."""
    for result in results:
        console.print(_calls_table(result), "")
    if results:
        console.print(_servers_table(results), "")
    if blocking:
        console.print(_blocking_table(blocking), "")
    print_models(models, console)
    console.print(_budgets_table([*checks(results), *model_checks(models)]))


def write_json(
    results: Sequence[Result],
    blocking: Sequence[BlockingFigures],
    models: ModelResults,
    plans: tuple[Plan, ModelPlan],
    path: Path,
) -> None:
    """Write all figures, and what they were measured with and on. Times are in seconds, sizes in bytes."""
    plan, model_plan = plans
    judged = [*checks(results), *model_checks(models)]
    document = {
        "machine": _machine(),
        "plan": {**asdict(plan), "catalogs": [path.name for path in plan.catalogs]},
        "model_plan": {
            **asdict(model_plan),
            "rows": list(model_plan.rows),
            "trained_on": [path.name for path in model_plan.trained_on],
            "served_from": model_plan.served_from.name,
        },
        "catalogs": [_document(result) for result in results],
        "blocking": [asdict(row) for row in blocking],
        "models": model_document(models),
        "budgets": [{**asdict(check), "verdict": verdict(check)} for check in judged],
    }
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _blocking_table(rows: Sequence[BlockingFigures]) -> Table:
    listener = f"{rows[0].ratings:,} ratings in {rows[0].tastes} tastes, {rows[0].tracks:,} tracks"
    shown = table(f"event loop held up by one call: {listener}", "call ms", "held up ms", "worst ms")
    for row in rows:
        shown.add_row(row.call, *(f"{1e3 * seconds:.1f}" for seconds in (row.took, row.blocked, row.worst)))
    return shown


def _calls_table(result: Result) -> Table:
    shown = table(
        f"{result.tracks:,} tracks, answers of {result.answer_bytes:,} bytes",
        "calls/s",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "CPU µs",
        "client",
        "ratio",
        "CPU ratio",
        "budget",
    )
    for workload in workloads():
        budget = "" if workload.budget is None else f"≥ {workload.budget}"
        shown.add_row(workload.title, *_cells(result.rows[workload.key]), budget)
    return shown


def _cells(row: Figures) -> list[str]:
    latencies = [f"{1e3 * seconds:.1f}" for seconds in (row.p50, row.p95, row.p99)]
    ratios = [f"{row.rate_ratio:.2f}", f"{row.cpu_ratio:.2f}"]
    return [f"{row.rate:,.0f}", *latencies, f"{1e6 * row.cpu_per_call:,.0f}", f"{row.generator_load:.0%}", *ratios]


def _servers_table(results: Sequence[Result]) -> Table:
    shown = table("servers", "start-up s", "RSS MB", "PSS MB", "anonymous MB", "mapped MB", "catalog MB", "RSS ratio")
    for result in results:
        memory = result.memory
        sizes = (memory.resident, memory.proportional, memory.anonymous, memory.file_backed, result.catalog_bytes)
        shown.add_row(
            f"{result.tracks:,} tracks",
            f"{result.startup_seconds:.2f}",
            *(f"{size / 1e6:,.1f}" for size in sizes),
            f"{memory.resident / result.catalog_bytes:.2f}",
        )
    return shown


def _budgets_table(judged: Sequence[Check]) -> Table:
    shown = table("budgets", "tracks", "measured", "budget", "verdict")
    for check in judged:
        budget = f"≤ {check.most}" if check.least is None else f"≥ {check.least}"
        shown.add_row(check.title, f"{check.tracks:,}", f"{check.value:.2f}", budget, verdict(check))
    return shown


def _document(result: Result) -> dict[str, Any]:
    return {
        "tracks": result.tracks,
        "catalog_bytes": result.catalog_bytes,
        "answer_bytes": result.answer_bytes,
        "startup_seconds": result.startup_seconds,
        "memory": asdict(result.memory),
        "rows": {key: asdict(row) for key, row in result.rows.items()},
    }


def _machine() -> Mapping[str, Any]:
    return {
        "cores": os.cpu_count(),
        "load_average": os.getloadavg(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "palate": version("palate"),
        "grpcio": version("grpcio"),
        "onnxruntime": version("onnxruntime"),
    }
