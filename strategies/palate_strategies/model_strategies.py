"""The stages with trained models. They differ in where they begin and in the learners whose models they use."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from palate.domain.profile import Profile, TasteState
from palate.plugins.slate import SlateBuilder
from palate.plugins.strategy import Choice, Context, ReasonKind, Rows, Scores, SlateRequest, Stage

from palate_strategies.config import ModelStrategyConfig
from palate_strategies.exploration import Exploration, draw_slots, exploration_rate
from palate_strategies.model_scoring import (
    accepted_models,
    choose_untried_by_models,
    score_by_models,
    scorers_by_models,
)
from palate_strategies.scoring import TasteScorer, choices_for
from palate_strategies.slots import Shares, allocate, in_order

__all__ = ["Gbdt", "Logistic", "ModelStrategy", "Neural"]


class ModelStrategy:
    """Shares the slate evenly among the active tastes and fills each with what its model finds most likely to please.

    A small share explores, smaller the more the listener has rated: weak tastes, and tracks that are drawn by
    chance from where little is known. Tastes without a model are ranked inside the same slate; see
    `palate_strategies.model_scoring`.

    Args:
        config: The options.
    """

    config_type: ClassVar[type[ModelStrategyConfig]] = ModelStrategyConfig
    stage: ClassVar[Stage | None] = None

    def __init__(self, config: ModelStrategyConfig) -> None:
        self._config = config
        self._learners = self.stage.learners if self.stage is not None else frozenset[str]()

    def recommend(self, profile: Profile, request: SlateRequest, context: Context) -> Sequence[Choice]:
        """Return the likeliest likes of every active taste, interleaved, with explored ones spread among them.

        Raises:
            Declined: When no model of the stage's learners serves the listener.
        """
        config = self._config
        models = accepted_models(profile, context, self._learners)
        builder = SlateBuilder(request, context.catalog)
        active, weak, inactive = (
            scorers_by_models(models, profile.tastes_in(state), context, config) for state in TasteState
        )
        strong, others = (active, [*weak, *inactive]) if active else (weak, inactive)
        slots = draw_slots(exploration_rate(config, profile.interaction_count), request)
        exploration = Exploration(config, slots.drawn, strong, others, builder, context)
        shares = Shares(weak=len(slots.weak), explored=len(slots.drawn), evenly=True)
        picks = allocate(active, weak, builder, context, shares, exploration.add_next)
        chosen = _with_chances(picks, weak, slots.weak if active else ())
        explored = exploration.choices(choose_untried_by_models(models, profile, context, config))
        return in_order(picks, chosen, explored)

    def score(self, profile: Profile, rows: Rows, context: Context) -> Scores:
        """Score each track by the model of its cluster: the probability that the listener likes it.

        Raises:
            Declined: When no model of the stage's learners serves the listener.
        """
        models = accepted_models(profile, context, self._learners)
        return score_by_models(models, profile, rows, context, self._config)


class Logistic(ModelStrategy):
    """The first stage with models, for listeners with a handful of likes and dislikes."""

    stage: ClassVar[Stage | None] = Stage(0.5, 10, frozenset({"logistic"}))


class Neural(ModelStrategy):
    """The stage of small networks, which measure best from a few dozen ratings on.

    It also uses the models of logistic, which serves a taste where it measures better.
    """

    stage: ClassVar[Stage | None] = Stage(0.5, 15, frozenset({"logistic", "neural"}))


class Gbdt(ModelStrategy):
    """The stage of boosted trees, for listeners with a long history; it uses the models of all three learners."""

    stage: ClassVar[Stage | None] = Stage(0.5, 100, frozenset({"logistic", "neural", "gbdt"}))


def _with_chances(
    picks: Sequence[tuple[TasteScorer | None, int]], weak: Sequence[TasteScorer], chances: Sequence[float]
) -> list[Choice]:
    """Make choices of picks; those of weak tastes say how probable their slots were."""
    left = iter(chances)
    weak_ids = {scorer.taste.taste_id for scorer in weak}
    return [
        replace(choice, propensity=next(left, 1.0)) if choice.taste_id in weak_ids else choice
        for choice in choices_for(picks, ReasonKind.SIMILAR)
    ]
