"""Plugins: found by entry point, checked against their contract, configured and constructed.

The rules are the same for every kind of plugin; a `PluginKind` says what is particular to one.
"""

import fnmatch
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, is_dataclass
from importlib.metadata import EntryPoint, EntryPoints
from importlib.metadata import entry_points as scan
from itertools import pairwise
from typing import Any, Final, Generic, TypeVar

import structlog

from palate.errors import ConfigError
from palate.plugins.learner import Learner
from palate.plugins.options import build_config
from palate.plugins.strategy import Stage, Strategy
from palate.suggestion import suggestion

__all__ = ["LEARNER", "STRATEGY", "Plugin", "PluginKind", "installed", "load_plugins", "origin", "refuse_unknown"]

T = TypeVar("T")
_log = structlog.get_logger(__name__)


class UnusablePlugin(Exception):
    """A plugin's own fault, in words for the operator."""


@dataclass(frozen=True, slots=True)
class PluginKind(Generic[T]):
    """What is particular to one kind of plugin.

    Attributes:
        noun: What one is called.
        group: The entry-point group that names such plugins.
        table: The operator's table for them: it has `allow`, and the plugins' own tables in `options`.
        contract: Where its contract stands, for messages.
        protocol: The contract.
        members: What the class must bring of its own.
        methods: The methods that its instances must have, with the parameters that they must take.
        check: Looks at the class once all members are there; raises UnusablePlugin.
        former_group: What the entry-point group was called before, or empty; plugins that name it are refused.
    """

    noun: str
    group: str
    table: str
    contract: str
    protocol: Any
    members: tuple[str, ...]
    methods: Mapping[str, tuple[str, ...]]
    check: Callable[[Any, str], None] = lambda plugin, name: None  # noqa: ARG005 - checks nothing
    former_group: str = ""


@dataclass(frozen=True, slots=True)
class Plugin(Generic[T]):
    """One installed plugin.

    Attributes:
        name: The name of its entry point.
        distribution: The distribution that brings it.
        version: The version of that distribution.
        allowed: Whether the operator lets it be loaded.
        instance: The plugin; None where it is not allowed or cannot be used.
        reason: Why it is not loaded; empty when it is.
    """

    name: str
    distribution: str
    version: str
    allowed: bool
    instance: T | None = None
    reason: str = ""


@functools.cache
def installed(group: str) -> EntryPoints:
    """Return the entry points of a group. The scan takes milliseconds, so it is done once a process."""
    return scan(group=group)


def load_plugins(
    kind: PluginKind[T],
    options: Mapping[str, Mapping[str, object]],
    allow: Sequence[str] = ("*",),
    entry_points: Iterable[EntryPoint] | None = None,
) -> list[Plugin[T]]:
    """Load every installed plugin of a kind that is allowed. One that cannot be used is logged, with the reason.

    Names are read first and filtered by the allow-list; only what passes is imported.

    Args:
        kind: What to look for.
        options: For each plugin the operator's table; the others get their defaults.
        allow: Names that may be loaded, with shell-style wildcards.
        entry_points: What is installed, of whatever group; scanned for when None.

    Returns:
        All of them, by name.

    Raises:
        ConfigError: For a mistake of the operator: two distributions that bring the same name, names that nothing
            installed has, or options that a plugin refuses.
    """
    current, former = (
        list(installed(group) if entry_points is None else EntryPoints(entry_points).select(group=group))
        for group in (kind.group, kind.former_group)
    )
    moved = {(each.name, origin(each)) for each in current}
    former = [each for each in former if (each.name, origin(each)) not in moved]
    found = sorted([*current, *former], key=lambda each: each.name)
    _refuse_duplicates(found, kind)
    names = [each.name for each in found]
    refuse_unknown(f"{kind.table}.options", options, names, kind)
    refuse_unknown(f"{kind.table}.allow", [one for one in allow if not fnmatch.filter(names, one)], names, kind)
    return [_load(each, options.get(each.name), allow, kind) for each in found]


def _load(
    entry_point: EntryPoint, table: Mapping[str, object] | None, allow: Sequence[str], kind: PluginKind[T]
) -> Plugin[T]:
    name, (distribution, version) = entry_point.name, origin(entry_point)
    if not any(fnmatch.fnmatchcase(name, pattern) for pattern in allow):
        return Plugin(name, distribution, version, allowed=False, reason=f"{kind.table}.allow leaves it out")
    try:
        plugin = _import(entry_point, kind)
        instance = _construct(plugin, _configure(plugin, f"{kind.table}.options.{name}", table), kind)
    except UnusablePlugin as error:
        identity = {kind.noun: name, "distribution": distribution, "version": version}
        _log.error(f"{kind.noun} failed to load", **identity, reason=str(error), exc_info=error.__cause__)
        return Plugin(name, distribution, version, allowed=True, reason=str(error))
    return Plugin(name, distribution, version, allowed=True, instance=instance)


def origin(entry_point: EntryPoint) -> tuple[str, str]:
    """Return name and version of the distribution that brings an entry point, as far as it tells them."""
    try:
        metadata: Any = entry_point.dist.metadata if entry_point.dist is not None else {}
    except FileNotFoundError:  # so from Python 3.15 on, and where the importlib_metadata backport has been imported
        return "unknown", "unknown"
    return metadata.get("Name", "unknown"), metadata.get("Version", "unknown")


def _refuse_duplicates(found: Sequence[EntryPoint], kind: PluginKind[T]) -> None:
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
    if entry_point.group != kind.group:
        raise UnusablePlugin(
            f"its distribution names it in the entry-point group {entry_point.group!r}, which is called "
            f"{kind.group!r} now; install a version that names it there"
        )
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
    group="palate.strategies",
    table="strategies",
    contract="palate.plugins.Strategy",
    protocol=Strategy,
    members=("config_type", "stage", "recommend", "score"),
    methods={"recommend": ("profile", "request", "context"), "score": ("profile", "rows", "context")},
    check=_check_stage,
)
"""What a strategy must be."""

LEARNER: Final[PluginKind[Learner]] = PluginKind(
    noun="learner",
    group="palate.learners",
    table="training",
    contract="palate.plugins.learner.Learner",
    protocol=Learner,
    members=("config_type", "fit"),
    methods={"fit": ("dataset", "seed")},
    former_group="palate.recipes",
)
"""What a learner must be."""


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
