"""What a learner is: the training half of a model strategy. The trainer alone imports learners.

Learners are found by the entry-point group ``palate.learners``. A learner has the name of the strategy that serves its
models; it is tried for profiles that this strategy's stage admits. This module imports no training library, so that it
can be imported where none is installed.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["INPUT", "IR_VERSION", "OPSET", "OUTPUT", "Dataset", "FittedModel", "Learner"]

INPUT: Final = "features"
"""Name of the only input: float32 ``(n, 9)``, normal scores in the order of `FEATURES`."""

OUTPUT: Final = "probability"
"""Name of the only output: float32 ``(n,)``, the calibrated probability of a like."""

OPSET: Final = 17
"""Version of the operators of the default domain."""

IR_VERSION: Final = 8
"""Version of the file format."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """The labels that one model is fitted to.

    A taste's model borrows strength from the listener's other tastes: their labels are in the dataset too, with a
    smaller weight (the power prior of Ibrahim and Chen, 2000). The listener's common model weighs all alike.

    Attributes:
        features: float32 ``(n, 9)``, normal scores of the rated tracks.
        labels: bool ``(n,)``, True for a like.
        weights: float64 ``(n,)``, 1 for the taste's own labels, in (0, 1] for the others.
        directions: float64 ``(k, 9)``, directions in which the weights of a linear model are expected to lie, such
            as liked mean less disliked mean, and the mean direction of other listeners; k may be 0.
        background: float32 ``(m, 9)``, normal scores of a sample of the catalog, equal for all tastes of a catalog.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.bool_]
    weights: NDArray[np.float64]
    directions: NDArray[np.float64]
    background: NDArray[np.float32]


class FittedModel(Protocol):
    """A model in the form of the library that fitted it."""

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the log-odds of a like for normal scores ``(n, 9)``, float64 ``(n,)``."""

    def to_onnx(self, slope: float, intercept: float) -> bytes:
        """Export the model as a serialized ONNX graph.

        The graph takes ``features``, float32 ``(n, 9)``, and returns ``probability``, float32 ``(n,)``:
        ``1 / (1 + exp(-(slope * logit + intercept)))``. `palate.models.artifact` says which operators it may use.

        Raises:
            ValueError: For a model that cannot be exported exactly.
        """

    def boundaries(self) -> NDArray[np.float32]:
        """Return normal scores ``(m, 9)`` on both sides of every place where the output jumps; none for smooth ones.

        For trees: a row for each threshold as float32, one for the value below and one for the value above.
        """


class Learner(Protocol):
    """A learner: called with its configuration, it fits models.

    Attributes:
        config_type: A frozen dataclass; the operator's table ``[training.options.NAME]`` becomes one.
    """

    config_type: ClassVar[type[Any]]

    def __init__(self, config: Any) -> None:
        """Keep the configuration, an instance of `config_type`."""

    def fit(self, dataset: Dataset, seed: int) -> FittedModel:
        """Fit a model. The same dataset and seed give the same model.

        Raises:
            ValueError: When the dataset has labels of one kind only.
        """
