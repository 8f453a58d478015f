"""Which strategies there are: found by entry point, loaded, and put in the order of their stages.

Installed distributions name their strategies in the entry-point group ``palate.strategies``; palate's own come
the same way. A strategy that cannot be used is listed with the reason; it stops the server only where the operator
requires it.
"""

import enum
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from itertools import pairwise
from typing import Final, Self

from palate.errors import ConfigError, NotFound
from palate.plugins.loader import STRATEGY, Plugin, load_plugins, refuse_unknown
from palate.plugins.strategy import Stage, Strategy

__all__ = ["Registered", "Registry", "StrategyState"]

BUILTIN: Final = "palate"
"""The distribution whose strategies are trusted to be quick and to keep their contract; others are isolated."""


class StrategyState(enum.IntEnum):
    """What became of an installed strategy; the numbers are those of the public contract."""

    LOADED = 1
    FAILED = 2
    NOT_ALLOWED = 3


@dataclass(frozen=True, slots=True)
class Registered:
    """One installed strategy.

    Attributes:
        name: The name of its entry point.
        distribution: The distribution that brings it.
        version: The version of that distribution.
        state: What became of it.
        reason: Why it is not loaded; empty when it is.
        strategy: The strategy; None unless it is loaded.
        stage: From where it applies; None when it answers only by name or is not loaded.
        stage_number: Its place among the stages, from 1 for the lowest; 0 when it has none.
        builtin: Whether it comes with palate itself and is called directly; others are isolated.
    """

    name: str
    distribution: str
    version: str
    state: StrategyState
    reason: str = ""
    strategy: Strategy | None = None
    stage: Stage | None = None
    stage_number: int = 0
    builtin: bool = False

    @property
    def identity(self) -> dict[str, str]:
        """What every line of the log about it says: strategy, distribution and version."""
        return {"strategy": self.name, "distribution": self.distribution, "version": self.version}

    def __str__(self) -> str:
        return f"strategy {self.name!r} of {self.distribution} {self.version}"


class Registry:
    """All installed strategies by name, and the stages that the loaded ones form.

    Args:
        strategies: At most one of each name. Their stage numbers are worked out anew.

    Attributes:
        stages: The loaded strategies that have a stage, lowest first.

    Raises:
        ConfigError: When two strategies have the same stage, since nobody could say which of them is meant,
            or when none admits every profile, since a listener must always get a slate.
    """

    def __init__(self, strategies: Iterable[Registered]) -> None:
        by_name = sorted(strategies, key=lambda registered: registered.name)
        staged = [(each.stage, each) for each in by_name if each.strategy is not None and each.stage is not None]
        staged.sort(key=lambda each: _thresholds(each[0]))
        _refuse_equal_stages(staged)
        self.stages: Final = tuple(replace(each, stage_number=n) for n, (_, each) in enumerate(staged, start=1))
        if not staged or staged[0][0] != Stage(0.0, 0):
            raise ConfigError(_no_lowest_stage(by_name))
        self._by_name: Final = {each.name: each for each in self.stages}
        for each in by_name:
            self._by_name.setdefault(each.name, each)

    @classmethod
    def load(
        cls,
        options: Mapping[str, Mapping[str, object]],
        stages: Mapping[str, Stage],
        allow: Sequence[str] = ("*",),
        required: Collection[str] = (),
        entry_points: Iterable[EntryPoint] | None = None,
    ) -> Self:
        """Load every installed strategy that is allowed.

        Args:
            options: For each strategy the operator's table; the others get their defaults.
            stages: Thresholds that replace those of the strategies' own stages.
            allow: Names that may be loaded, with shell-style wildcards.
            required: Names without which the server must not start.
            entry_points: What is installed; scanned for when None.

        Raises:
            ConfigError: For a mistake of the operator: two distributions that bring the same name, names that
                nothing installed has, options that a strategy refuses, a required strategy that is not
                loaded, or stages of which none is the lowest.
        """
        plugins = load_plugins(STRATEGY, options, allow, entry_points)
        names = [each.name for each in plugins]
        refuse_unknown("stages", stages, names, STRATEGY)
        refuse_unknown("strategies.required", required, names, STRATEGY)
        strategies = [_register(each, stages) for each in plugins]
        for each in strategies:
            if each.name in required and each.strategy is None:
                raise ConfigError(f"{each} is required and is not loaded: {each.reason}")
        return cls(strategies)

    def listing(self) -> tuple[Registered, ...]:
        """Return all that is installed: the stages from the bottom up, then the others by name."""
        return tuple(self._by_name.values())

    def names(self) -> tuple[str, ...]:
        """Return the names of the loaded strategies, in the order of `listing`."""
        return tuple(each.name for each in self.listing() if each.state is StrategyState.LOADED)

    def get(self, name: str) -> Registered:
        """Return an installed strategy that is allowed, loaded or not. NotFound when there is none."""
        registered = self._by_name.get(name)
        if registered is None or registered.state is StrategyState.NOT_ALLOWED:
            raise NotFound("strategy", name)
        return registered


def _register(plugin: Plugin[Strategy], stages: Mapping[str, Stage]) -> Registered:
    blank = Registered(
        plugin.name, plugin.distribution, plugin.version, StrategyState.FAILED, builtin=plugin.distribution == BUILTIN
    )
    if plugin.instance is None:
        state = StrategyState.FAILED if plugin.allowed else StrategyState.NOT_ALLOWED
        return replace(blank, state=state, reason=plugin.reason)
    stage = _stage(type(plugin.instance).stage, stages.get(plugin.name))
    return replace(blank, state=StrategyState.LOADED, strategy=plugin.instance, stage=stage)


def _stage(own: Stage | None, given: Stage | None) -> Stage | None:
    """Return a strategy's stage with the thresholds that the operator gives; it needs the same models."""
    if given is None or own is None:
        return given or own
    return replace(given, learners=own.learners)


def _thresholds(stage: Stage) -> tuple[float, int]:
    return stage.min_confidence, stage.min_interactions


def _refuse_equal_stages(stages: Sequence[tuple[Stage, Registered]]) -> None:
    for (stage, lower), (higher_stage, higher) in pairwise(stages):
        if _thresholds(stage) == _thresholds(higher_stage):
            raise ConfigError(
                f"{lower} and {higher} both apply from confidence {stage.min_confidence} and "
                f"{stage.min_interactions} interactions; give one of them another stage in [stages.{higher.name}], "
                "or leave it out of strategies.allow"
            )


def _no_lowest_stage(strategies: Iterable[Registered]) -> str:
    lost = "; ".join(f"{each}: {each.reason}" for each in strategies if each.strategy is None)
    message = (
        "no strategy admits every profile, so some listeners would get no slate; allow one, or let one apply from "
        "confidence 0 and 0 interactions in [stages]"
    )
    return f"{message}. Not loaded are {lost}" if lost else message
