"""A network with a hidden layer that all listeners share and an output layer for each taste."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from palate.domain.track import FEATURES
from palate.plugins.learner import Dataset
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression

from palate_strategies.learners.fitting import require_between, require_both_kinds, single_threaded, thinned
from palate_strategies.learners.onnx_graphs import Graph

__all__ = ["GENRE_SHARES", "SCALES", "Neural", "NeuralConfig", "NeuralModel", "Trunk", "columns_of", "trunk_of"]

GENRE_SHARES: Final = np.array([0.38, 0.42, 0.29, 0.08, 0.40, 0.51, 0.39, 0.09, 0.24])
"""Share of each feature's variance that lies between the genres of the bundled catalog, float64 ``(9,)``.

People like genres, or what sounds like them. What varies as much within a genre as between genres, as liveness and
tempo do, tells likes from dislikes worse, and adds noise to distances. The shares are omega squared of the normal
scores (Hays, *Statistics for Psychologists*, 1963).
"""

SCALES: Final = np.sqrt(np.sqrt(GENRE_SHARES) / np.sqrt(GENRE_SHARES).mean())
"""What normal scores are multiplied by before distances are taken, float64 ``(9,)``.

A feature counts in a squared distance by the square root of its share, half way between alike and in proportion: not
everybody's liking follows genres. The mean square is 1, so that distances keep their size.
"""

for _fixed in (GENRE_SHARES, SCALES):
    _fixed.setflags(write=False)

_EIGENVALUE_FLOOR: Final = 1e-6
"""Relative to the greatest: what lies below is left out, as it would make the output weights huge."""

_BLOCK: Final = 512
"""Rows at a time, so that the outputs of all units fit into a processor's cache."""


@dataclass(frozen=True, slots=True)
class NeuralConfig:
    """The network's size and how far its weights may go.

    Attributes:
        units: Number of hidden units; fewer where the background has fewer distinct tracks.
        width: Inverse square of a unit's width: it gives ``(1 + width / 2 * distance²)⁻²``. 1/9 is one over the
            number of features, whose normal scores have variance 1. Distances are of features times `SCALES`.
        variance: Prior variance of each output weight.
        linear_variance: Prior variance of the weights that lead from the features straight to the output, as a
            multiple of `variance`; 0 leaves them out.
        label_limit: To at most how many labels a model is fitted.
    """

    units: int = 160
    width: float = 1 / 9
    variance: float = 4.0
    linear_variance: float = 0.0005
    label_limit: int = 10_000

    def __post_init__(self) -> None:
        """Raise ValueError when a field holds what it must not."""
        require_between(self, "units", least=1)
        require_between(self, "width", "variance", least=1e-6)
        require_between(self, "linear_variance", least=0)
        require_between(self, "label_limit", least=100)


@dataclass(frozen=True, slots=True, eq=False)
class Trunk:
    """The hidden layer that all networks of a catalog share.

    Attributes:
        centres: float64 ``(units, 9)``, where the units stand.
        planes: float64 ``(11, units)``. The product of what `_lifted` returns and it is ``1 + width / 2 * distance²``.
        whitening: float64 ``(units, k)``. It turns the units' outputs into coordinates in which inner products are
            the kernel's (Williams and Seeger, 2001), so that one prior variance suits all output weights.
    """

    centres: NDArray[np.float64]
    planes: NDArray[np.float64]
    whitening: NDArray[np.float64]

    def units(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the units' outputs for normal scores ``(n, 9)``, float64 ``(n, units)``."""
        return _outputs(_lifted(features), self.planes)


@lru_cache(maxsize=4)
def _trunk(background: bytes, units: int, width: float) -> Trunk:
    rows = np.unique(np.frombuffer(background, np.float32).reshape(-1, len(FEATURES)), axis=0)
    clusters = KMeans(min(units, len(rows)), n_init=1, random_state=0).fit(rows * SCALES)
    # Rounding to float32 makes the centres equal where sums come out differently in the last digits.
    centres = (clusters.cluster_centers_ / SCALES).astype(np.float32).astype(np.float64)
    planes = _planes(centres, width)
    values, vectors = np.linalg.eigh(_outputs(_lifted(centres), planes))
    kept = values > _EIGENVALUE_FLOOR * values[-1]
    return Trunk(centres, planes, vectors[:, kept] / np.sqrt(values[kept]))


@single_threaded
def trunk_of(background: NDArray[np.float32], units: int, width: float) -> Trunk:
    """Return the hidden layer for a catalog, computed once for each background.

    The units stand at the k-means centres of the background (Moody and Darken, 1989).

    Raises:
        ValueError: When the background is empty.
    """
    if len(background) == 0:
        raise ValueError("the background is empty: give a sample of the catalog's normal scores")
    return _trunk(np.ascontiguousarray(background, np.float32).tobytes(), units, width)


class NeuralModel:
    """A fitted network.

    Args:
        trunk: Its hidden layer.
        linear: Factor of the features beside the units.
        output: Its output layer, over the columns that `columns_of` returns.
    """

    def __init__(self, trunk: Trunk, linear: float, output: LogisticRegression) -> None:
        self._trunk = trunk
        straight, whitened = np.split(output.coef_[0], [len(FEATURES)])
        self._weights: NDArray[np.float64] = trunk.whitening @ whitened
        self._straight: NDArray[np.float64] = np.concatenate([linear * straight, [0.0, output.intercept_[0]]])

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the log-odds of a like, float64 ``(n,)``."""
        values = np.empty(len(features))
        for start in range(0, len(features), _BLOCK):
            rows = _lifted(features[start : start + _BLOCK])
            outputs = _outputs(rows, self._trunk.planes)
            values[start : start + _BLOCK] = outputs @ self._weights + rows @ self._straight
        return values

    def add_to(self, graph: Graph) -> str:
        """Add the network to a graph and return the name of its log-odds, float64 ``(n,)``.

        Weights are matrices of one column: onnxruntime takes ten times as long for the product with a vector.
        """
        squares = graph.node("Mul", graph.features, graph.features)
        length = graph.node("MatMul", squares, graph.constant(np.square(SCALES)[:, None]))
        ones = graph.node("Pow", length, graph.constant(0.0))
        rows = graph.node("Concat", graph.features, length, ones, axis=1)
        distances = graph.node("MatMul", rows, graph.constant(self._trunk.planes))
        outputs = graph.node("Div", graph.constant(1.0), graph.node("Mul", distances, distances))
        summed = graph.node("MatMul", outputs, graph.constant(self._weights[:, None]))
        straight = graph.node("MatMul", rows, graph.constant(self._straight[:, None]))
        return graph.row_sums(graph.node("Add", summed, straight))

    def to_onnx(self, slope: float, intercept: float) -> bytes:
        """Export the network."""
        graph = Graph()
        return graph.finish(self.add_to(graph), slope, intercept)

    def boundaries(self) -> NDArray[np.float32]:
        """Return none: it is smooth."""
        return np.empty((0, len(FEATURES)), np.float32)


class Neural:
    """Fits networks: radial units (Broomhead and Lowe, 1988) and a penalised logistic output layer.

    The hidden layer comes from the catalog and is the same for all listeners; only the output layer is trained,
    which has a single optimum and needs few labels. The features lead to the output directly as well, under a
    narrow prior: likings that go one way are learnt sooner, and go on where no unit stands.

    Args:
        config: The network's size and penalty.
    """

    config_type: ClassVar[type[NeuralConfig]] = NeuralConfig

    def __init__(self, config: NeuralConfig) -> None:
        self._config = config

    @single_threaded
    def fit(self, dataset: Dataset, seed: int) -> NeuralModel:
        """Fit a model; ValueError when the labels are all of one kind or the background is empty."""
        require_both_kinds(dataset)
        dataset = thinned(dataset, self._config.label_limit, seed)
        trunk = trunk_of(dataset.background, self._config.units, self._config.width)
        linear = self._config.linear_variance**0.5
        output = LogisticRegression(C=self._config.variance, max_iter=1000)
        output.fit(columns_of(trunk, linear, dataset.features), dataset.labels, dataset.weights)
        return NeuralModel(trunk, linear, output)


def columns_of(trunk: Trunk, linear: float, features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return what the output layer takes: the features times a factor, and the whitened units.

    A factor c is the same as a prior variance of c² (of that of the whitened units) on the features' weights.
    """
    return np.hstack([linear * features.astype(np.float64), trunk.units(features) @ trunk.whitening])


def _lifted(features: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return features with their squared length times `SCALES` and a column of ones, float64 ``(n, 11)``.

    In these a squared distance to a point is linear.
    """
    rows = np.ones((len(features), len(FEATURES) + 2))
    rows[:, : len(FEATURES)] = features
    rows[:, len(FEATURES)] = np.square(rows[:, : len(FEATURES)]) @ np.square(SCALES)
    return rows


def _planes(centres: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Return what makes ``1 + width / 2 * distance²`` of lifted features, float64 ``(11, centres)``."""
    ones = np.ones(len(centres))
    lengths = np.square(centres) @ np.square(SCALES)
    return np.vstack([-width * (centres * np.square(SCALES)).T, width / 2 * ones, 1 + width / 2 * lengths])


def _outputs(rows: NDArray[np.float64], planes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the units' outputs: the rational quadratic kernel with the exponent 2, float64 ``(n, units)``.

    It is a mixture of Gaussian units of many widths and takes a division where these take an exponential.

    Source:
        Rasmussen and Williams, *Gaussian Processes for Machine Learning*, 2006, section 4.2.
    """
    distances = rows @ planes
    distances *= distances
    return np.reciprocal(distances, out=distances)
