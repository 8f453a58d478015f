"""Compares an exported model with the model that it comes from, run as it will be served."""

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from palate.models.artifact import UnusableModel
from palate.models.session import ServedModel
from palate.plugins.learner import FittedModel
from palate_strategies.learners.onnx_graphs import with_metadata
from scipy.special import expit

__all__ = ["TOLERANCE", "ExportMismatch", "verify_export", "with_metadata"]

TOLERANCE: Final = 1e-6
"""How far two probabilities may lie apart. A row in another leaf of a single tree is further off than this."""

_BLOCK: Final = 16 * 1024
"""Rows at a time of the native model; LightGBM has more of its trees at hand the more rows it is given at once."""

_SERVED: Final = 1024
"""Rows at a time of the exported model, about as many as a server gives it, so that all of it stays in the cache."""


class ExportMismatch(Exception):
    """An exported model says something else than its native model, or nothing; the message names the worst row."""


def verify_export(
    fitted: FittedModel, artifact: bytes, slope: float, intercept: float, features: NDArray[np.float32]
) -> None:
    """Compare an exported model with its native model over a whole catalog and on both sides of every jump.

    Args:
        fitted: The native model.
        artifact: Its file as it will be published, metadata included; it is loaded as a server loads it.
        slope: Of the calibration that the file was exported with.
        intercept: Of that calibration.
        features: float32 ``(n, 9)``, the catalog's normal scores.

    Raises:
        ExportMismatch: When a server would refuse the file, or when a probability is further off than `TOLERANCE`.
    """
    try:
        served = ServedModel.load(artifact, hashlib.sha256(artifact).hexdigest())
    except UnusableModel as error:
        raise ExportMismatch(f"a server would refuse the exported model: {error}") from error
    native = _Native(fitted, slope, intercept)
    _compare(native, served, features, "the catalog")
    _compare(native, served, fitted.boundaries(), "the thresholds")


@dataclass(frozen=True, slots=True)
class _Native:
    """A native model with its calibration."""

    fitted: FittedModel
    slope: float
    intercept: float

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        values: NDArray[np.float64] = expit(self.slope * self.fitted.logits(features) + self.intercept)
        return values


def _compare(native: _Native, served: ServedModel, features: NDArray[np.float32], place: str) -> None:
    """Raise ExportMismatch with the worst of the rows if it is too far off."""
    worst, greatest = 0, 0.0
    for start in range(0, len(features), _BLOCK):
        block = features[start : start + _BLOCK]
        parts = [served.probabilities(block[place : place + _SERVED]) for place in range(0, len(block), _SERVED)]
        # A value that is not a number is as far off as can be.
        apart = np.nan_to_num(np.abs(native.probabilities(block) - np.concatenate(parts)), nan=np.inf)
        if apart.max() > greatest:
            worst, greatest = start + int(apart.argmax()), float(apart.max())
    if greatest > TOLERANCE:
        row = features[worst : worst + 1]
        raise ExportMismatch(
            f"the exported model differs from its native model by {greatest:.3g} at row {worst} of {place}: "
            f"native {native.probabilities(row)[0]:.9f}, exported {served.probabilities(row)[0]:.9f}, "
            f"features {[float(value) for value in row[0]]}"
        )
