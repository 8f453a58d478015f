"""Whether a taste differs from what the common model says of it: a cheap look before a model of its own is fitted."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from palate_tools.training.calibration import log_losses

__all__ = ["correction_gain"]

_FOLDS: Final = 5
_STRENGTH: Final = 0.1


def correction_gain(
    logits: NDArray[np.float64], features: NDArray[np.float32], liked: NDArray[np.bool_], seed: int
) -> float:
    """Return what a linear correction of the common model gains on a taste's labels, in nats a label.

    The correction is logistic regression on the common model's log-odds and the nine features, judged on labels that
    it has not seen. Where it gains nothing, the taste agrees with the others, and a model that looks at its labels
    more than at theirs has only fewer of them.

    Args:
        logits: float64 ``(n,)``, calibrated log-odds of the taste's labels by common models that have not seen them.
        features: float32 ``(n, 9)``, normal scores.
        liked: bool ``(n,)``, at least two of each kind.
        seed: For the folds.
    """
    folds = min(_FOLDS, int(liked.sum()), int((~liked).sum()))
    corrected = cross_val_predict(
        LogisticRegression(C=_STRENGTH, max_iter=1000),
        np.column_stack([logits, features]),
        liked,
        cv=StratifiedKFold(folds, shuffle=True, random_state=seed),
        method="decision_function",
    )
    return float(np.mean(log_losses(logits, liked) - log_losses(corrected, liked)))
