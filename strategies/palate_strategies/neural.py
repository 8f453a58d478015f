"""Neural: the stage of small networks, which measure best from a few dozen verdicts on."""

from typing import ClassVar

from palate.plugins.strategy import Stage

from palate_strategies.model_strategy import ModelStrategy

__all__ = ["Neural"]


class Neural(ModelStrategy):
    """Uses the models of its own learner and of logistic, which serves a taste where it measures better."""

    stage: ClassVar[Stage | None] = Stage(min_confidence=0.5, min_interactions=15)
    learners: ClassVar[frozenset[str]] = frozenset({"logistic", "neural"})
