"""Plugins: found by entry point, checked against their contract, configured and constructed.

The rules are the same for every kind of plugin; a `PluginKind` says what is particular to one.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, is_dataclass
from importlib.metadata import EntryPoint
from itertools import pairwise
from typing import Any, Final, Generic, TypeVar

from palate.errors import ConfigError
from palate.plugins.options import build_config
from palate.plugins.strategy import Stage, Strategy
from palate.suggestion import suggestion

__all__ = ["STRATEGY", "PluginKind", "UnusablePlugin", "load_plugin", "origin", "refuse_duplicates", "refuse_unknown"]

T = TypeVar("T")


class UnusablePlugin(Exception):
    """A plugin's own fault, in words for the operator."""


@dataclass(frozen=True, slots=True)
class PluginKind(Generic[T]):
    """What is particular to one kind of plugin.

    Attributes:
        noun: What one is called.
        contract: Where its contract stands, for messages.
        protocol: The contract.
        options: Where the operator's tables for such plugins stand in the configuration.
        members: What the class must bring of its own.
        methods: The methods that its instances must have, with the parameters that they must take.
        check: Looks at the class once all members are there; raises UnusablePlugin.
    """

    noun: str
    contract: str
    protocol: Any
    options: str
    members: tuple[str, ...]
    methods: Mapping[str, tuple[str, ...]]
    check: Callable[[Any, str], None] = lambda plugin, name: None  # noqa: ARG005 - checks nothing


def load_plugin(entry_point: EntryPoint, table: Mapping[str, object] | None, kind: PluginKind[T]) -> T:
    """Make the plugin that an entry point names.

    Args:
        entry_point: Names the class.
        table: The operator's options; None when the operator gave none.
        kind: What it must be.

    Raises:
        UnusablePlugin: Whatever the plugin does wrong, an attempt to exit included.
        ConfigError: When the plugin does not accept the operator's options.
    """
    plugin = _import(entry_point, kind)
    config = _configure(plugin, f"{kind.options}.{entry_point.name}", table)
    return _construct(plugin, config, kind)


def origin(entry_point: EntryPoint) -> tuple[str, str]:
    """Return name and version of the distribution that brings an entry point, as far as it tells them."""
    try:
        metadata: Any = entry_point.dist.metadata if entry_point.dist is not None else {}
    except FileNotFoundError:  # so from Python 3.15 on, and where the importlib_metadata backport has been imported
        return "unknown", "unknown"
    return metadata.get("Name", "unknown"), metadata.get("Version", "unknown")


def refuse_duplicates(found: Sequence[EntryPoint], kind: PluginKind[T]) -> None:
    """Raise ConfigError when two of the entry points, sorted by name, have one name."""
    for one, other in pairwise(found):
        if one.name == other.name:
            origins = " and ".join(" ".join(origin(each)) for each in (one, other))
            raise ConfigError(f"{kind.noun} {one.name!r} is brought by both {origins}; uninstall one of them")


def refuse_unknown(path: str, named: Iterable[str], names: Sequence[str], kind: PluginKind[T]) -> None:
    """Raise ConfigError when the configuration names, at a path, a plugin that is not installed."""
    for name in named:
        if name not in names:
            raise ConfigError(f"{path}: no {kind.noun} {name!r} is installed{suggestion(name, names)}")


@contextmanager
def _blaming(step: str, passing: type[Exception] = UnusablePlugin) -> Iterator[None]:
    """Turn whatever a plugin raises in a step of loading it into the reason why it cannot be used."""
    try:
        yield
    except (UnusablePlugin, passing):
        raise
    except (Exception, SystemExit) as error:  # third-party code may raise anything, and may try to exit
        raise UnusablePlugin(f"{step} raised {type(error).__name__}: {error}") from error


def _import(entry_point: EntryPoint, kind: PluginKind[T]) -> Callable[[Any], T]:
    with _blaming(f"importing {entry_point.value}"):
        plugin = entry_point.load()
    with _blaming(f"checking {entry_point.value}"):
        _check_class(plugin, entry_point.value, kind)
    checked: Callable[[Any], T] = plugin
    return checked


def _check_class(plugin: Any, name: str, kind: PluginKind[T]) -> None:
    if not isinstance(plugin, type):
        raise UnusablePlugin(f"{name} is not a class")
    lacking = [each for each in kind.members if not _brings(plugin, each, kind.protocol)]
    if lacking:
        raise UnusablePlugin(f"{name} lacks {', '.join(lacking)}; see {kind.contract}")
    config_type = plugin.config_type  # type: ignore[attr-defined]  # it was looked for above
    if not (isinstance(config_type, type) and is_dataclass(config_type) and config_type.__dataclass_params__.frozen):  # type: ignore[attr-defined]  # every dataclass has them
        raise UnusablePlugin(f"{name} has the config_type {config_type!r}, which is not a frozen dataclass")
    kind.check(plugin, name)


def _check_stage(plugin: Any, name: str) -> None:
    stage = plugin.stage
    if stage is None:
        return
    if not isinstance(stage, Stage):
        raise UnusablePlugin(f"{name} has the stage {stage!r}, which is neither a palate.plugins.Stage nor None")
    if not (0 <= stage.min_confidence < 1 and stage.min_interactions >= 0):
        raise UnusablePlugin(f"{name} has {stage}; min_confidence must be in [0, 1) and min_interactions at least 0")


def _brings(plugin: Any, name: str, protocol: object) -> bool:
    """Return whether a class has an attribute of its own, not only what it inherits from the protocol."""
    return hasattr(plugin, name) and getattr(plugin, name) is not getattr(protocol, name, plugin)


STRATEGY: Final[PluginKind[Strategy]] = PluginKind(
    noun="strategy",
    contract="palate.plugins.Strategy",
    protocol=Strategy,
    options="strategies.options",
    members=("config_type", "stage", "recommend", "score"),
    methods={"recommend": ("profile", "request", "context"), "score": ("profile", "rows", "context")},
    check=_check_stage,
)
"""What a strategy must be."""


def _configure(plugin: Any, path: str, table: Mapping[str, object] | None) -> object:
    """Build the configuration; the operator is to blame only for a table that the operator wrote."""
    try:
        with _blaming(f"building {plugin.config_type.__qualname__}", passing=ConfigError):
            return build_config(plugin.config_type, path, table or {})
    except ConfigError as error:
        if table is not None:
            raise
        raise UnusablePlugin(f"its defaults are refused; write a table [{path}]: {error}") from error


def _construct(plugin: Callable[[Any], T], config: object, kind: PluginKind[T]) -> T:
    title = getattr(plugin, "__qualname__", repr(plugin))
    with _blaming(f"calling {title} with its configuration"):
        made = plugin(config)
    with _blaming(f"checking {title}"):
        for name, parameters in kind.methods.items():
            _check_method(made, name, parameters)
    return made


def _check_method(plugin: object, name: str, parameters: tuple[str, ...]) -> None:
    method = getattr(plugin, name)
    title = f"{type(plugin).__qualname__}.{name}"
    if not callable(method) or inspect.iscoroutinefunction(method):
        raise UnusablePlugin(f"{title} must be a plain method that returns its answer")
    with suppress(ValueError):  # compiled methods may have no signature to look at
        signature = inspect.signature(method)
        try:
            signature.bind(*parameters)
        except TypeError as error:
            raise UnusablePlugin(f"{title}{signature} does not take ({', '.join(parameters)})") from error
