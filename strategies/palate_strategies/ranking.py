"""Ranking: the tracks that are most like what the listener likes, from every active taste."""

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

import numpy as np
from palate.strategy.contract import Choice, Context, ReasonKind, Rows, Scores, SlateRequest, Stage
from palate.strategy.slate import SlateBuilder, take_turns
from palate.tastes.profile import Profile, TasteState

from palate_strategies.config import RankingConfig
from palate_strategies.scoring import (
    TasteScorer,
    choices_for,
    deal_among,
    score_by_tastes,
    scorers_of,
)

__all__ = ["Ranking"]


class Ranking:
    """Shares the slate among the active tastes, with a few slots for the weak ones, and fills each best-first.

    Without active tastes the weak ones have it all. The formula is in `palate_strategies.scoring`.

    Args:
        config: The weights.
    """

    config_type: ClassVar[type[RankingConfig]] = RankingConfig
    stage: ClassVar[Stage | None] = Stage(min_confidence=0.5, min_interactions=5)

    def __init__(self, config: RankingConfig) -> None:
        self._config = config

    def recommend(self, profile: Profile, request: SlateRequest, context: Context) -> Sequence[Choice]:
        """Return the best of every active taste in turns, with some of the weak ones among them."""
        builder = SlateBuilder(request, context.catalog, self._config.artists_limit)
        active, weak = (
            scorers_of(profile.tastes_in(state), context.catalog, self._config)
            for state in (TasteState.ACTIVE, TasteState.WEAK)
        )
        weak = _in_turn(weak, request.seed)
        kept = _weak_slots(self._config.weak_share, request.limit, len(active), len(weak))
        deal = partial(deal_among, builder=builder, request=request, context=context, order=_best_first)
        main = deal(active, slots=request.limit - kept)
        extra = deal(weak, slots=builder.room)
        main += deal(active, slots=builder.room)
        piles = iter(main), iter(extra)
        picks = [next(piles[turn]) for turn in take_turns((len(main), len(extra)))]
        return choices_for(picks, ReasonKind.SIMILAR, context)

    def score(self, profile: Profile, rows: Rows, context: Context) -> Scores:
        """Score each track by the taste that speaks for it."""
        return score_by_tastes(profile, rows, context, self._config)


def _best_first(scorer: TasteScorer, rows: Rows) -> Rows:
    return rows[np.argsort(-scorer.scores(rows))]


def _weak_slots(share: float, limit: int, active: int, weak: int) -> int:
    """Return how many slots the weak tastes get: the share, rounded, where each active taste keeps one."""
    if active == 0:
        return limit
    return max(0, min(round(share * limit), limit - active)) if weak else 0


def _in_turn(weak: Sequence[TasteScorer], seed: int) -> list[TasteScorer]:
    """Return the weak tastes, most confident first; equals in an order that changes with every feedback."""
    order = np.random.default_rng(seed).permutation(len(weak))
    return sorted((weak[position] for position in order), key=lambda scorer: -scorer.taste.confidence)
