"""The kinds of listeners are read strictly."""

from pathlib import Path

import pytest
from palate.errors import ConfigError
from palate_tools.simulation.kinds import load_kinds

GOOD = '[kinds.mine]\ndescription = "Mine."\ntastes = 2\n'


def test_palate_brings_eight_kinds() -> None:
    """In the order of the file, which is the order in which listeners get them."""
    names = ["one-taste", "separated", "close", "dominated", "eclectic", "drifting", "shocked", "contrary"]
    assert names == list(load_kinds())


def test_a_file_of_ones_own_is_read(tmp_path: Path) -> None:
    """What it leaves out has its default."""
    path = tmp_path / "kinds.toml"
    path.write_text(GOOD + "weights = [3, 1.5]\n", encoding="utf-8")
    kind = load_kinds(path)["mine"]
    assert ([3.0, 1.5], 0.6) == (kind.weights, kind.share)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (GOOD + "loyalti = 1.0", r"kinds.toml: kinds.mine.loyalti: unknown key; did you mean loyalty\?"),
        (GOOD + 'share = "half"', r"kinds.mine.share: Input should be a valid number, not 'half'"),
        (GOOD + "share = 1.5", r"kinds.mine.share: Input should be less than 1, not 1.5"),
        (GOOD + "features = 2.5", r"kinds.mine.features: Input should be a valid integer, not 2.5"),
        (GOOD + "features = true", r"kinds.mine.features: Input should be a valid integer, not True"),
        (GOOD + "loyalty = nan", r"kinds.mine.loyalty: Input should be a finite number, not nan"),
        (GOOD + "weights = [1.0]", r"kinds.mine: weights must be 2, one for each of the tastes, not 1"),
        (GOOD + "shock_turn = 5", r"kinds.mine: shock_turn and shock_tastes belong together"),
        (GOOD + "shock_turn = 5\nshock_tastes = 3", r"kinds.mine: shock_tastes must be at most 2"),
        ("[kinds.mine]\ntastes = 2", r"kinds.mine.description: is required"),
        ("[kind.mine]\ntastes = 2", r"kind: unknown key; did you mean kinds\?"),
        ("[kinds]", r"kinds: .*at least 1 item"),
        ("[kinds.mine", r"kinds.toml: is not TOML in UTF-8"),
    ],
)
def test_a_mistake_is_named_with_file_and_key(tmp_path: Path, text: str, sentence: str) -> None:
    """And with what would be right."""
    path = tmp_path / "kinds.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=sentence):
        load_kinds(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """One sentence."""
    with pytest.raises(ConfigError, match=r"kinds\.toml: cannot be read"):
        load_kinds(tmp_path / "kinds.toml")
