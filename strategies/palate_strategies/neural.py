"""Neural: the rung of small networks, which measure best from a few dozen verdicts on."""

from typing import ClassVar

from palate.strategy.contract import Stage

from palate_strategies.model_rung import ModelRung

__all__ = ["Neural"]


class Neural(ModelRung):
    """Uses the models of its own recipe and of logistic, which serves a taste where it measures better."""

    stage: ClassVar[Stage | None] = Stage(min_confidence=0.5, min_interactions=15)
    recipes: ClassVar[frozenset[str]] = frozenset({"logistic", "neural"})
