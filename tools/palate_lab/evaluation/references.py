"""Reference models, as anybody would fit them to one listener's labels."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import numpy as np
from lightgbm import LGBMClassifier
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from palate_lab.evaluation.labelled import LabelledTracks

__all__ = ["REFERENCES", "reference_aucs"]

Scorer: TypeAlias = Callable[[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]], NDArray[np.float64]]


def _cosine(features: NDArray[np.float64], liked: NDArray[np.bool_], held: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cosine to the liked mean less the cosine to the disliked mean."""
    scores = np.zeros(len(held))
    for side, sign in ((liked, 1.0), (~liked, -1.0)):
        mean = features[side].mean(axis=0)
        lengths = np.linalg.norm(held, axis=1) * np.linalg.norm(mean)
        scores += sign * (held @ mean) / np.where(lengths > 0, lengths, 1.0)
    return scores


def _fitted(make: Callable[[], Any]) -> Scorer:
    """Return what scores by a scikit-learn classifier."""

    def score(
        features: NDArray[np.float64], liked: NDArray[np.bool_], held: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        model = make().fit(features, liked)
        if hasattr(model, "decision_function"):
            scores: NDArray[np.float64] = model.decision_function(held)
        else:
            scores = model.predict_proba(held)[:, 1]
        return scores

    return score


REFERENCES: Final[Mapping[str, Scorer]] = MappingProxyType(
    {
        "cosine": _cosine,
        "logistic regression": _fitted(lambda: LogisticRegression(C=0.1, max_iter=1000)),
        "LightGBM": _fitted(
            lambda: LGBMClassifier(
                n_estimators=100, max_depth=3, learning_rate=0.05, min_child_samples=5, n_jobs=1, verbosity=-1
            )
        ),
        "ExtraTrees": _fitted(lambda: ExtraTreesClassifier(n_estimators=200, min_samples_leaf=2, random_state=0)),
        "SVM": _fitted(lambda: SVC(C=1.0, gamma="scale")),
    }
)
"""The models, by name. Their settings are those that do well on small data; none is tuned to a file."""


def reference_aucs(tracks: LabelledTracks, chosen: NDArray[np.intp], held: NDArray[np.intp]) -> dict[str, float]:
    """Fit every reference to some labels and return its AUC on others, on both scales of the features.

    Args:
        tracks: The labelled tracks.
        chosen: Positions of the labels to fit to.
        held: Positions of the labels to judge by.
    """
    scaler = StandardScaler().fit(tracks.raw[chosen])
    scales = {"standardised": scaler.transform(tracks.raw), "normal": tracks.normalized}
    return {
        f"{name}, {scale}": float(
            roc_auc_score(tracks.liked[held], score(features[chosen], tracks.liked[chosen], features[held]))
        )
        for name, score in REFERENCES.items()
        for scale, features in scales.items()
    }
