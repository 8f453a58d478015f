"""Boosted trees beside the network: for large histories."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Final

import lightgbm
import numpy as np
from numpy.typing import NDArray
from palate.plugins.learner import Dataset

from palate_strategies.learners.fitting import folds_of, require_between, require_both_kinds, single_threaded, thinned
from palate_strategies.learners.neural import Neural, NeuralConfig, NeuralModel
from palate_strategies.learners.onnx_graphs import Graph
from palate_strategies.learners.trees import Forest

__all__ = ["Gbdt", "GbdtConfig", "GbdtModel", "LearningCurves"]

_FIXED: Final[dict[str, Any]] = {
    "objective": "binary",
    "metric": "binary_logloss",
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "use_missing": False,
    "feature_pre_filter": False,
    # A bin for each value: with few labels LightGBM would otherwise see few places to split at.
    "min_data_in_bin": 1,
}

_GROUP: Final = 16
"""Trees that predict together. LightGBM takes row after row through all trees: few stay in the processor's cache and
its prediction of branches, and take a quarter less time."""


@dataclass(frozen=True, slots=True)
class GbdtConfig:
    """How the trees grow, and how much they count beside the network.

    Attributes:
        trees_share: Share of the trees in the log-odds, in [0, 1]; the rest is the network's.
        leaves: Most leaves of a tree.
        leaf_labels: Fewest labels in a leaf. LightGBM's own default cannot split below 40 labels.
        learning_rate: How much of its fit each tree gives.
        max_trees: Most trees; early stopping usually takes fewer.
        patience: After how many trees without gain on held-out labels to stop.
        folds: Number of held-out folds that the number of trees is found on.
        penalty: L2 penalty of leaf values.
        label_share: Share of the labels that a tree sees, in (0, 1].
        feature_share: Share of the features that a tree sees, in (0, 1].
        label_limit: To at most how many labels a model is fitted.
        network: The network's own configuration.
    """

    trees_share: float = 1 / 3
    leaves: int = 12
    leaf_labels: int = 3
    learning_rate: float = 0.1
    max_trees: int = 300
    patience: int = 15
    folds: int = 5
    penalty: float = 1.0
    label_share: float = 0.8
    feature_share: float = 0.8
    label_limit: int = 10_000
    network: NeuralConfig = field(default_factory=NeuralConfig)

    def __post_init__(self) -> None:
        """Raise ValueError when a field holds what it must not."""
        require_between(self, "trees_share", least=0, most=1)
        require_between(self, "leaves", "folds", least=2)
        require_between(self, "leaf_labels", "max_trees", "patience", least=1)
        require_between(self, "penalty", least=0)
        require_between(self, "learning_rate", "label_share", "feature_share", least=0.001, most=1)
        require_between(self, "label_limit", least=100)


@dataclass(frozen=True, slots=True, eq=False)
class LearningCurves:
    """How the trees did while they became more, in the mean over held-out folds.

    Attributes:
        log_loss: float64 ``(max_trees,)``, of held-out labels, in nats, with 1, 2, … trees.
        log_loss_deviation: float64 ``(max_trees,)``, its standard deviation over the folds.
        fitted_log_loss: float64 ``(max_trees,)``, of the labels that the trees were fitted to.
        auc: float64 ``(max_trees,)``, of held-out labels.
        auc_deviation: float64 ``(max_trees,)``, its standard deviation over the folds.
        folds: How many folds there are.
        chosen: How many trees early stopping takes.
    """

    log_loss: NDArray[np.float64]
    log_loss_deviation: NDArray[np.float64]
    fitted_log_loss: NDArray[np.float64]
    auc: NDArray[np.float64]
    auc_deviation: NDArray[np.float64]
    folds: int
    chosen: int


class GbdtModel:
    """Trees and a network, averaged.

    Args:
        booster: The trees.
        network: The network.
        trees_share: Share of the trees in the log-odds.
    """

    def __init__(self, booster: lightgbm.Booster, network: NeuralModel, trees_share: float) -> None:
        self.booster = booster
        self._network = network
        self._trees_share = trees_share

    @cached_property
    def _forest(self) -> Forest:
        return Forest.of(self.booster)

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the log-odds of a like, float64 ``(n,)``."""
        trees = sum((self._some_trees(first, features) for first in range(0, self.booster.num_trees(), _GROUP)), 0.0)
        return self._trees_share * trees + (1 - self._trees_share) * self._network.logits(features)

    def _some_trees(self, first: int, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the sum of a group of trees."""
        predicted = self.booster.predict(features, first, _GROUP, raw_score=True, num_threads=1)
        return np.asarray(predicted, np.float64)

    def to_onnx(self, slope: float, intercept: float) -> bytes:
        """Export both. ValueError when the trees cannot be exported exactly."""
        graph = Graph()
        trees = self._forest.add_to(graph)
        weighted = graph.node("Mul", trees, graph.constant(self._trees_share))
        network = graph.node("Mul", self._network.add_to(graph), graph.constant(1 - self._trees_share))
        return graph.finish(graph.node("Add", weighted, network), slope, intercept)

    def boundaries(self) -> NDArray[np.float32]:
        """Return normal scores on both sides of every threshold."""
        return self._forest.boundaries()


class Gbdt:
    """Fits extremely randomised boosted trees (Geurts et al., 2006; LightGBM: Ke et al., 2017) and a network.

    Each split is the best of thresholds drawn by chance, one for each feature, which suits few and noisy labels
    better than searching them all. The number of trees is found by early stopping on held-out folds; then they
    are fitted to all labels. Trees and network err in different ways, so the mean of their log-odds is better
    than either.

    Args:
        config: How the trees grow.
    """

    config_type: ClassVar[type[GbdtConfig]] = GbdtConfig

    def __init__(self, config: GbdtConfig) -> None:
        self._config = config

    @single_threaded
    def fit(self, dataset: Dataset, seed: int) -> GbdtModel:
        """Fit a model; ValueError when the labels are all of one kind or the background is empty."""
        require_both_kinds(dataset)
        dataset = thinned(dataset, self._config.label_limit, seed)
        network = Neural(self._config.network).fit(dataset, seed)
        parameters = self._parameters(seed)
        count = self._tree_count(dataset, parameters, seed)
        booster = lightgbm.train(parameters, _training_set(dataset), num_boost_round=count)
        return GbdtModel(booster, network, self._config.trees_share)

    @single_threaded
    def learning_curves(self, dataset: Dataset, seed: int) -> LearningCurves:
        """Grow as many trees as allowed on the folds that `fit` uses, beyond where it would stop.

        Raises:
            ValueError: When there are too few labels of a kind to hold any out.
        """
        dataset = thinned(dataset, self._config.label_limit, seed)
        folds = folds_of(dataset.labels, self._config.folds, seed)
        if not folds:
            raise ValueError("held-out folds need two labels of each kind")
        parameters = self._parameters(seed)
        history: dict[str, Any] = lightgbm.cv(
            parameters,
            _training_set(dataset),
            num_boost_round=self._config.max_trees,
            folds=folds,
            metrics=["binary_logloss", "auc"],
            eval_train_metric=True,
        )
        return LearningCurves(
            log_loss=np.array(history["valid binary_logloss-mean"]),
            log_loss_deviation=np.array(history["valid binary_logloss-stdv"]),
            fitted_log_loss=np.array(history["train binary_logloss-mean"]),
            auc=np.array(history["valid auc-mean"]),
            auc_deviation=np.array(history["valid auc-stdv"]),
            folds=len(folds),
            chosen=self._tree_count(dataset, parameters, seed),
        )

    def _parameters(self, seed: int) -> dict[str, Any]:
        config = self._config
        return {
            **_FIXED,
            "extra_trees": True,
            "num_leaves": config.leaves,
            "min_data_in_leaf": config.leaf_labels,
            "learning_rate": config.learning_rate,
            "lambda_l2": config.penalty,
            "bagging_fraction": config.label_share,
            "bagging_freq": 1,
            "feature_fraction": config.feature_share,
            "seed": seed % 2**31,
        }

    def _tree_count(self, dataset: Dataset, parameters: dict[str, Any], seed: int) -> int:
        """Return the number of trees with the least log-loss on held-out folds; a third of the most without folds."""
        folds = folds_of(dataset.labels, self._config.folds, seed)
        if not folds:
            return self._config.max_trees // 3
        stopping = lightgbm.early_stopping(self._config.patience, verbose=False)
        history: dict[str, Any] = lightgbm.cv(
            parameters,
            _training_set(dataset),
            num_boost_round=self._config.max_trees,
            folds=folds,
            callbacks=[stopping],
        )
        return len(history["valid binary_logloss-mean"])


def _training_set(dataset: Dataset) -> lightgbm.Dataset:
    return lightgbm.Dataset(dataset.features, dataset.labels.astype(np.float32), weight=dataset.weights)
