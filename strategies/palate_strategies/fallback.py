"""Fallback: lesser-known tracks near what the listener likes, and some drawn by chance to learn more."""

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

import numpy as np
from palate.domain.profile import Profile, TasteState
from palate.plugins.slate import SlateBuilder
from palate.plugins.strategy import CatalogIndex, Choice, Context, ReasonKind, Rows, Scores, SlateRequest, Stage

from palate_strategies.config import FallbackConfig
from palate_strategies.exploration import Exploration, choose_by_nearest_taste, lesser_known
from palate_strategies.rank_scores import score_by_tastes
from palate_strategies.scoring import TasteScorer, choices_for, scorers_of
from palate_strategies.slots import Shares, allocate, in_order, slots_of

__all__ = ["Fallback"]


class Fallback:
    """Fills most slots with lesser-known tracks of the strong tastes, and some by chance from elsewhere.

    Strong are the active tastes, and the weak ones for a listener without any active. Well-known tracks of
    theirs follow only when the lesser-known ones are used up.

    Args:
        config: The options.
    """

    config_type: ClassVar[type[FallbackConfig]] = FallbackConfig
    stage: ClassVar[Stage | None] = Stage(min_confidence=0.15, min_interactions=1)

    def __init__(self, config: FallbackConfig) -> None:
        self._config = config

    def recommend(self, profile: Profile, request: SlateRequest, context: Context) -> Sequence[Choice]:
        """Return lesser-known tracks of the strong tastes, with explored ones spread among them."""
        builder = SlateBuilder(request, context.catalog)
        scorers = scorers_of(profile.tastes_in(*TasteState), context, self._config)
        strong = _strong(scorers)
        others = [scorer for scorer in scorers if scorer not in strong]
        chances = (1.0,) * slots_of(self._config.exploration, request.limit)
        exploration = Exploration(self._config, chances, strong, others, builder, context)
        order = partial(self._lesser_known_first, context.catalog)
        picks = allocate(strong, (), builder, context, Shares(explored=len(chances)), exploration.add_next, order)
        explored = exploration.choices(choose_by_nearest_taste(scorers, context))
        return in_order(picks, choices_for(picks, ReasonKind.SIMILAR), explored)

    def score(self, profile: Profile, rows: Rows, context: Context) -> Scores:
        """Score each track by the taste of its cluster, or by the one that likes it best."""
        return score_by_tastes(profile, rows, context, self._config)

    def _lesser_known_first(self, catalog: CatalogIndex, scorer: TasteScorer, rows: Rows) -> Rows:
        lesser = lesser_known(catalog, scorer.cluster, rows, self._config.lesser_known)
        return np.concatenate((rows[lesser], rows[~lesser]))


def _strong(scorers: Sequence[TasteScorer]) -> list[TasteScorer]:
    """Return the scorers of the active tastes, or of the weak ones when none is active."""
    active = [scorer for scorer in scorers if scorer.taste.state is TasteState.ACTIVE]
    return active or [scorer for scorer in scorers if scorer.taste.state is TasteState.WEAK]
