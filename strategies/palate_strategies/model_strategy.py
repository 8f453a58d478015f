"""What the model stages of the stages share; they differ in the learners whose models they use and in their stage."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from palate.domain.profile import Profile, TasteState
from palate.plugins.slate import SlateBuilder, take_turns
from palate.plugins.strategy import Choice, Context, ReasonKind, Rows, Scores, SlateRequest, Stage

from palate_strategies.config import ModelStrategyConfig
from palate_strategies.dealing import deal_best_first
from palate_strategies.exploration import explore
from palate_strategies.exploration_rate import draw_looks, exploration_rate
from palate_strategies.model_scoring import accepted_models, explored_by_models, score_by_models, scorers_by_models
from palate_strategies.scoring import TasteScorer, choices_for

__all__ = ["ModelStrategy"]


class ModelStrategy:
    """Shares the slate evenly among the active tastes and fills each with what its model finds most likely to please.

    A small share looks around, smaller the more the listener has rated: weak tastes, and tracks that are drawn by
    chance from where little is known. Tastes without a model are ranked inside the same slate; see
    `palate_strategies.model_scoring`. A listener without any model is left to the stage below.

    Args:
        config: The options.

    Attributes:
        learners: The learners whose models it uses.
        needs_models: It is not asked about listeners without models.
    """

    config_type: ClassVar[type[ModelStrategyConfig]] = ModelStrategyConfig
    stage: ClassVar[Stage | None] = None
    learners: ClassVar[frozenset[str]] = frozenset()
    needs_models: ClassVar[bool] = True

    def __init__(self, config: ModelStrategyConfig) -> None:
        self._config = config

    def recommend(self, profile: Profile, request: SlateRequest, context: Context) -> Sequence[Choice]:
        """Return the likeliest likes of every active taste in turns, with explored ones spread among them.

        Raises:
            Declined: When no model of these learners serves the listener.
        """
        config = self._config
        models = accepted_models(profile, context, self.learners)
        builder = SlateBuilder(request, context.catalog, config.artists_limit, config.artists_span)
        active, weak, inactive = (
            scorers_by_models(models, profile.tastes_in(state), context, config) for state in TasteState
        )
        strong, others = (active, [*weak, *inactive]) if active else (weak, inactive)
        unspoken = explored_by_models(models, profile, context, config)
        rate = exploration_rate(config, profile.interaction_count)
        looks = draw_looks(rate, request)
        explored = explore(config, looks.explored, strong, others, builder, context, unspoken)
        picks = deal_best_first(active, weak, builder, request, context, len(looks.weak), evenly=True)
        chosen = _with_chances(picks, weak, looks.weak if active else ())
        piles = iter(chosen), iter(explored)
        return [next(piles[turn]) for turn in take_turns((len(picks), len(explored)))]

    def score(self, profile: Profile, rows: Rows, context: Context) -> Scores:
        """Score each track by the model that speaks for it: the probability that the listener likes it.

        Raises:
            Declined: When no model of these learners serves the listener.
        """
        models = accepted_models(profile, context, self.learners)
        return score_by_models(models, profile, rows, context, self._config)


def _with_chances(
    picks: Sequence[tuple[TasteScorer, int]], weak: Sequence[TasteScorer], chances: Sequence[float]
) -> list[Choice]:
    """Make choices of picks; those of weak tastes say how probable their slots were."""
    left = iter(chances)
    return [
        replace(choice, propensity=next(left, 1.0)) if scorer in weak else choice
        for (scorer, _), choice in zip(picks, choices_for(picks, ReasonKind.SIMILAR), strict=True)
    ]
