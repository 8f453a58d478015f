"""What training works with: catalog, store, the stages and the learners, opened as the configuration says."""

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from palate.app.config import Config, TrainingConfig
from palate.catalog.snapshot import Catalog
from palate.domain import Profile
from palate.errors import ConfigError
from palate.plugins.registry import Registered, Registry
from palate.plugins.strategy import Context, Declined, Rows, Stage, Strategy
from palate.store import open_store
from palate.store.contract import Store

from palate_tools.training.learners import LoadedLearner, load_learners

__all__ = ["Workshop", "open_workshop"]

_SEED: Final = 0


@dataclass(frozen=True, slots=True)
class Workshop:
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
    learners: dict[str, LoadedLearner]
    background: NDArray[np.float32]

    def eligible(self, profile: Profile) -> list[LoadedLearner]:
        """Return the learners whose strategy admits a profile, the highest stage first."""
        stages = reversed(self.stages)
        return [
            self.learners[stage.name] for stage in stages if stage.name in self.learners and _admits(stage, profile)
        ]

    def without_models(self, profile: Profile, rows: Rows, context: Context) -> Strategy:
        """Return the strategy that serves a listener without models: ranking, unless it is too early for it.

        Args:
            profile: The listener.
            rows: Some tracks to try strategies on.
            context: What a strategy is given, without models.
        """
        for stage in reversed(self.stages):
            if stage.strategy is not None and _admits(stage, profile):
                with suppress(Declined):
                    stage.strategy.score(profile, rows, context)
                    return stage.strategy
        raise ConfigError("no strategy serves listeners without models; allow ranking in strategies.allow")


@contextmanager
def open_workshop(config: Config) -> Iterator[Workshop]:
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
        sample = _sample(catalog, config.training.background)
        by_name = {learner.name: learner for learner in learners}
        yield Workshop(config.training, catalog, store, registry.stages, by_name, sample)


def _sample(catalog: Catalog, size: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(_SEED).choice(len(catalog), min(size, len(catalog)), replace=False)
    return catalog.normalized[np.sort(rows)]


def _admits(stage: Registered, profile: Profile) -> bool:
    return stage.stage is not None and stage.stage.admits(profile)
