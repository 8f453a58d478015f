"""All tests, one after the other, on one body of evidence."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from palate.catalog.snapshot import Catalog

from palate_lab.ablation.effects import criterion, dose, equal_tuning, factorial
from palate_lab.ablation.evidence import TUNING, Evidence, make_populations, tune
from palate_lab.ablation.lists import serving
from palate_lab.ablation.robustness import isolation, mistakes, placebo, tastes_found
from palate_lab.ablation.verdict import Verdict
from palate_lab.comparison.baselines import ItemSpace
from palate_lab.comparison.protocol import make_world

__all__ = ["TESTS", "run_tests"]

TESTS: Final[tuple[Callable[[Evidence], Verdict], ...]] = (
    factorial,
    equal_tuning,
    dose,
    placebo,
    isolation,
    mistakes,
    tastes_found,
    criterion,
)
"""The tests, in the order of their numbers."""


def run_tests(
    catalog: Path, folder: Path, listeners: int, seed: int, watch: Callable[[str], None]
) -> Iterator[Verdict]:
    """Gather the evidence, and yield the verdict of each test.

    Args:
        catalog: The catalog file.
        folder: An empty folder for the server's state.
        listeners: How many there are of each population.
        seed: What everything is drawn from.
        watch: Told what is being done.

    Raises:
        ComparisonFailed: When a training fails.
        ConfigError: When the catalog has too few clusters.
    """
    with Catalog.open(catalog) as opened:
        watch("drawing listeners")
        world = make_world(opened)
        populations = make_populations(listeners, seed, world)
        watch("tuning")
        merged, apart = tune(world, populations.pop(TUNING), seed)
        watch("telling palate, and training")
        with serving(populations, catalog, folder, world) as (palate, sure):
            evidence = Evidence(world, ItemSpace(opened), populations, palate, sure, merged, apart, seed)
            for test in TESTS:
                watch(test.__name__.replace("_", " "))
                yield test(evidence)
