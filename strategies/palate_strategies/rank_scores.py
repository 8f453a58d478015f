"""Scores of given tracks, as Rank asks for them: by the taste that scores each, or by popularity."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from palate.domain.profile import Profile, TasteState
from palate.plugins.strategy import CatalogIndex, Choice, Context, Reason, ReasonKind, Rows, Scores

from palate_strategies.config import ScoringConfig
from palate_strategies.scoring import TasteScorer, scorers_of

__all__ = ["popularity_choice", "score_by_popularity", "score_by_tastes", "scoring_taste"]


def scoring_taste(
    scorers: Sequence[TasteScorer], rows: Rows, catalog: CatalogIndex
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Find the taste that scores each row.

    It is the taste of the row's own cluster, so that what is disliked in one taste is not made good by
    another. Where that taste has no ratings, or there is none, it is the one of those with likes that scores
    the row highest.

    Args:
        scorers: At least one with likes.
        rows: The rows.
        catalog: The catalog.

    Returns:
        Positions in `scorers`, and the scores, float32 ``(n,)``.
    """
    clusters, likes, dislikes = np.array(
        [(scorer.cluster, scorer.taste.liked.count, scorer.taste.disliked.count) for scorer in scorers]
    ).T[:, :, np.newaxis]
    own = (clusters == catalog.cluster[rows]) & (likes + dislikes > 0)
    eligible = own | (likes > 0) & ~own.any(axis=0)
    scores = np.full(eligible.shape, -np.inf, dtype=np.float32)
    for scorer, scored, line in zip(scorers, eligible, scores, strict=True):
        if scored.any():
            line[scored] = scorer.scores(rows[scored])
    best = scores.argmax(axis=0)
    return best, scores[best, np.arange(len(rows))]


def score_by_tastes(profile: Profile, rows: Rows, context: Context, config: ScoringConfig) -> Scores:
    """Score rows by the taste that `scoring_taste` finds for each; by popularity for a listener without likes."""
    catalog = context.catalog
    scorers = scorers_of(profile.tastes_in(*TasteState), context, config)
    if not any(scorer.taste.liked.count for scorer in scorers):
        return score_by_popularity(rows, catalog)
    best, scores = scoring_taste(scorers, rows, catalog)
    taste_ids = [scorer.taste.taste_id for scorer in scorers]
    return Scores(scores, [taste_ids[position] for position in best.tolist()])


def score_by_popularity(rows: Rows, catalog: CatalogIndex) -> Scores:
    """Score rows by their popularity, from 0 to 1, for no taste."""
    return Scores(np.divide(catalog.popularity[rows], 100, dtype=np.float32), [""] * len(rows))


def popularity_choice(row: int, kind: ReasonKind, catalog: CatalogIndex) -> Choice:
    """Make a choice of a row that is scored by its popularity, from 0 to 1."""
    share = int(catalog.popularity[row]) / 100
    return Choice(row, share, Reason(kind, parts={"popularity": share}))
