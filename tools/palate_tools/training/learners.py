"""Which learners there are: found by the entry-point group ``palate.learners``, under the rules of strategies."""

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from importlib.metadata import entry_points as scan
from typing import Final

import structlog
from palate.errors import ConfigError
from palate.plugins.learner import Learner
from palate.plugins.loader import (
    PluginKind,
    UnusablePlugin,
    load_plugin,
    origin,
    refuse_duplicates,
    refuse_unknown,
)

from palate_tools.groups import installing

__all__ = ["GROUP", "LEARNER", "LoadedLearner", "load_learners"]

GROUP: Final = "palate.learners"
"""The entry-point group."""

LEARNER: Final[PluginKind[Learner]] = PluginKind(
    noun="learner",
    contract="palate.plugins.learner.Learner",
    protocol=Learner,
    options="training.options",
    members=("config_type", "fit"),
    methods={"fit": ("dataset", "seed")},
)
"""What a learner must be."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedLearner:
    """A learner that can be used.

    Attributes:
        name: The name of its entry point, and of the strategy that serves its models.
        distribution: The distribution that brings it.
        version: The version of that distribution.
        learner: The learner.
    """

    name: str
    distribution: str
    version: str
    learner: Learner


def load_learners(
    options: Mapping[str, Mapping[str, object]],
    allow: Sequence[str] = ("*",),
    entry_points: Iterable[EntryPoint] | None = None,
) -> tuple[LoadedLearner, ...]:
    """Load every installed learner that is allowed; those that cannot be used are logged and left out.

    Args:
        options: For each learner the operator's table; the others get their defaults.
        allow: Names that may be loaded, with shell-style wildcards.
        entry_points: What is installed; scanned for when None.

    Raises:
        ConfigError: For a mistake of the operator: two distributions that bring the same name, names that
            nothing installed has, options that a learner refuses, or no learner that can be used.
    """
    found = sorted(scan(group=GROUP) if entry_points is None else entry_points, key=lambda each: each.name)
    refuse_duplicates(found, LEARNER)
    names = [each.name for each in found]
    if not names:
        raise ConfigError(f"no learner is installed, so that nothing can be trained; {installing('train')}")
    refuse_unknown("training.options", options, names, LEARNER)
    refuse_unknown("training.allow", [one for one in allow if not fnmatch.filter(names, one)], names, LEARNER)
    allowed = [each for each in found if any(fnmatch.fnmatchcase(each.name, pattern) for pattern in allow)]
    loaded = [one for each in allowed if (one := _load(each, options.get(each.name))) is not None]
    if not loaded:
        raise ConfigError(
            "no learner can be used, so that nothing can be trained; the log says why each failed. Install "
            "palate[train], or allow a learner in training.allow"
        )
    return tuple(loaded)


def _load(entry_point: EntryPoint, table: Mapping[str, object] | None) -> LoadedLearner | None:
    distribution, version = origin(entry_point)
    try:
        learner = load_plugin(entry_point, table, LEARNER)
    except UnusablePlugin as error:
        _log.error(
            "learner failed to load",
            learner=entry_point.name,
            distribution=distribution,
            version=version,
            reason=str(error),
            exc_info=error.__cause__,
        )
        return None
    return LoadedLearner(entry_point.name, distribution, version, learner)
