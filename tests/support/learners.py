"""A learner for tests of what loads learners."""

from typing import ClassVar

from palate.plugins.learner import Dataset, FittedModel
from palate_strategies.learners.logistic import LogisticConfig


class Configured:
    """A learner that shows its configuration and fits nothing."""

    config_type: ClassVar = LogisticConfig

    def __init__(self, config: LogisticConfig) -> None:
        self.config = config

    def fit(self, dataset: Dataset, seed: int) -> FittedModel:
        """Refuse."""
        raise NotImplementedError(f"no model of {len(dataset.labels)} labels and seed {seed}")
