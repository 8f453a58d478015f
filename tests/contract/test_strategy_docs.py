"""The page about the built-in strategies."""

import re
from dataclasses import fields

import pytest
from palate_strategies.cold_start import ColdStart
from palate_strategies.fallback import Fallback
from palate_strategies.model_strategies import Gbdt, Logistic, ModelStrategy, Neural
from palate_strategies.ranking import Ranking
from support.repository import DOCS

PAGE = (DOCS / "strategies.md").read_text(encoding="utf-8")
DEFAULTS = {"feature_weights": "nine times 1.0"}


@pytest.mark.parametrize("strategy", [ColdStart, Fallback, Ranking, ModelStrategy])
def test_every_option_is_documented_with_its_default(
    strategy: type[ColdStart | Fallback | Ranking | ModelStrategy],
) -> None:
    """An operator finds each option and what it is unless set."""
    missing = [
        field.name
        for field in fields(strategy.config_type)
        if f"| `{field.name}` | {DEFAULTS.get(field.name, field.default)} |" not in PAGE
    ]
    assert [] == missing


@pytest.mark.parametrize("strategy", [Fallback, Ranking, Logistic, Neural, Gbdt])
def test_the_stages_are_documented(strategy: type[Fallback | Ranking | ModelStrategy]) -> None:
    """The table says from where on each strategy applies."""
    stage = strategy.stage
    assert stage is not None
    name, count = strategy.__name__.lower(), stage.min_interactions
    rated = f"{count} rated {'track' if count == 1 else 'tracks'}"
    assert f"| `{name}` | confidence {stage.min_confidence} and {rated} |" in PAGE


@pytest.mark.parametrize("strategy", [ColdStart, Fallback, Ranking, Logistic, Neural, Gbdt])
def test_the_page_about_tastes_has_the_same_stages(
    strategy: type[ColdStart | Fallback | Ranking | ModelStrategy],
) -> None:
    """It ends with the stages, and both pages say the same."""
    stage = strategy.stage
    assert stage is not None
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", strategy.__name__).lower()
    row = re.search(
        rf"^\| `{name}` \| ([\d.]+)[^|]* \| (\d+) \|$", (DOCS / "tastes.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert row is not None
    assert (stage.min_confidence, stage.min_interactions) == (float(row[1]), int(row[2]))
