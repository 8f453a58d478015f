"""What all tests draw on: the populations, the catalog, the baselines and a trained server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from palate_tools.simulation.kinds import Kind, load_kinds

from palate_lab.ablation.cases import Case, Figures, judge, make_cases
from palate_lab.ablation.lists import ActiveTastes, Palate, draw_up
from palate_lab.comparison.baselines import (
    AverageVector,
    BestScore,
    ItemSpace,
    MergedCentroid,
    MergedLogistic,
    NearestLiked,
    PerTaste,
    Recommender,
)
from palate_lab.comparison.protocol import World

__all__ = ["IMBALANCES", "SEPARATIONS", "TUNING", "Evidence", "Settings", "make_populations", "tune"]

SEPARATIONS: Final = (0.0, 0.5, 1.0)
IMBALANCES: Final = (0.5, 0.7, 0.9)
TUNING: Final = "tuning"
"""The population that settings are chosen on, and nothing else."""

_STILL: Final = ("one-taste", "separated", "close", "dominated", "eclectic", "contrary")
"""Kinds of listeners who like in the end what they liked when they gave their verdicts."""

_GENRE_WEIGHTS: Final = (0.0, 0.5, 1.0, 2.0)


def make_populations(count: int, seed: int, world: World) -> dict[str, list[Case]]:
    """Draw the listeners of all tests, by the name of their population."""
    kinds = load_kinds()
    three, two = kinds["separated"], kinds["dominated"]
    populations: dict[str, Mapping[str, Kind]] = {
        "mixed": {name: kinds[name] for name in _STILL},
        TUNING: {name: kinds[name] for name in _STILL},
        "spoiled": {"separated": three},
        "one taste": {"one-taste": kinds["one-taste"]},
        "mislabelled 0.1": {"mislabelled": three.model_copy(update={"mislabelled": 0.1})},
        "mislabelled 0.2": {"mislabelled": three.model_copy(update={"mislabelled": 0.2})},
    }
    for separation in SEPARATIONS:
        apart = three.model_copy(update={"separation": separation})
        populations[f"separation {separation}"] = {"apart": apart}
    for larger in IMBALANCES:
        uneven = two.model_copy(update={"weights": [larger, round(1 - larger, 6)]})
        populations[f"larger {larger}"] = {"uneven": uneven}
    return {
        name: make_cases(chosen, count, seed + place, world) for place, (name, chosen) in enumerate(populations.items())
    }


@dataclass(frozen=True, slots=True)
class Settings:
    """One way to merge, and the same way kept apart by taste.

    Attributes:
        name: What it is.
        merged: The recommender over everything that was said.
        apart: The same recommender for each taste, with slots shared.
    """

    name: str
    merged: Recommender
    apart: Recommender


@dataclass(frozen=True, slots=True)
class Evidence:
    """What tests draw on.

    Attributes:
        world: The catalog.
        space: Tracks as vectors.
        populations: The listeners.
        palate: A server that knows them.
        sure: One that knows the same, but explores nothing and leaves weak tastes out.
        merged: The best way to merge, by the worst-served taste of listeners kept for tuning.
        apart: The best way to keep apart, found on the same listeners among as many ways.
        seed: Of the intervals' resamples.
    """

    world: World
    space: ItemSpace
    populations: Mapping[str, Sequence[Case]]
    palate: Palate
    sure: Palate
    merged: Settings
    apart: Settings
    seed: int

    def of(self, recommender: Recommender, population: str) -> Figures:
        """Return what a recommender's lists for a population are worth."""
        cases = self.populations[population]
        return judge(draw_up(recommender, cases), cases)

    def of_sure(self, population: str) -> Figures:
        """Return what the lists of a palate that explores nothing are worth."""
        cases = self.populations[population]
        return judge(self.sure.draw_up(population, cases), cases)

    def of_palate(self, population: str) -> Figures:
        """Return what palate's lists for a population are worth."""
        cases = self.populations[population]
        return judge(self.palate.draw_up(population, cases), cases)


def tune(world: World, cases: Sequence[Case], seed: int) -> tuple[Settings, Settings]:
    """Return the best merged and the best separate settings of one grid, by the worst-served taste."""
    grid = [settings for weight in _GENRE_WEIGHTS for settings in _settings(world, weight, seed)]
    merged = max(grid, key=lambda settings: judge(draw_up(settings.merged, cases), cases).worst.mean())
    apart = max(grid, key=lambda settings: judge(draw_up(settings.apart, cases), cases).worst.mean())
    return merged, apart


def _settings(world: World, genre_weight: float, seed: int) -> list[Settings]:
    space = ItemSpace(world.catalog, genre_weight)
    bases: dict[str, Recommender] = {
        "centroid": MergedCentroid(space),
        "average vector": AverageVector(space),
        "best score": BestScore(space),
        "nearest liked": NearestLiked(space),
        "logistic": MergedLogistic(space, seed),
    }
    return [
        Settings(f"{name}, genres {genre_weight:g}", base, ActiveTastes(world.catalog, PerTaste(world.catalog, base)))
        for name, base in bases.items()
    ]
