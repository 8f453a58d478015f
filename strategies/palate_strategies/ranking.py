"""Ranking: the tracks that are most like what the listener likes, from every active taste."""

from collections.abc import Sequence
from typing import ClassVar

from palate.domain.profile import Profile, TasteState
from palate.plugins.slate import SlateBuilder
from palate.plugins.strategy import Choice, Context, ReasonKind, Rows, Scores, SlateRequest, Stage

from palate_strategies.config import RankingConfig
from palate_strategies.rank_scores import score_by_tastes
from palate_strategies.scoring import choices_for, scorers_of
from palate_strategies.slots import Shares, allocate, slots_of

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
        """Return the best of every active taste, interleaved, with some of the weak ones among them."""
        builder = SlateBuilder(request, context.catalog)
        active, weak = (
            scorers_of(profile.tastes_in(state), context, self._config)
            for state in (TasteState.ACTIVE, TasteState.WEAK)
        )
        shares = Shares(weak=slots_of(self._config.weak_share, request.limit))
        picks = allocate(active, weak, builder, context, shares)
        return choices_for(picks, ReasonKind.SIMILAR)

    def score(self, profile: Profile, rows: Rows, context: Context) -> Scores:
        """Score each track by the taste of its cluster, or by the one that likes it best."""
        return score_by_tastes(profile, rows, context, self._config)
