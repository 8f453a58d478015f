"""One plugin: imported, checked against the contract, configured and constructed."""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import is_dataclass
from importlib.metadata import EntryPoint
from typing import Any

from palate.errors import ConfigError
from palate.strategy.contract import Stage, Strategy
from palate.strategy.options import build_config

__all__ = ["UnusablePlugin", "load_plugin"]


class UnusablePlugin(Exception):
    """A plugin's own fault, in words for the operator."""


def load_plugin(entry_point: EntryPoint, table: Mapping[str, object] | None) -> Strategy:
    """Make the strategy that an entry point names.

    Args:
        entry_point: Names the class.
        table: The operator's options; None when the operator gave none.

    Raises:
        UnusablePlugin: Whatever the plugin does wrong, an attempt to exit included.
        ConfigError: When the plugin does not accept the operator's options.
    """
    plugin = _import(entry_point)
    config = _configure(plugin, f"strategies.options.{entry_point.name}", table)
    return _construct(plugin, config)


@contextmanager
def _blaming(step: str, passing: type[Exception] = UnusablePlugin) -> Iterator[None]:
    """Turn whatever a plugin raises in a step of loading it into the reason why it cannot be used."""
    try:
        yield
    except (UnusablePlugin, passing):
        raise
    except (Exception, SystemExit) as error:  # third-party code may raise anything, and may try to exit
        raise UnusablePlugin(f"{step} raised {type(error).__name__}: {error}") from error


def _import(entry_point: EntryPoint) -> type[Strategy]:
    with _blaming(f"importing {entry_point.value}"):
        plugin = entry_point.load()
    with _blaming(f"checking {entry_point.value}"):
        _check_class(plugin, entry_point.value)
    checked: type[Strategy] = plugin
    return checked


def _check_class(plugin: Any, name: str) -> None:
    if not isinstance(plugin, type):
        raise UnusablePlugin(f"{name} is not a class")
    lacking = [each for each in ("config_type", "stage", "recommend", "score") if not _brings(plugin, each)]
    if lacking:
        raise UnusablePlugin(f"{name} lacks {', '.join(lacking)}; see palate.strategy.Strategy")
    config_type = plugin.config_type  # type: ignore[attr-defined]  # it was looked for above
    if not (isinstance(config_type, type) and is_dataclass(config_type) and config_type.__dataclass_params__.frozen):  # type: ignore[attr-defined]  # every dataclass has them
        raise UnusablePlugin(f"{name} has the config_type {config_type!r}, which is not a frozen dataclass")
    stage = plugin.stage  # type: ignore[attr-defined]  # it was looked for above
    if stage is None:
        return
    if not isinstance(stage, Stage):
        raise UnusablePlugin(f"{name} has the stage {stage!r}, which is neither a palate.strategy.Stage nor None")
    if not (0 <= stage.min_confidence < 1 and stage.min_interactions >= 0):
        raise UnusablePlugin(f"{name} has {stage}; min_confidence must be in [0, 1) and min_interactions at least 0")


def _brings(plugin: Any, name: str) -> bool:
    """Return whether a class has an attribute of its own, not only what it inherits from the protocol."""
    return hasattr(plugin, name) and getattr(plugin, name) is not getattr(Strategy, name, plugin)


def _configure(plugin: type[Strategy], path: str, table: Mapping[str, object] | None) -> object:
    """Build the configuration; the operator is to blame only for a table that the operator wrote."""
    try:
        with _blaming(f"building {plugin.config_type.__qualname__}", passing=ConfigError):
            return build_config(plugin.config_type, path, table or {})
    except ConfigError as error:
        if table is not None:
            raise
        raise UnusablePlugin(f"its defaults are refused; write a table [{path}]: {error}") from error


def _construct(plugin: type[Strategy], config: object) -> Strategy:
    with _blaming(f"calling {plugin.__qualname__} with its configuration"):
        strategy = plugin(config)
    with _blaming(f"checking {plugin.__qualname__}"):
        _check_method(strategy, "recommend", ("profile", "request", "context"))
        _check_method(strategy, "score", ("profile", "rows", "context"))
    return strategy


def _check_method(strategy: Strategy, name: str, parameters: tuple[str, ...]) -> None:
    method = getattr(strategy, name)
    title = f"{type(strategy).__qualname__}.{name}"
    if not callable(method) or inspect.iscoroutinefunction(method):
        raise UnusablePlugin(f"{title} must be a plain method that returns its answer")
    with suppress(ValueError):  # compiled methods may have no signature to look at
        signature = inspect.signature(method)
        try:
            signature.bind(*parameters)
        except TypeError as error:
            raise UnusablePlugin(f"{title}{signature} does not take ({', '.join(parameters)})") from error
