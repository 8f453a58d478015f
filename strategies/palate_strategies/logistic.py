"""Logistic: the first stage with trained models, for listeners with a handful of both kinds of verdicts."""

from typing import ClassVar

from palate.plugins.strategy import Stage

from palate_strategies.model_strategy import ModelStrategy

__all__ = ["Logistic"]


class Logistic(ModelStrategy):
    """Uses the models of the learner of its name."""

    stage: ClassVar[Stage | None] = Stage(min_confidence=0.5, min_interactions=10)
    learners: ClassVar[frozenset[str]] = frozenset({"logistic"})
