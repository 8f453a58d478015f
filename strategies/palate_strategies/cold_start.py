"""Cold start: popular tracks from all over the catalog, for listeners of whom nothing is known."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from palate.domain.profile import Profile
from palate.domain.track import FEATURES
from palate.plugins.slate import SlateBuilder, draw, eligible_clusters, shown_by_cluster, widening
from palate.plugins.strategy import (
    CatalogIndex,
    Choice,
    Context,
    ReasonKind,
    Rows,
    Scores,
    SlateRequest,
    Stage,
)

from palate_strategies.config import ColdStartConfig
from palate_strategies.rank_scores import popularity_choice, score_by_popularity

__all__ = ["ColdStart"]

_TYPICAL: Final = 4
"""A cluster is as popular as the track after a fourth of those that it draws from."""


class ColdStart:
    """Goes round the genre clusters and draws one popular track from each.

    The more popular a cluster's tracks, the likelier it comes early. The order of the clusters and the draws come from
    the request's seed, so that listeners differ and the same listener gets the same slate again. Clusters of which
    earlier pages showed less come first. Children's and holiday music come after all others, unless the listener has
    liked some, and so do clusters that the listener has only disliked.

    Args:
        config: The options.
    """

    config_type: ClassVar[type[ColdStartConfig]] = ColdStartConfig
    stage: ClassVar[Stage | None] = Stage(min_confidence=0.0, min_interactions=0)

    def __init__(self, config: ColdStartConfig) -> None:
        self._config = config

    def recommend(self, profile: Profile, request: SlateRequest, context: Context) -> Sequence[Choice]:
        """Return popular tracks, one artist and as far as possible one cluster each."""
        generator = np.random.default_rng(request.seed)
        builder = SlateBuilder(request, context.catalog)
        choices: list[Choice] = []
        for clusters in self._rounds(profile, request, context, generator):
            streams = deque(self._stream(cluster, builder, context.catalog, generator) for cluster in clusters)
            while streams and builder.room:
                stream = streams.popleft()
                choice = next(stream, None)
                if choice is not None:
                    builder.add(choice.row)
                    choices.append(choice)
                    streams.append(stream)
        return choices

    def score(self, profile: Profile, rows: Rows, context: Context) -> Scores:  # noqa: ARG002  # same for everybody
        """Score each track by its popularity, from 0 to 1."""
        return score_by_popularity(rows, context.catalog)

    def _stream(
        self, cluster: int, builder: SlateBuilder, catalog: CatalogIndex, generator: np.random.Generator
    ) -> Iterator[Choice]:
        """Draw from a cluster, without replacement, until it has nothing left for the slate."""
        for pool in _pools(cluster, catalog, self._config.pool):
            while len(rows := builder.open(pool)):
                claims = (catalog.popularity[rows].astype(np.float64) + 1) ** self._config.sharpness
                position, propensity = draw(generator, claims)
                choice = popularity_choice(int(rows[position]), ReasonKind.POPULAR, catalog)
                yield replace(choice, propensity=propensity)

    def _rounds(
        self, profile: Profile, request: SlateRequest, context: Context, generator: np.random.Generator
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the clusters in the order to go round them: those to begin with, and those that come last.

        The order is drawn without replacement, with chances that rise with the popularity of what clusters offer.

        Source:
            Efraimidis and Spirakis, *Weighted random sampling with a reservoir*, 2006.
        """
        catalog = context.catalog
        clusters = np.array(eligible_clusters(catalog), dtype=np.intp)
        popular = [catalog.popular(cluster) for cluster in clusters.tolist()]
        typical = [rows[min(len(rows), self._config.pool) // _TYPICAL] for rows in popular]
        claims = (catalog.popularity[typical].astype(np.float64) + 1) ** self._config.sharpness
        shown = shown_by_cluster(request, context)[clusters]
        clusters = clusters[np.lexsort((generator.exponential(size=len(clusters)) / claims, shown))]
        last = np.isin(clusters, _last(profile, catalog))
        return clusters[~last], clusters[last]


def _last(profile: Profile, catalog: CatalogIndex) -> list[int]:
    """Return the clusters that come last: those only disliked so far, and occasional ones without likes."""
    tastes = {catalog.cluster_number(taste.taste_id): taste for taste in profile.tastes.values()}
    liked = {cluster for cluster, taste in tastes.items() if taste.liked.count}
    disliked = {cluster for cluster, taste in tastes.items() if taste.disliked.count}
    occasional = {number for number, cluster in enumerate(catalog.clusters) if cluster.occasional}
    return [cluster for cluster in (disliked | occasional) - liked if cluster is not None]


def _pools(cluster: int, catalog: CatalogIndex, size: int) -> Iterator[Rows]:
    """Iterate over the tracks of a cluster: the most popular, then the popular, then all; occasional ones last."""
    popular = catalog.popular(cluster)
    if not catalog.clusters[cluster].occasional:
        popular = popular[~catalog.occasional[popular]]
    yield popular[:size]
    yield popular[size:]
    nowhere = np.zeros(len(FEATURES), dtype=np.float32)
    yield from widening(catalog, cluster, nowhere, catalog.genre_weights({}), len(catalog.popular(cluster)) + 1)
