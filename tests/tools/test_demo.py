"""`palate demo`, told to its end."""

import re

from click.testing import CliRunner
from palate_tools.cli import main


def test_the_demo_climbs_from_cold_start_to_a_model_trained_on_the_way() -> None:
    """Each rung answers in turn, and the model that training published serves the very next slate."""
    told = CliRunner().invoke(main, ["demo", "--turns", "5"])
    assert (0, None) == (told.exit_code, told.exception), told.output
    strategies = re.findall(r"^turn +\d+  (\w+)", told.stdout, re.MULTILINE)
    assert ["cold_start", "fallback", "ranking", "logistic", "neural"] == strategies
    published = re.findall(r"common model by logistic, .* published as (\S+)", told.stdout)
    served = re.findall(r"^turn +4 .*\(models (\S+)\)$", told.stdout, re.MULTILINE)
    assert published == served
    assert 1 == len(served)


def test_the_same_seed_tells_the_same_story() -> None:
    """But for the versions of its models, which name the time, a story depends on its seed alone."""
    first, again, other = (
        CliRunner().invoke(main, ["demo", "--turns", "5", "--seed", seed]).stdout for seed in ("3", "3", "4")
    )
    assert _without_versions(first) == _without_versions(again)
    assert _without_versions(first) != _without_versions(other)


def _without_versions(text: str) -> str:
    return re.sub(r"[0-9a-f]{14}-[0-9a-f]{8}-[0-9a-f]{8}", "VERSION", text)
