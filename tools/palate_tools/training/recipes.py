"""Which recipes there are: found by the entry-point group ``palate.recipes``, under the rules of strategies."""

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from importlib.metadata import entry_points as scan
from typing import Final

import structlog
from palate.errors import ConfigError
from palate.models.recipe import Recipe
from palate.strategy.plugin import (
    PluginKind,
    UnusablePlugin,
    load_plugin,
    origin,
    refuse_duplicates,
    refuse_unknown,
)

from palate_tools.extras import installing

__all__ = ["GROUP", "RECIPE", "LoadedRecipe", "load_recipes"]

GROUP: Final = "palate.recipes"
"""The entry-point group."""

RECIPE: Final[PluginKind[Recipe]] = PluginKind(
    noun="recipe",
    contract="palate.models.recipe.Recipe",
    protocol=Recipe,
    options="training.options",
    members=("config_type", "fit"),
    methods={"fit": ("dataset", "seed")},
)
"""What a recipe must be."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedRecipe:
    """A recipe that can be used.

    Attributes:
        name: The name of its entry point, and of the strategy that serves its models.
        distribution: The distribution that brings it.
        version: The version of that distribution.
        recipe: The recipe.
    """

    name: str
    distribution: str
    version: str
    recipe: Recipe


def load_recipes(
    options: Mapping[str, Mapping[str, object]],
    allow: Sequence[str] = ("*",),
    entry_points: Iterable[EntryPoint] | None = None,
) -> tuple[LoadedRecipe, ...]:
    """Load every installed recipe that is allowed; those that cannot be used are logged and left out.

    Args:
        options: For each recipe the operator's table; the others get their defaults.
        allow: Names that may be loaded, with shell-style wildcards.
        entry_points: What is installed; scanned for when None.

    Raises:
        ConfigError: For a mistake of the operator: two distributions that bring the same name, names that
            nothing installed has, options that a recipe refuses, or no recipe that can be used.
    """
    found = sorted(scan(group=GROUP) if entry_points is None else entry_points, key=lambda each: each.name)
    refuse_duplicates(found, RECIPE)
    names = [each.name for each in found]
    if not names:
        raise ConfigError(f"no recipe is installed, so that nothing can be trained; {installing('train')}")
    refuse_unknown("training.options", options, names, RECIPE)
    refuse_unknown("training.allow", [one for one in allow if not fnmatch.filter(names, one)], names, RECIPE)
    allowed = [each for each in found if any(fnmatch.fnmatchcase(each.name, pattern) for pattern in allow)]
    loaded = [one for each in allowed if (one := _load(each, options.get(each.name))) is not None]
    if not loaded:
        raise ConfigError(
            "no recipe can be used, so that nothing can be trained; the log says why each failed. Install "
            "palate[train], or allow a recipe in training.allow"
        )
    return tuple(loaded)


def _load(entry_point: EntryPoint, table: Mapping[str, object] | None) -> LoadedRecipe | None:
    distribution, version = origin(entry_point)
    try:
        recipe = load_plugin(entry_point, table, RECIPE)
    except UnusablePlugin as error:
        _log.error(
            "recipe failed to load",
            recipe=entry_point.name,
            distribution=distribution,
            version=version,
            reason=str(error),
            exc_info=error.__cause__,
        )
        return None
    return LoadedRecipe(entry_point.name, distribution, version, recipe)
