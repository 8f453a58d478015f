"""What training works with: catalog, store, strategies and learners, opened as the configuration says."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Final

import numpy as np
from numpy.typing import NDArray
from palate.app.config import Config, TrainingConfig
from palate.catalog.snapshot import Catalog
from palate.domain import Profile
from palate.errors import ConfigError
from palate.plugins.learner import Learner
from palate.plugins.loader import LEARNER, load_plugins
from palate.plugins.registry import Registry
from palate.plugins.strategy import Context, Declined, Rows, Stage, Strategy
from palate.serving.router import stages_for
from palate.store import open_store
from palate.store.contract import Store

from palate_tools.groups import installing

__all__ = ["LoadedLearner", "Resources", "load_learners", "open_resources"]

_SEED: Final = 0


@dataclass(frozen=True, slots=True)
class LoadedLearner:
    """A learner that can be used.

    Attributes:
        name: Its name, and that of the strategy that serves its models.
        distribution: The distribution that brings it.
        version: The version of that distribution.
        learner: The learner.
    """

    name: str
    distribution: str
    version: str
    learner: Learner


@dataclass(frozen=True, slots=True)
class Resources:
    """What training works with.

    Attributes:
        config: How to train.
        catalog: The catalog that is served.
        store: Where profiles come from and models go.
        registry: The strategies and the stages.
        learners: The learners, by name.
        background: float32 ``(m, 9)``, normal scores of a sample of the catalog.
    """

    config: TrainingConfig
    catalog: Catalog
    store: Store
    registry: Registry
    learners: Mapping[str, LoadedLearner]
    background: NDArray[np.float32]

    def learners_for(self, profile: Profile) -> list[LoadedLearner]:
        """Return the learners whose strategy admits a profile, the highest stage first."""
        return [
            self.learners[staged.name]
            for staged in reversed(self.registry.stages)
            if staged.name in self.learners and staged.stage is not None and staged.stage.admits(profile)
        ]

    def strategy_without_models(self, profile: Profile, rows: Rows, context: Context) -> Strategy:
        """Return the strategy that serves a listener without models: ranking, unless it is too early for it.

        Args:
            profile: The listener.
            rows: Some tracks to try strategies on.
            context: What a strategy is given, without models.

        Raises:
            ConfigError: When no strategy serves such a listener.
        """
        for staged in stages_for(self.registry, profile, context):
            if staged.strategy is not None:
                with suppress(Declined):
                    staged.strategy.score(profile, rows, context)
                    return staged.strategy
        raise ConfigError("no strategy serves listeners without models; allow ranking in strategies.allow")


@contextmanager
def open_resources(config: Config) -> Iterator[Resources]:
    """Open everything that training works with, and close it at the end.

    Raises:
        PalateError: When something is missing or broken, with a sentence that says what to do.
    """
    with Catalog.open(config.catalog_path) as catalog, closing(open_store(config.store_url, create=False)) as store:
        registry = Registry.load(
            options=config.strategies.options,
            stages={name: Stage(**stage.model_dump()) for name, stage in config.stages.items()},
            allow=config.strategies.allow,
        )
        learners = load_learners(config.training.options, config.training.allow)
        background = _sample(catalog, config.training.background)
        yield Resources(config.training, catalog, store, registry, learners, background)


def load_learners(
    options: Mapping[str, Mapping[str, object]],
    allow: Sequence[str] = ("*",),
    entry_points: Iterable[EntryPoint] | None = None,
) -> dict[str, LoadedLearner]:
    """Load the learners that are installed and allowed, by name; those that cannot be used are logged and left out.

    Args:
        options: For each learner the operator's table; the others get their defaults.
        allow: Names that may be loaded, with shell-style wildcards.
        entry_points: What is installed; scanned for when None.

    Raises:
        ConfigError: For a mistake of the operator, or when no learner can be used.
    """
    plugins = load_plugins(LEARNER, options, allow, entry_points)
    loaded = {
        plugin.name: LoadedLearner(plugin.name, plugin.distribution, plugin.version, plugin.instance)
        for plugin in plugins
        if plugin.instance is not None
    }
    if not loaded:
        raise ConfigError(
            "no learner can be used, so that nothing can be trained. Allow one in training.allow, or install what "
            f"palate's own need: {installing('train')}; the log says why a learner could not be loaded"
        )
    return loaded


def _sample(catalog: Catalog, size: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(_SEED).choice(len(catalog), min(size, len(catalog)), replace=False)
    return catalog.normalized[np.sort(rows)]
