"""Learners are found and loaded by the same loader as strategies."""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, distributions
from pathlib import Path

import pytest
from palate.errors import ConfigError
from palate.plugins.loader import LEARNER
from palate_strategies.learners.logistic import LogisticConfig
from palate_tools.training.resources import load_learners
from structlog.testing import capture_logs
from support.learners import Configured

SOUND = "palate_strategies.learners.logistic:Logistic"


def found(folder: Path, installed: Mapping[str, Mapping[str, str]], group: str = LEARNER.group) -> list[EntryPoint]:
    """Write the metadata of distributions, as an installer leaves it, and return their entry points."""
    for name, entry_points in installed.items():
        metadata = folder / f"{name}-1.0.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
        lines = "".join(f"{entry} = {value}\n" for entry, value in entry_points.items())
        (metadata / "entry_points.txt").write_text(f"[{group}]\n{lines}", encoding="utf-8")
    return [each for distribution in distributions(path=[str(folder)]) for each in distribution.entry_points]


def test_the_built_in_learners_are_found_by_their_entry_points() -> None:
    """Their names are those of the strategies that serve their models."""
    assert {"logistic", "neural", "gbdt"} == {*load_learners({})}


def test_a_learner_gets_the_operators_options(tmp_path: Path) -> None:
    """With their types; a misspelt one is refused with the nearest name."""
    entry_points = found(tmp_path, {"sound": {"sound": "support.learners:Configured"}})
    learner = load_learners({"sound": {"variance": "0.5"}}, entry_points=entry_points)["sound"].learner
    assert isinstance(learner, Configured)
    assert LogisticConfig(variance=0.5) == learner.config
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
    assert ["sound"] == list(loaded)
    [line] = lines
    assert ("broken", "cracked") == (line["learner"], line["distribution"])
    assert reason in line["reason"]


def test_a_learner_that_is_not_allowed_is_not_even_imported(tmp_path: Path) -> None:
    """Names are read first."""
    entry_points = found(tmp_path, {"sound": {"sound": SOUND, "other": "no_such_module:Learner"}})
    with capture_logs() as lines:
        assert ["sound"] == list(load_learners({}, ["so*"], entry_points))
    assert [] == lines


def test_a_name_that_two_distributions_bring_is_refused_with_both_named(tmp_path: Path) -> None:
    """Nobody could say which is meant."""
    entry_points = found(tmp_path, {"one": {"same": SOUND}, "two": {"same": SOUND}})
    with pytest.raises(ConfigError, match=r"learner 'same' is brought by both (one|two) 1.0 and (one|two) 1.0"):
        load_learners({}, entry_points=entry_points)


@pytest.mark.parametrize(
    ("installed", "allow", "sentence"),
    [
        ({"sound": {"sound": SOUND}}, ["sond"], "training.allow: no learner 'sond' is installed"),
        ({"sound": {"sound": SOUND}}, [], "Allow one in training.allow"),
        (
            {"cracked": {"broken": "no_such_module:Learner"}},
            ["*"],
            r"no learner can be used.*pip install 'palate\[train\]'",
        ),
    ],
)
def test_without_a_learner_nothing_can_be_trained(
    tmp_path: Path, installed: Mapping[str, Mapping[str, str]], allow: list[str], sentence: str
) -> None:
    """The sentence says what to do."""
    with pytest.raises(ConfigError, match=sentence):
        load_learners({}, allow, found(tmp_path, installed))


def test_a_learner_of_the_former_group_is_refused_with_its_distribution_and_the_new_group(tmp_path: Path) -> None:
    """The log says what to install; the other learners are loaded."""
    entry_points = found(tmp_path, {"sound": {"sound": SOUND}})
    entry_points += found(tmp_path / "old", {"yesterday": {"old": SOUND}}, group="palate.recipes")
    with capture_logs() as lines:
        assert ["sound"] == list(load_learners({}, entry_points=entry_points))
    [line] = lines
    assert ("learner failed to load", "old", "yesterday") == (line["event"], line["learner"], line["distribution"])
    assert "in the entry-point group 'palate.recipes', which is called 'palate.learners' now" in line["reason"]


def test_a_distribution_may_name_a_learner_in_both_groups(tmp_path: Path) -> None:
    """So that one release works with versions of palate before and after the group was renamed."""
    metadata = tmp_path / "both-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: both\nVersion: 1.0\n", encoding="utf-8")
    groups = "".join(f"[{group}]\nsound = {SOUND}\n" for group in ("palate.recipes", "palate.learners"))
    (metadata / "entry_points.txt").write_text(groups, encoding="utf-8")
    entry_points = [each for one in distributions(path=[str(tmp_path)]) for each in one.entry_points]
    with capture_logs() as lines:
        assert ["sound"] == list(load_learners({}, entry_points=entry_points))
    assert [] == lines
