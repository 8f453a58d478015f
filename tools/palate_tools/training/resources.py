"""What training works with: catalog, store, the stages and the learners, opened as the configuration says."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from palate.app.config import Config, TrainingConfig
from palate.catalog.snapshot import Catalog
from palate.domain import Profile
from palate.errors import ConfigError
from palate.plugins.learner import Learner
from palate.plugins.loader import LEARNER, load_plugins
from palate.plugins.registry import Registered, Registry
from palate.plugins.strategy import Context, Declined, Rows, Stage, Strategy
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
        stages: The strategies that have a stage, lowest first.
        learners: The learners, by name.
        background: float32 ``(m, 9)``, normal scores of a sample of the catalog.
    """

    config: TrainingConfig
    catalog: Catalog
    store: Store
    stages: tuple[Registered, ...]
    learners: Mapping[str, LoadedLearner]
    background: NDArray[np.float32]

    def learners_for(self, profile: Profile) -> list[LoadedLearner]:
        """Return the learners whose strategy admits a profile, the highest stage first."""
        stages = reversed(self.stages)
        return [
            self.learners[stage.name] for stage in stages if stage.name in self.learners and _admits(stage, profile)
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
        for stage in reversed(self.stages):
            if stage.strategy is not None and _admits(stage, profile):
                with suppress(Declined):
                    stage.strategy.score(profile, rows, context)
                    return stage.strategy
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
        learners = load_learners(config.training)
        background = _sample(catalog, config.training.background)
        yield Resources(config.training, catalog, store, registry.stages, learners, background)


def load_learners(config: TrainingConfig) -> dict[str, LoadedLearner]:
    """Load the learners that are installed and allowed, by name; those that cannot be used are logged and left out.

    Raises:
        ConfigError: For a mistake of the operator, or when no learner can be used.
    """
    plugins = load_plugins(LEARNER, config.options, config.allow)
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


def _admits(stage: Registered, profile: Profile) -> bool:
    return stage.stage is not None and stage.stage.admits(profile)
