"""What training works with: catalog, store, the ladder and the recipes, opened as the configuration says."""

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from palate.catalog.snapshot import Catalog
from palate.config import Config, TrainingConfig
from palate.errors import ConfigError
from palate.store import open_store
from palate.store.contract import Store
from palate.strategy.contract import Context, Declined, Rows, Stage, Strategy
from palate.strategy.registry import Registered, Registry
from palate.tastes import Profile

from palate_tools.training.recipes import LoadedRecipe, load_recipes

__all__ = ["Workshop", "open_workshop"]

_SEED: Final = 0


@dataclass(frozen=True, slots=True)
class Workshop:
    """What training works with.

    Attributes:
        config: How to train.
        catalog: The catalog that is served.
        store: Where profiles come from and models go.
        ladder: The strategies that have a stage, lowest first.
        recipes: The recipes, by name.
        background: float32 ``(m, 9)``, normal scores of a sample of the catalog.
    """

    config: TrainingConfig
    catalog: Catalog
    store: Store
    ladder: tuple[Registered, ...]
    recipes: dict[str, LoadedRecipe]
    background: NDArray[np.float32]

    def eligible(self, profile: Profile) -> list[LoadedRecipe]:
        """Return the recipes whose strategy admits a profile, the highest rung first."""
        rungs = reversed(self.ladder)
        return [self.recipes[rung.name] for rung in rungs if rung.name in self.recipes and _admits(rung, profile)]

    def without_models(self, profile: Profile, rows: Rows, context: Context) -> Strategy:
        """Return the strategy that serves a listener without models: ranking, unless it is too early for it.

        Args:
            profile: The listener.
            rows: Some tracks to try strategies on.
            context: What a strategy is given, without models.
        """
        for rung in reversed(self.ladder):
            if rung.strategy is not None and _admits(rung, profile):
                with suppress(Declined):
                    rung.strategy.score(profile, rows, context)
                    return rung.strategy
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
            ladder={name: Stage(**stage.model_dump()) for name, stage in config.ladder.items()},
            allow=config.strategies.allow,
        )
        recipes = load_recipes(config.training.options, config.training.allow)
        sample = _sample(catalog, config.training.background)
        by_name = {recipe.name: recipe for recipe in recipes}
        yield Workshop(config.training, catalog, store, registry.ladder, by_name, sample)


def _sample(catalog: Catalog, size: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(_SEED).choice(len(catalog), min(size, len(catalog)), replace=False)
    return catalog.normalized[np.sort(rows)]


def _admits(rung: Registered, profile: Profile) -> bool:
    return rung.stage is not None and rung.stage.admits(profile)
