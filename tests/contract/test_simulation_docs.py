"""The guide to simulated listeners leaves nothing out."""

from dataclasses import fields

import pytest
from palate_lab.comparison.measures import METRICS
from palate_lab.simulation.session import Row
from palate_tools.simulation.kinds import Kind, load_kinds
from support.repository import DOCS


@pytest.mark.parametrize("name", [*load_kinds(), *Kind.model_fields, *(field.name for field in fields(Row))])
def test_kinds_their_keys_and_the_columns_of_results_are_documented(name: str) -> None:
    """In a table."""
    lines = (DOCS / "simulation.md").read_text(encoding="utf-8").splitlines()
    assert any(line.startswith("|") and f"`{name}`" in line.split("|")[1] for line in lines)


@pytest.mark.parametrize("metric", METRICS)
def test_metrics_are_documented(metric: str) -> None:
    """In a table."""
    lines = (DOCS / "comparison.md").read_text(encoding="utf-8").splitlines()
    assert any(line.startswith("|") and f"`{metric}`" in line.split("|")[1] for line in lines)
