"""Learners are found and loaded by the rules of strategies."""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, distributions
from pathlib import Path

import pytest
from palate.errors import ConfigError
from palate_strategies.learners.logistic import LogisticConfig
from palate_tools.training.learners import GROUP, load_learners
from structlog.testing import capture_logs

SOUND = "palate_strategies.learners.logistic:Logistic"


def found(folder: Path, installed: Mapping[str, Mapping[str, str]]) -> list[EntryPoint]:
    """Write the metadata of distributions, as an installer leaves it, and return their entry points."""
    for name, entry_points in installed.items():
        metadata = folder / f"{name}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
        lines = "".join(f"{entry} = {value}\n" for entry, value in entry_points.items())
        (metadata / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}", encoding="utf-8")
    return [each for distribution in distributions(path=[str(folder)]) for each in distribution.entry_points]


def test_the_built_in_learners_come_by_the_same_door() -> None:
    """Their names are those of the strategies that serve their models."""
    assert {"logistic", "neural", "gbdt"} == {learner.name for learner in load_learners({})}


def test_a_learner_gets_the_operators_options(tmp_path: Path) -> None:
    """With their types; a misspelt one is refused with the nearest name."""
    entry_points = found(tmp_path, {"sound": {"sound": SOUND}})
    [loaded] = load_learners({"sound": {"variance": "0.5"}}, entry_points=entry_points)
    assert LogisticConfig(variance=0.5) == loaded.learner._config  # type: ignore[attr-defined]  # noqa: SLF001 - what it was called with
    with pytest.raises(ConfigError, match=r"training\.options\.sound\.varience: unknown key"):
        load_learners({"sound": {"varience": 1}}, entry_points=entry_points)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("no_such_module:Learner", "importing no_such_module:Learner raised ModuleNotFoundError"),
        ("palate.plugins.learner:Dataset", "lacks config_type, fit; see palate.plugins.learner"),
        ("palate.plugins.learner:Learner", "lacks config_type, fit"),
    ],
)
def test_a_broken_learner_is_logged_and_the_others_are_loaded(tmp_path: Path, broken: str, reason: str) -> None:
    """The log names learner, distribution and cause."""
    entry_points = found(tmp_path, {"sound": {"sound": SOUND}, "cracked": {"broken": broken}})
    with capture_logs() as lines:
        loaded = load_learners({}, entry_points=entry_points)
    assert ["sound"] == [learner.name for learner in loaded]
    [line] = lines
    assert ("broken", "cracked") == (line["learner"], line["distribution"])
    assert reason in line["reason"]


def test_a_learner_that_is_not_allowed_is_not_even_imported(tmp_path: Path) -> None:
    """Names are read first."""
    entry_points = found(tmp_path, {"sound": {"sound": SOUND, "other": "no_such_module:Learner"}})
    with capture_logs() as lines:
        assert ["sound"] == [learner.name for learner in load_learners({}, ["so*"], entry_points)]
    assert [] == lines


def test_a_name_that_two_distributions_bring_is_refused_with_both_named(tmp_path: Path) -> None:
    """Nobody could say which is meant."""
    entry_points = found(tmp_path, {"one": {"same": SOUND}, "two": {"same": SOUND}})
    with pytest.raises(ConfigError, match=r"learner 'same' is brought by both (one|two) 1.0 and (one|two) 1.0"):
        load_learners({}, entry_points=entry_points)


@pytest.mark.parametrize(
    ("installed", "allow", "sentence"),
    [
        ({}, ["*"], r"pip install 'palate\[train\]'"),
        ({"sound": {"sound": SOUND}}, ["sond"], "training.allow: no learner 'sond' is installed"),
        ({"sound": {"sound": SOUND}}, [], "allow a learner in training.allow"),
        ({"cracked": {"broken": "no_such_module:Learner"}}, ["*"], "no learner can be used"),
    ],
)
def test_without_a_learner_nothing_can_be_trained(
    tmp_path: Path, installed: Mapping[str, Mapping[str, str]], allow: list[str], sentence: str
) -> None:
    """The sentence says what to do."""
    with pytest.raises(ConfigError, match=sentence):
        load_learners({}, allow, found(tmp_path, installed))
