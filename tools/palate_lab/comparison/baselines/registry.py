"""All baselines by name."""

from palate.catalog.snapshot import Catalog

from palate_lab.comparison.baselines.contract import Popularity, Random, Recommender
from palate_lab.comparison.baselines.models import MergedLightGBM, MergedLogistic
from palate_lab.comparison.baselines.per_taste import PerTaste
from palate_lab.comparison.baselines.similarity import AverageVector, BestScore, MergedCentroid, NearestLiked
from palate_lab.comparison.baselines.space import ItemSpace

__all__ = ["make_baselines"]


def make_baselines(catalog: Catalog, seed: int = 0, *, genre_weight: float = 1.0) -> dict[str, Recommender]:
    """Make the baselines that need nothing but a history; the oracle is made for each simulated listener.

    Args:
        catalog: The catalog.
        seed: Of random scores, of the negatives that models draw, and of the trees.
        genre_weight: Weight of genres against sound in all of them; 0 for sound alone.
    """
    space = ItemSpace(catalog, genre_weight)
    return {
        "random": Random(catalog, seed),
        "popularity": Popularity(catalog),
        "merged centroid": MergedCentroid(space),
        "merged logistic": MergedLogistic(space, seed),
        "merged LightGBM": MergedLightGBM(space, seed),
        "nearest liked": NearestLiked(space),
        "average vector": AverageVector(space),
        "best score": BestScore(space),
        "per-taste centroid": PerTaste(catalog, MergedCentroid(space)),
    }
