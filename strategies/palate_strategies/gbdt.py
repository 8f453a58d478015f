"""Gbdt: the rung of boosted trees, for listeners with a long history."""

from typing import ClassVar

from palate.strategy.contract import Stage

from palate_strategies.model_rung import ModelRung

__all__ = ["Gbdt"]


class Gbdt(ModelRung):
    """Uses the models of all three recipes, whichever measures best for a taste."""

    stage: ClassVar[Stage | None] = Stage(min_confidence=0.5, min_interactions=100)
    recipes: ClassVar[frozenset[str]] = frozenset({"logistic", "neural", "gbdt"})
