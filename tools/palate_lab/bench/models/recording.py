"""Records the fits that training asks of its libraries, and makes them again with nothing around them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, TypeAlias
from unittest.mock import patch

import lightgbm
from sklearn.linear_model import LogisticRegression

__all__ = ["Fit", "recorded_fits"]

Fit: TypeAlias = Callable[[], object]
"""Makes one fit, or one cross-validation, again."""

_FIT: Final = LogisticRegression.fit


@contextmanager
def recorded_fits() -> Iterator[list[Fit]]:
    """Record every fit of scikit-learn's logistic regression and of LightGBM while the block runs.

    Recording keeps references to the arguments and takes microseconds. LightGBM's data sets are made again from
    their arrays, since it prepares each for one use.
    """
    fits: list[Fit] = []

    def fit(self: LogisticRegression, *args: Any, **kwargs: Any) -> LogisticRegression:
        fits.append(partial(_FIT, self, *args, **kwargs))
        return _FIT(self, *args, **kwargs)

    with (
        patch.object(LogisticRegression, "fit", fit),
        patch.object(lightgbm, "train", partial(_boost, fits, lightgbm.train)),
        patch.object(lightgbm, "cv", partial(_boost, fits, lightgbm.cv)),
    ):
        yield fits


def _boost(
    fits: list[Fit],
    function: Callable[..., Any],
    parameters: dict[str, Any],
    data: lightgbm.Dataset,
    *args: Any,
    **kwargs: Any,
) -> Any:
    """Call one of LightGBM's functions and record it."""
    arrays = data.data, data.label, data.weight

    def again() -> Any:
        features, labels, weights = arrays
        return function(parameters, lightgbm.Dataset(features, labels, weight=weights), *args, **kwargs)

    fits.append(again)
    return function(parameters, data, *args, **kwargs)
