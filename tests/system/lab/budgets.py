"""All budgets, as `palate lab bench` judges them. Run by hand: `pytest tests/system/lab/budgets.py`."""

import json
from pathlib import Path

from click.testing import CliRunner
from palate_tools.cli import main


def test_every_budget_is_met(tmp_path: Path) -> None:
    """The ratios of one run of the default command keep within the budgets of docs/research/benchmarks.md."""
    figures = tmp_path / "figures.json"
    run = CliRunner().invoke(main, ["lab", "bench", "--json", str(figures)])
    assert (0, None) == (run.exit_code, run.exception), run.output
    judged = json.loads(figures.read_text(encoding="utf-8"))["budgets"]
    missed = [
        f"{check['title']} on {check['tracks']:,} tracks: {check['verdict']}"
        for check in judged
        if check["verdict"] != "met"
    ]
    assert [] == missed
    assert judged
