"""What holds for every strategy's answer, whoever wrote the strategy.

Checks take a few tens of microseconds for a full page, so every answer goes through them.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from palate.strategy.contract import CatalogIndex, Choice, Reason, Rows, Scores, SlateRequest

__all__ = ["UnusableAnswer", "guarded_choices", "guarded_scores"]

_INTEGERS: Final = (int, np.integer)
_NUMBERS: Final = (float, int, np.floating, np.integer)


class UnusableAnswer(Exception):
    """A strategy's answer is not what the contract says."""


def guarded_choices(
    choices: object, request: SlateRequest, catalog: CatalogIndex
) -> tuple[tuple[Choice, ...], Mapping[str, int]]:
    """Keep the choices that may be shown.

    Returns:
        At most `request.limit` choices in the order given: sound ones of rows that the catalog has, that are
        not excluded, not of an excluded cluster and not repeated; and how many were dropped for each cause.

    Raises:
        UnusableAnswer: When `choices` is not a sequence.
    """
    if not isinstance(choices, Sequence):
        raise UnusableAnswer(f"it returned {type(choices).__name__}, not a sequence of choices")
    flaws = [_flaw(choice, len(catalog)) for choice in choices]
    sound = [choice for choice, flaw in zip(choices, flaws, strict=True) if not flaw]
    dropped = Counter(flaw for flaw in flaws if flaw)
    rows = np.array([choice.row for choice in sound], dtype=np.int32)
    open_rows = set(request.without_excluded(rows).tolist())
    kept: dict[int, Choice] = {}
    for choice, row, cluster in zip(sound, rows.tolist(), catalog.cluster[rows].tolist(), strict=True):
        if row not in open_rows:
            dropped["excluded row"] += 1
        elif catalog.clusters[cluster].excluded:
            dropped["row of an excluded cluster"] += 1
        elif row in kept:
            dropped["repeated row"] += 1
        elif len(kept) == request.limit:
            dropped["beyond the limit"] += 1
        else:
            kept[row] = choice
    return tuple(kept.values()), dropped


def _flaw(choice: object, tracks: int) -> str:
    """Say what is wrong with a choice by itself; empty when nothing is."""
    if not isinstance(choice, Choice):
        return "not a Choice"
    if not isinstance(choice.row, _INTEGERS) or not 0 <= choice.row < tracks:
        return "row out of range"
    if not isinstance(choice.score, _NUMBERS) or not math.isfinite(choice.score):
        return "score not finite"
    if not isinstance(choice.propensity, _NUMBERS) or not 0 < choice.propensity <= 1:
        return "propensity outside (0, 1]"
    if not _are_strings(choice.taste_id, choice.model_version):
        return "taste_id or model_version not a string"
    return _reason_flaw(choice.reason, tracks)


def _are_strings(*values: object) -> bool:
    return all(isinstance(value, str) for value in values)


def _reason_flaw(reason: object, tracks: int) -> str:
    if not isinstance(reason, Reason):
        return "no Reason"
    nearest = reason.nearest_liked
    if nearest is not None and not (isinstance(nearest, _INTEGERS) and 0 <= nearest < tracks):
        return "reason's nearest_liked out of range"
    return ""


def guarded_scores(scores: object, rows: Rows) -> Scores:
    """Return a strategy's scores of `rows` when there is a finite one for each.

    Raises:
        UnusableAnswer: When there is not.
    """
    if not isinstance(scores, Scores):
        raise UnusableAnswer(f"it returned {type(scores).__name__}, not Scores")
    values = np.asarray(scores.values)
    if values.shape != rows.shape or len(scores.taste_ids) != len(rows):
        raise UnusableAnswer(f"it gave {values.shape} values and {len(scores.taste_ids)} tastes for {len(rows)} tracks")
    if len(scores.model_versions) not in {0, len(rows)}:
        raise UnusableAnswer(f"it gave {len(scores.model_versions)} model versions for {len(rows)} tracks")
    if not np.issubdtype(values.dtype, np.number) or not np.isfinite(values).all():
        raise UnusableAnswer("it gave scores that are not finite numbers")
    return Scores(values.astype(np.float32, copy=False), scores.taste_ids, scores.model_versions)
