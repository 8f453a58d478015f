"""Strategies are found, checked, configured and put on the stages."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint, PathDistribution, distributions
from pathlib import Path
from typing import Any, NoReturn

import pytest
from palate.errors import ConfigError, NotFound
from palate.plugins import Registry, Stage, StrategyState
from palate.plugins.loader import STRATEGY, installed, origin
from structlog.testing import capture_logs

PLUGIN = """
from dataclasses import dataclass
from palate.plugins import Stage, Strategy

@dataclass(frozen=True)
class Inner:
    depth: int = 1

@dataclass(frozen=True)
class Config:
    weight: float = 1.0
    pool: int = 10
    inner: Inner = Inner()

    def __post_init__(self):
        if self.weight < 0:
            raise ValueError("weight must not be negative")

class Sound:
    config_type = Config
    stage = None

    def __init__(self, config):
        self.config = config

    def recommend(self, profile, request, context):
        return []

    def score(self, profile, rows, context):
        return None

class Lowest(Sound):
    stage = Stage(0.0, 0)

class Higher(Sound):
    stage = Stage(0.3, 5)
"""


class Site:
    """A folder that distributions are installed in, on the import path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules: list[str] = []

    def install(
        self, distribution: str, entry_points: Mapping[str, str], source: str = PLUGIN, version: str = "1.0"
    ) -> None:
        """Write a distribution of one module with its metadata, as an installer leaves it."""
        module = distribution.replace("-", "_")
        self.modules.append(module)
        (self.folder / f"{module}.py").write_text(source, encoding="utf-8")
        metadata = self.folder / f"{module}-{version}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n", encoding="utf-8"
        )
        lines = "".join(f"{name} = {module}:{attribute}\n" for name, attribute in entry_points.items())
        (metadata / "entry_points.txt").write_text(f"[{STRATEGY.group}]\n{lines}", encoding="utf-8")

    def load(
        self,
        options: Mapping[str, Mapping[str, object]] | None = None,
        stages: Mapping[str, Stage] | None = None,
        allow: Sequence[str] = ("*",),
        required: Sequence[str] = (),
    ) -> Registry:
        """Load what is installed here."""
        found = [
            entry_point
            for distribution in distributions(path=[str(self.folder)])
            for entry_point in distribution.entry_points
        ]
        return Registry.load(options or {}, stages or {}, allow, required, entry_points=found)


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[Any]]:
    """Return the lines of the log as they come."""
    with capture_logs() as lines:
        yield lines


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Return a folder with one sound distribution that brings the lowest stage."""
    monkeypatch.syspath_prepend(tmp_path)
    folder = Site(tmp_path)
    folder.install("palate-base", {"base": "Lowest"})
    yield folder
    for module in folder.modules:
        sys.modules.pop(module, None)


def test_the_listing_shows_the_ladder_from_the_bottom_up_and_then_the_others_by_name(site: Site) -> None:
    """The order and the positions are those of the public contract."""
    site.install("palate-more", {"zeal": "Sound", "able": "Higher", "calm": "Sound"}, version="2.1")
    registry = site.load()
    listed = [(each.name, each.stage_number, each.distribution, each.version) for each in registry.listing()]
    assert [
        ("base", 1, "palate-base", "1.0"),
        ("able", 2, "palate-more", "2.1"),
        ("calm", 0, "palate-more", "2.1"),
        ("zeal", 0, "palate-more", "2.1"),
    ] == listed
    assert ["base", "able"] == [each.name for each in registry.stages]
    assert Stage(0.3, 5) == registry.get("able").stage


def test_a_strategy_that_is_not_allowed_is_never_imported(site: Site) -> None:
    """The allow-list works on names, before any code of the plugin runs."""
    site.install("palate-shy", {"shy": "Sound"}, source="raise SystemExit('was imported')")
    registry = site.load(allow=("ba*",))
    assert "palate_shy" not in sys.modules
    assert [StrategyState.LOADED, StrategyState.NOT_ALLOWED] == [each.state for each in registry.listing()]
    assert ("base",) == registry.names()
    with pytest.raises(NotFound, match="shy"):
        registry.get("shy")


def test_a_distribution_that_does_not_tell_its_name_serves_as_unknown(site: Site) -> None:
    """An installation that was cut off may leave entry points without metadata."""
    site.install("palate-torn", {"torn": "Sound"})
    (site.folder / "palate_torn-1.0.dist-info" / "METADATA").write_text("", encoding="utf-8")
    torn = site.load().get("torn")
    assert (StrategyState.LOADED, "unknown", "unknown") == (torn.state, torn.distribution, torn.version)


def test_metadata_that_the_interpreter_reports_as_missing_makes_a_distribution_unknown() -> None:
    """From Python 3.15 on a torn installation raises where older versions return nothing."""

    class Torn(PathDistribution):
        @property
        def metadata(self) -> NoReturn:  # what later versions do
            raise FileNotFoundError("No package metadata was found.")

    entry_point = EntryPoint("torn", "palate_torn:Sound", STRATEGY.group)
    vars(entry_point).update(dist=Torn(Path("palate_torn-1.0.dist-info")))
    assert ("unknown", "unknown") == origin(entry_point)


def test_a_name_that_nothing_installed_has_is_not_found(site: Site) -> None:
    """The error carries the kind and the name."""
    with pytest.raises(NotFound) as caught:
        site.load().get("nobody")
    assert ("strategy", "nobody") == (caught.value.kind, caught.value.name)


def test_a_name_that_two_distributions_bring_is_refused_with_both_named(site: Site) -> None:
    """Nobody has to guess which package to uninstall."""
    site.install("palate-rival", {"base": "Lowest"}, version="3.0")
    with pytest.raises(ConfigError) as caught:
        site.load()
    assert "'base'" in str(caught.value)
    assert "palate-base 1.0" in str(caught.value)
    assert "palate-rival 3.0" in str(caught.value)


BROKEN = {
    "import error": ("import a_module_that_is_not_there", "ModuleNotFoundError: No module named"),
    "exit on import": ("raise SystemExit('bye')", "importing palate_broken:Broken raised SystemExit: bye"),
    "refusal on import": (
        "from palate.errors import ConfigError\nraise ConfigError('its licence has run out')",
        "importing palate_broken:Broken raised ConfigError: its licence has run out",
    ),
    "no such attribute": (PLUGIN, "AttributeError: module 'palate_broken' has no attribute 'Broken'"),
    "no class": (f"{PLUGIN}\nBroken = Sound(None)", "is not a class"),
    "no methods": ("class Broken:\n    stage = None", "lacks config_type, recommend, score"),
    "methods of the protocol": (
        f"{PLUGIN}\nclass Broken(Strategy):\n    config_type, stage = Config, None",
        "lacks recommend, score",
    ),
    "config not frozen": (
        f"{PLUGIN}\n@dataclass\nclass Loose: pass\nclass Broken(Sound):\n    config_type = Loose",
        "not a frozen dataclass",
    ),
    "config no dataclass": (f"{PLUGIN}\nclass Broken(Sound):\n    config_type = dict", "not a frozen dataclass"),
    "config without schema": (
        f"{PLUGIN}\n@dataclass(frozen=True)\nclass O:\n    x: Sound = 0\nclass Broken(Sound):\n    config_type = O",
        "building O raised PydanticSchemaGenerationError",
    ),
    "stage of another type": (
        f"{PLUGIN}\nclass Broken(Sound):\n    stage = (0.5, 1)",
        "neither a palate.plugins.Stage",
    ),
    "stage out of range": (f"{PLUGIN}\nclass Broken(Sound):\n    stage = Stage(1.5, 0)", "must be in [0, 1)"),
    "stage of no numbers": (f"{PLUGIN}\nclass Broken(Sound):\n    stage = Stage('high', 0)", "TypeError"),
    "async method": (
        f"{PLUGIN}\nclass Broken(Sound):\n    async def recommend(self, profile, request, context): return []",
        "Broken.recommend must be a plain method",
    ),
    "other parameters": (
        f"{PLUGIN}\nclass Broken(Sound):\n    def score(self, rows): return None",
        "Broken.score(rows) does not take (profile, rows, context)",
    ),
    "defaults refused": (
        f"{PLUGIN}\n@dataclass(frozen=True)\nclass Needy:\n    url: str\nclass Broken(Sound):\n    config_type = Needy",
        "write a table [strategies.options.broken]: strategies.options.broken.url: is required",
    ),
    "constructor raises": (
        f"{PLUGIN}\nclass Broken(Sound):\n    def __init__(self, config): raise OSError('no disk')",
        "calling Broken with its configuration raised OSError: no disk",
    ),
}


@pytest.mark.parametrize(("source", "reason"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_plugin_is_kept_with_its_reason_and_the_others_serve(
    site: Site, logs: list[Any], source: str, reason: str
) -> None:
    """Whatever a plugin does while it is loaded, the server starts."""
    site.install("palate-broken", {"broken": "Broken"}, source=source)
    registry = site.load()
    assert ("base",) == registry.names()
    broken = registry.get("broken")
    assert (StrategyState.FAILED, None, None, 0) == (
        broken.state,
        broken.strategy,
        broken.stage,
        broken.stage_number,
    )
    assert reason in broken.reason
    identity = {"strategy": "broken", "distribution": "palate-broken", "version": "1.0"}
    assert [identity] == [{key: line[key] for key in identity} for line in logs if line["log_level"] == "error"]


def test_a_required_plugin_that_is_broken_stops_the_server_with_plugin_distribution_and_cause(site: Site) -> None:
    """The operator said that the server is of no use without it."""
    site.install("palate-broken", {"broken": "Broken"}, source="import a_module_that_is_not_there")
    with pytest.raises(ConfigError) as caught:
        site.load(required=["base", "broken"])
    for part in ("'broken'", "palate-broken 1.0", "a_module_that_is_not_there"):
        assert part in str(caught.value)


def test_a_required_plugin_that_the_allow_list_leaves_out_stops_the_server(site: Site) -> None:
    """The two settings contradict each other."""
    site.install("palate-more", {"more": "Sound"})
    with pytest.raises(ConfigError, match=r"'more'.*required.*strategies.allow leaves it out"):
        site.load(allow=["base"], required=["more"])


MISTAKES: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "options": ({"options": {"bass": {}}}, "strategies.options: no strategy 'bass' is installed; did you mean base?"),
    "stages": ({"stages": {"bass": Stage(0, 0)}}, "stages: no strategy 'bass' is installed; did you mean base?"),
    "required": ({"required": ["bass"]}, "strategies.required: no strategy 'bass' is installed; did you mean base?"),
    "allow": ({"allow": ["*", "xyz*"]}, "strategies.allow: no strategy 'xyz*' is installed; valid are base"),
}


@pytest.mark.parametrize(("arguments", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_name_that_the_operator_misspells_is_refused_with_the_nearest_one(
    site: Site, arguments: Mapping[str, Any], message: str
) -> None:
    """A misspelt name never turns a strategy off in silence."""
    with pytest.raises(ConfigError) as caught:
        site.load(**arguments)
    assert message == str(caught.value)


REFUSED: Mapping[str, tuple[Mapping[str, object], str]] = {
    "unknown": ({"wieght": 1}, "strategies.options.base.wieght: unknown key; did you mean weight?"),
    "no number": ({"weight": "abc"}, "strategies.options.base.weight: Input should be a valid number"),
    "not finite": ({"weight": float("nan")}, "strategies.options.base.weight: Input should be a finite number"),
    "fraction": ({"pool": 2.5}, "strategies.options.base.pool: Input should be a valid integer"),
    "nested": ({"inner": {"dept": 2}}, "strategies.options.base.inner.dept: unknown key"),
    "own check": ({"weight": -1}, "strategies.options.base: Value error, weight must not be negative"),
}


@pytest.mark.parametrize(("table", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_options_that_a_strategy_does_not_take_are_refused_with_their_path(
    site: Site, table: Mapping[str, object], message: str
) -> None:
    """What an operator wrote is never ignored."""
    with pytest.raises(ConfigError) as caught:
        site.load(options={"base": table})
    assert str(caught.value).startswith(message)


def test_every_mistake_in_a_table_is_told_at_once(site: Site) -> None:
    """There is one line for each."""
    with pytest.raises(ConfigError) as caught:
        site.load(options={"base": {"weight": "abc", "pool": "many"}})
    assert 2 == len(str(caught.value).splitlines())


def test_options_reach_the_strategy_as_its_own_configuration_with_strings_converted(site: Site) -> None:
    """The environment has nothing but strings."""
    strategy: Any = site.load(options={"base": {"weight": "0.25", "inner": {"depth": 3}}}).get("base").strategy
    assert (0.25, 10, 3) == (strategy.config.weight, strategy.config.pool, strategy.config.inner.depth)


def test_the_operators_ladder_outranks_the_stages_of_the_strategies(site: Site) -> None:
    """A strategy that stands on no stage by itself can be given one, and the order follows."""
    site.install("palate-more", {"more": "Sound", "higher": "Higher"})
    registry = site.load(stages={"more": Stage(0.9, 1), "higher": Stage(0.1, 0)})
    assert [("base", 1), ("higher", 2), ("more", 3)] == [(each.name, each.stage_number) for each in registry.stages]


def test_two_strategies_of_the_same_stage_are_refused_with_both_named(site: Site) -> None:
    """Installing a package must not decide by its name whose slates listeners get."""
    site.install("palate-rival", {"rival": "Lowest"})
    with pytest.raises(ConfigError) as caught:
        site.load()
    for part in ("'base' of palate-base", "'rival' of palate-rival", "[stages.rival]", "strategies.allow"):
        assert part in str(caught.value)


def test_a_ladder_without_a_rung_for_everybody_is_refused_with_what_is_missing(site: Site) -> None:
    """A listener must always get a slate, so the server does not start where some would get none."""
    site.install("palate-more", {"higher": "Higher"})
    with pytest.raises(ConfigError, match=r"no strategy admits every profile.*'base'.*strategies.allow leaves it out"):
        site.load(allow=["higher"])


def test_a_real_process_finds_what_is_installed_beside_palates_own(tmp_path: Path) -> None:
    """Built-in and third-party strategies come through the same entry-point group, scanned once."""
    Site(tmp_path).install("palate-far", {"far": "Sound"}, version="0.7")
    code = (
        "from palate.plugins import Registry\n"
        "from palate.plugins.loader import STRATEGY, installed\n"
        "assert installed(STRATEGY.group) is installed(STRATEGY.group)\n"
        "for each in Registry.load({}, {}, allow=['cold_start', 'far']).listing():\n"
        "    print(each.name, each.state.name, each.distribution)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    output = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert "cold_start LOADED palate" in output
    assert "far LOADED palate-far" in output
    assert "ranking NOT_ALLOWED palate" in output


def test_palates_own_strategies_are_declared_as_entry_points() -> None:
    """Nothing but the entry points tells the registry of them."""
    own = {each.name for each in installed(STRATEGY.group) if each.dist is not None and each.dist.name == "palate"}
    assert {"cold_start", "fallback", "ranking"} <= own
