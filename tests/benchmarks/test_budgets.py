"""The budgets on a million tracks. Takes minutes and an idle machine; run with ``pytest tests/benchmarks``."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from palate_tools.bench.budgets import Check, checks, verdict
from palate_tools.bench.catalogs import synthetic_catalog
from palate_tools.bench.measure import Plan, measure

_SIZES = (100_000, 1_000_000)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Check]:
    """Return all budgets beside what was measured."""
    cache, folder = (tmp_path_factory.mktemp(name) for name in ("catalogs", "servers"))
    catalogs: list[Path] = [synthetic_catalog(cache, tracks) for tracks in _SIZES]
    plan = Plan(catalogs, seconds=8, rounds=4, concurrency=16, listeners=500)
    return checks(asyncio.run(measure(plan, folder, print)))


def test_every_budget_is_met(measured: Sequence[Check]) -> None:
    """The ratios of one run keep within the budgets of docs/benchmarks.md."""
    missed = [f"{check.title} on {check.tracks:,} tracks: {verdict(check)}" for check in measured if check.missed_by]
    assert [] == missed
