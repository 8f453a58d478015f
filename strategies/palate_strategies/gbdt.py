"""Gbdt: the stage of boosted trees, for listeners with a long history."""

from typing import ClassVar

from palate.plugins.strategy import Stage

from palate_strategies.model_strategy import ModelStrategy

__all__ = ["Gbdt"]


class Gbdt(ModelStrategy):
    """Uses the models of all three learners, whichever measures best for a taste."""

    stage: ClassVar[Stage | None] = Stage(min_confidence=0.5, min_interactions=100)
    learners: ClassVar[frozenset[str]] = frozenset({"logistic", "neural", "gbdt"})
