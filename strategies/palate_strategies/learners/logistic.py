"""Logistic regression with a prior: for a handful of labels of both kinds."""

from dataclasses import dataclass, replace
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from palate.domain.track import FEATURES
from palate.plugins.learner import Dataset
from sklearn.linear_model import LogisticRegression

from palate_strategies.learners.fitting import (
    Folds,
    folds_of,
    require_between,
    require_both_kinds,
    single_threaded,
    thinned,
)
from palate_strategies.learners.onnx_graphs import Graph

__all__ = ["Logistic", "LogisticConfig", "LogisticModel"]

_LEFT, _RIGHT = np.triu_indices(len(FEATURES))
_MEANS = np.where(_LEFT == _RIGHT, 1.0, 0.0)
_SCALES = np.where(_LEFT == _RIGHT, np.sqrt(0.5), 1.0)
"""Normal scores' squares have mean 1 and variance 2; products of two have mean 0 and variance 1."""

_FOLDS: Final = 5
_ALL: Final = slice(None)


@dataclass(frozen=True, slots=True)
class LogisticConfig:
    """How strong the prior is.

    Attributes:
        variance: Prior variance of each weight. The labels outweigh the prior as they become more.
        direction_variance: Extra prior variance along each of the directions in which weights are expected to
            lie, as a multiple of `variance`.
        second_order_variance: Prior variance of the weights of products of two features, as a multiple of
            `variance`; 0 leaves products out.
        label_limit: To at most how many labels a model is fitted.
    """

    variance: float = 0.3
    direction_variance: float = 1.0
    second_order_variance: float = 0.1
    label_limit: int = 10_000

    def __post_init__(self) -> None:
        """Raise ValueError when a field holds what it must not."""
        require_between(self, "variance", least=1e-6)
        require_between(self, "direction_variance", "second_order_variance", least=0)
        require_between(self, "label_limit", least=100)


@dataclass(frozen=True, slots=True)
class _Design:
    """The columns that the weights belong to, scaled so that one prior fits all.

    A Gaussian prior of variance c² on the weight of a column is the same as a prior of variance 1 on the weight of
    c times that column. A direction is one more column, the features' component along it: it adds variance to
    weights that lie along it and leaves the others alone.
    """

    directions: NDArray[np.float64]
    second_order: float

    @property
    def width(self) -> int:
        """How many features and directions there are."""
        return len(FEATURES) + len(self.directions)

    def columns(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the columns, ``(n, width)`` and the 45 products behind them if they are in use."""
        plain = features.astype(np.float64)
        parts = [plain, plain @ self.directions.T]
        if self.second_order:
            parts.append((plain[:, _LEFT] * plain[:, _RIGHT] - _MEANS) * (_SCALES * self.second_order))
        return np.hstack(parts)

    def quadratic_form(self, weights: NDArray[np.float64], intercept: float) -> tuple[NDArray[np.float64], ...]:
        """Return w ``(9,)``, Q ``(9, 9)`` and b ``()``: the columns' weights as a quadratic form of the features."""
        linear = weights[: len(FEATURES)] + weights[len(FEATURES) : self.width] @ self.directions
        quadratic = np.zeros((len(FEATURES), len(FEATURES)))
        if not self.second_order:
            return linear, quadratic, np.array(intercept)
        products = weights[self.width :] * (_SCALES * self.second_order)
        quadratic[_LEFT, _RIGHT] = products
        return linear, quadratic, np.array(intercept - products @ _MEANS)


class LogisticModel:
    """A fitted logistic regression.

    Args:
        regression: Over the columns of the design.
        design: Which columns there are.
    """

    def __init__(self, regression: LogisticRegression, design: _Design) -> None:
        self._regression = regression
        self._design = design

    @property
    def second_order(self) -> bool:
        """Whether products of features won."""
        return self._design.second_order > 0

    def weights(self) -> tuple[NDArray[np.float64], ...]:
        """Return w ``(9,)``, Q ``(9, 9)`` and b ``()``: the log-odds of a like are ``x·w + Σ (xQ)∘x + b``.

        Q is upper triangular, and 0 where products of features did not win.
        """
        return self._design.quadratic_form(self._regression.coef_[0], self._regression.intercept_[0])

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the log-odds of a like, float64 ``(n,)``."""
        values: NDArray[np.float64] = self._regression.decision_function(self._design.columns(features))
        return values

    def to_onnx(self, slope: float, intercept: float) -> bytes:
        """Export it as ``x·w + Σ (xQ)∘x + b``."""
        linear, quadratic, constant = self.weights()
        graph = Graph()
        if self.second_order:
            mixed = graph.node("MatMul", graph.features, graph.constant(quadratic))
            mixed = graph.node("Add", mixed, graph.constant(linear))
            summed = graph.row_sums(graph.node("Mul", mixed, graph.features))
        else:
            summed = graph.node("MatMul", graph.features, graph.constant(linear))
        return graph.finish(graph.node("Add", summed, graph.constant(constant)), slope, intercept)

    def boundaries(self) -> NDArray[np.float32]:
        """Return none: it is smooth."""
        return np.empty((0, len(FEATURES)), np.float32)


class Logistic:
    """Fits logistic regressions whose weights are expected to be small and to lie along given directions.

    The estimate is the mode of the posterior under a Gaussian prior (ridge logistic regression: le Cessie and van
    Houwelingen, 1992), wider along the directions, so that it is noisy weights that shrink. Products of features
    come in where they lower the log-loss on held-out labels.

    Args:
        config: How strong the prior is.
    """

    config_type: ClassVar[type[LogisticConfig]] = LogisticConfig

    def __init__(self, config: LogisticConfig) -> None:
        self._config = config

    @single_threaded
    def fit(self, dataset: Dataset, seed: int) -> LogisticModel:
        """Fit a model; ValueError when the labels are all of one kind."""
        require_both_kinds(dataset)
        dataset = thinned(dataset, self._config.label_limit, seed)
        directions = _unit(dataset.directions) * np.sqrt(self._config.direction_variance)
        plain = _Design(directions, 0.0)
        design = self._winner(
            plain, replace(plain, second_order=self._config.second_order_variance**0.5), dataset, seed
        )
        return LogisticModel(self._regression(design.columns(dataset.features), dataset), design)

    def _winner(self, plain: _Design, richer: _Design, dataset: Dataset, seed: int) -> _Design:
        """Return the design with the smaller loss; the plain one where there are too few labels to tell."""
        folds = folds_of(dataset.labels, _FOLDS, seed)
        if not folds or not richer.second_order:
            return plain
        return min(plain, richer, key=lambda design: self._loss(design, dataset, folds))

    def _loss(self, design: _Design, dataset: Dataset, folds: Folds) -> float:
        """Return the log-loss of held-out labels."""
        columns = design.columns(dataset.features)
        logits = np.empty(len(columns))
        for fitted_to, tested_on in folds:
            regression = self._regression(columns, dataset, fitted_to)
            logits[tested_on] = regression.decision_function(columns[tested_on])
        losses = np.logaddexp(0, np.where(dataset.labels, -logits, logits))
        return float(np.average(losses, weights=dataset.weights))

    def _regression(
        self, columns: NDArray[np.float64], dataset: Dataset, rows: NDArray[np.int64] | slice = _ALL
    ) -> LogisticRegression:
        regression = LogisticRegression(C=self._config.variance, solver="newton-cholesky")
        regression.fit(columns[rows], dataset.labels[rows], dataset.weights[rows])
        return regression


def _unit(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return directions of length 1, without those that point nowhere."""
    lengths = np.linalg.norm(directions, axis=1)
    units: NDArray[np.float64] = directions[lengths > 0] / lengths[lengths > 0, None]
    return units
