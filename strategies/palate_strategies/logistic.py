"""Logistic: the first rung with trained models, for listeners with a handful of both kinds of verdicts."""

from typing import ClassVar

from palate.strategy.contract import Stage

from palate_strategies.model_rung import ModelRung

__all__ = ["Logistic"]


class Logistic(ModelRung):
    """Uses the models of the recipe of its name."""

    stage: ClassVar[Stage | None] = Stage(min_confidence=0.5, min_interactions=10)
    recipes: ClassVar[frozenset[str]] = frozenset({"logistic"})
