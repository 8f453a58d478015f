"""Boosted trees as arrays: read from LightGBM, written to ONNX, and the places where they jump."""

from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np
from lightgbm import Booster
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from palate.domain.track import FEATURES

from palate_strategies.learners.onnx_graphs import ML_DOMAIN, Graph

__all__ = ["Forest"]

_ZERO: Final = float(np.float32(1e-35))
"""``kZeroThreshold`` of LightGBM."""


_CATEGORICAL: Final = 1
_MISSING: Final = 12
"""Bits of LightGBM's ``decision_type``: a categorical split, and how it handles missing values."""


class _Tree(NamedTuple):
    """One tree, as arrays that `Forest` explains."""

    feature: NDArray[np.int64]
    value: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """Trees whose leaf values add up.

    A row goes left at a node where its feature is at most the threshold. Features are float32 and thresholds
    float64, and so they stay in the exported graph: comparing them in float32 would send rows whose value lies
    between a threshold and its rounding to the wrong side.

    Attributes:
        tree: int64 ``(nodes,)``, the tree that a node belongs to, ascending; a tree's first node is its root.
        feature: int64 ``(nodes,)``, the feature that a node compares; -1 for a leaf.
        value: float64 ``(nodes,)``, a node's threshold or a leaf's value.
        left: int64 ``(nodes,)``, position of the node for rows that are not above the threshold; 0 for a leaf.
        right: int64 ``(nodes,)``, position of the node for the others; 0 for a leaf.
    """

    tree: NDArray[np.int64]
    feature: NDArray[np.int64]
    value: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]

    @classmethod
    def of(cls, booster: Booster) -> Self:
        """Read a booster's trees.

        Raises:
            ValueError: For linear trees, categorical splits and handling of missing values, which would not be
                exported exactly.
        """
        texts = booster.model_to_string().split("end of trees")[0].split("\nTree=")[1:]
        trees: list[_Tree] = []
        root = 0
        for text in texts:
            trees.append(_read(text, root))
            root += len(trees[-1].feature)
        return cls(
            tree=np.repeat(np.arange(len(trees)), [len(tree.feature) for tree in trees]),
            feature=np.concatenate([tree.feature for tree in trees]),
            value=np.concatenate([tree.value for tree in trees]),
            left=np.concatenate([tree.left for tree in trees]),
            right=np.concatenate([tree.right for tree in trees]),
        )

    def add_to(self, graph: Graph) -> str:
        """Add the trees to a graph and return the name of their sum, float64 ``(n,)``."""
        leaf = self.feature < 0
        number = np.arange(len(self.tree)) - np.searchsorted(self.tree, self.tree)
        root = np.arange(len(self.tree)) - number
        modes = np.where(leaf, "LEAF", "BRANCH_LEQ")
        summed = graph.node(
            "TreeEnsembleRegressor",
            graph.features,
            domain=ML_DOMAIN,
            n_targets=1,
            nodes_treeids=self.tree.tolist(),
            nodes_nodeids=number.tolist(),
            nodes_featureids=np.maximum(self.feature, 0).tolist(),
            nodes_modes=modes.tolist(),
            nodes_values_as_tensor=numpy_helper.from_array(np.where(leaf, 0.0, self.value), "thresholds"),
            nodes_truenodeids=np.where(leaf, 0, self.left - root).tolist(),
            nodes_falsenodeids=np.where(leaf, 0, self.right - root).tolist(),
            target_treeids=self.tree[leaf].tolist(),
            target_nodeids=number[leaf].tolist(),
            target_ids=np.zeros(leaf.sum(), np.int64).tolist(),
            target_weights_as_tensor=numpy_helper.from_array(self.value[leaf], "leaves"),
        )
        return graph.row_sums(graph.node("Cast", summed, to=TensorProto.DOUBLE))

    def boundaries(self) -> NDArray[np.float32]:
        """Return rows ``(2 * splits, 9)`` on both sides of every threshold, one float32 apart.

        Each reaches the node whose threshold it tests: its other features are the values nearest to 0, the median
        of normal scores, that lead there.
        """
        above, below = self._boxes()
        split = np.flatnonzero(self.feature >= 0)
        rows = np.clip(np.zeros_like(above), above, below)[split]
        sides = np.concatenate([rows, rows])
        column = np.concatenate([self.feature[split]] * 2)
        under = _round_down(self.value[split])
        sides[np.arange(len(sides)), column] = np.concatenate([under, _next_up(under)])
        return sides

    def _boxes(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the least and the greatest features that reach each node, float32 ``(nodes, 9)`` each."""
        least = np.full((len(self.tree), len(FEATURES)), -np.inf, np.float32)
        greatest = np.full((len(self.tree), len(FEATURES)), np.inf, np.float32)
        level = np.flatnonzero(np.diff(self.tree, prepend=-1) > 0)
        while len(level := level[self.feature[level] >= 0]):
            column, under = self.feature[level], _round_down(self.value[level])
            for side in (self.left[level], self.right[level]):
                least[side], greatest[side] = least[level], greatest[level]
            left, right = self.left[level], self.right[level]
            greatest[left, column] = np.minimum(greatest[left, column], under)
            least[right, column] = np.maximum(least[right, column], _next_up(under))
            level = np.concatenate([left, right])
        return least, greatest


def _read(text: str, root: int) -> _Tree:
    """Read a tree from LightGBM's text: its splits come first, then its leaves.

    Children that are leaves have the numbers -1, -2 and so on.

    Args:
        text: Lines of the form ``name=values``.
        root: Position that the first node will have.
    """
    fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    if fields["is_linear"] != "0":
        raise ValueError("trees with linear leaves cannot be exported exactly: fit without linear_tree")
    leaves = np.array(fields["leaf_value"].split(), np.float64)
    none, splits = np.zeros(len(leaves), np.int64), len(leaves) - 1
    if splits == 0:
        return _Tree(feature=none - 1, value=leaves, left=none, right=none)
    decisions = np.array(fields["decision_type"].split(), np.int64)
    if (decisions & _CATEGORICAL).any():
        raise ValueError("categorical splits cannot be exported exactly: give features as numbers")
    if (decisions & _MISSING).any():
        raise ValueError("splits on missing values cannot be exported exactly: fit with use_missing=False")
    left, right = (np.array(fields[f"{side}_child"].split(), np.int64) for side in ("left", "right"))
    return _Tree(
        feature=np.concatenate([np.array(fields["split_feature"].split(), np.int64), none - 1]),
        value=np.concatenate([_thresholds(np.array(fields["threshold"].split(), np.float64)), leaves]),
        left=np.concatenate([root + np.where(left < 0, splits + ~left, left), none]),
        right=np.concatenate([root + np.where(right < 0, splits + ~right, right), none]),
    )


def _thresholds(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return thresholds that have the effect of LightGBM's, which takes numbers up to 1e-35 from 0 for 0."""
    below, above = (values >= -_ZERO) & (values < 0), (values >= 0) & (values < _ZERO)
    return np.select([below, above], [np.nextafter(-_ZERO, -np.inf), _ZERO], values)


def _round_down(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the greatest float32 that is not above each value."""
    near = values.astype(np.float32)
    return np.where(near.astype(np.float64) > values, np.nextafter(near, np.float32(-np.inf)), near)


def _next_up(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the float32 that follows each value."""
    return np.nextafter(values, np.float32(np.inf))
