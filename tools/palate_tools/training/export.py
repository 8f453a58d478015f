"""From a fitted model to a file that a server can use, verified against the model that it comes from."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version as version_of
from typing import Final

import numpy as np
import onnx
import structlog
from numpy.typing import NDArray
from onnx import helper
from palate.catalog.snapshot import Catalog
from palate.domain import Profile
from palate.models.artifact import METADATA_KEY, Metadata, UnusableModel
from palate.models.session import ServedModel
from palate.plugins.learner import FittedModel
from scipy.special import expit

from palate_tools.training.fitting import TrainingFailed
from palate_tools.training.promotion import Challenger

__all__ = ["TOLERANCE", "ExportMismatch", "export_model", "verify_export", "with_metadata"]

TOLERANCE: Final = 1e-6
"""How far two probabilities may lie apart. A row in another leaf of a single tree is further off than this."""

_NATIVE_ROWS: Final = 16 * 1024
"""Rows at a time of the native model: LightGBM is faster on many rows."""

_SERVED_ROWS: Final = 1024
"""Rows at a time of the exported model, about as many as a server gives it: they fit into the processor's cache."""

_LIBRARIES: Final = ("palate", "numpy", "onnx", "scikit-learn", "lightgbm")
_log = structlog.get_logger(__name__)


class ExportMismatch(Exception):
    """An exported model does not answer as its native model does; the message names the worst row."""


def export_model(
    fitted: FittedModel, challenger: Challenger, version: str, profile: Profile, catalog: Catalog
) -> tuple[bytes, Metadata]:
    """Export a fitted model with its metadata and verify the file over the whole catalog.

    Args:
        fitted: The model.
        challenger: What it was promoted or rejected by.
        version: The model's version.
        profile: The profile that it was trained on.
        catalog: The catalog that it is to serve.

    Returns:
        The file, and what it says of itself.

    Raises:
        TrainingFailed: When the model cannot be exported, or the file does not answer as the model does.
    """
    line = challenger.validated.line
    metadata = Metadata(
        version=version,
        user_id=profile.user_id,
        taste_id=challenger.taste_id,
        learner=challenger.learner.name,
        feature_map=catalog.feature_map.fingerprint,
        labels_revision=profile.revision,
        label_count=challenger.label_count,
        ranking_slope=challenger.ranking_line.slope,
        ranking_intercept=challenger.ranking_line.intercept,
        metrics={metric.name: metric.value for metric in challenger.metrics() if metric.value == metric.value},
        cluster_offsets=dict(challenger.validated.offsets),
        libraries={**_libraries(), challenger.learner.distribution: challenger.learner.version},
    )
    try:
        artifact = with_metadata(fitted.to_onnx(line.slope, line.intercept), metadata)
        verify_export(fitted, artifact, line.slope, line.intercept, catalog.normalized)
    except (ExportMismatch, ValueError) as error:
        _log.error("export failed", learner=metadata.learner, user_id=metadata.user_id, reason=str(error))
        raise TrainingFailed(f"the export of learner {metadata.learner!r} is not what was fitted: {error}") from error
    return artifact, metadata


def with_metadata(onnx_bytes: bytes, metadata: Metadata) -> bytes:
    """Return a model's file with its metadata: palate's own as JSON, and a few properties for other tools."""
    model = onnx.load_model_from_string(onnx_bytes)
    properties: Mapping[str, str] = {
        METADATA_KEY: metadata.to_json(),
        "version": metadata.version,
        "learner": metadata.learner,
        "features": ", ".join(metadata.features),
        "feature_map": metadata.feature_map,
        "label_count": str(metadata.label_count),
        "labels_revision": str(metadata.labels_revision),
    }
    helper.set_model_props(model, dict(properties))
    return model.SerializeToString(deterministic=True)


def verify_export(
    fitted: FittedModel, artifact: bytes, slope: float, intercept: float, features: NDArray[np.float32]
) -> None:
    """Compare an exported model with its native model over a whole catalog and on both sides of every threshold.

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
    for start in range(0, len(features), _NATIVE_ROWS):
        block = features[start : start + _NATIVE_ROWS]
        parts = [served.probabilities(block[at : at + _SERVED_ROWS]) for at in range(0, len(block), _SERVED_ROWS)]
        # NaN is as far off as can be.
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


@cache
def _libraries() -> Mapping[str, str]:
    """Return the versions of the libraries that models are made with."""
    return {name: version_of(name) for name in _LIBRARIES}
