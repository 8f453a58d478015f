"""What holds for every strategy's answer, whoever wrote the strategy.

Checks take a few microseconds for each choice, so every answer goes through them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from palate.plugins.slate import SlateBuilder, without_excluded
from palate.plugins.strategy import CatalogIndex, Choice, Reason, ReasonKind, Rows, Scores, SlateRequest

__all__ = ["UnusableAnswer", "guarded_choices", "guarded_scores"]

_INTEGERS: Final = (int, np.integer)
_NUMBERS: Final = (float, int, np.floating, np.integer)
_TRUTHS: Final = (bool, np.bool_)
_LARGEST: Final = float(np.finfo(np.float32).max)
_PAIR: Final = 2


class UnusableAnswer(Exception):
    """A strategy's answer is not what the contract says."""


def guarded_choices(
    choices: object, request: SlateRequest, catalog: CatalogIndex
) -> tuple[tuple[Choice, ...], Mapping[str, int]]:
    """Keep the choices that may be shown.

    A choice whose artist has had as many of the slots before it as the request allows is moved down to where it may
    stand; the others keep their order.

    Returns:
        At most `request.limit` choices: sound ones of rows that the catalog has, that are not excluded, not of an
        excluded cluster and not repeated; and how many were dropped for each cause.

    Raises:
        UnusableAnswer: When `choices` is not a sequence.
    """
    if not isinstance(choices, Sequence):
        raise UnusableAnswer(f"it returned {type(choices).__name__}, not a sequence of choices")
    flaws = [_flaw(choice, len(catalog)) for choice in choices]
    sound = [choice for choice, flaw in zip(choices, flaws, strict=True) if not flaw]
    dropped = Counter(flaw for flaw in flaws if flaw)
    rows = np.array([choice.row for choice in sound], dtype=np.int32)
    open_rows = set(without_excluded(request, rows).tolist())
    kept: dict[int, Choice] = {}
    for choice, row, cluster in zip(sound, rows.tolist(), catalog.cluster[rows].tolist(), strict=True):
        if row not in open_rows:
            dropped["excluded row"] += 1
        elif catalog.clusters[cluster].excluded:
            dropped["row of an excluded cluster"] += 1
        elif row in kept:
            dropped["repeated row"] += 1
        else:
            kept[row] = choice
    builder = SlateBuilder(request, catalog)
    shown = builder.fill([0], [builder.best_first(iter(kept))])
    if len(shown) < len(kept):
        dropped["too many of an artist" if builder.room else "beyond the limit"] += len(kept) - len(shown)
    return tuple(kept[row] for _, row in shown), dropped


def _flaw(choice: object, tracks: int) -> str:
    """Say what is wrong with a choice by itself; empty when nothing is."""
    if not isinstance(choice, Choice):
        return "not a Choice"
    return _value_flaw(choice, tracks) or _reason_flaw(choice.reason, tracks)


def _value_flaw(choice: Choice, tracks: int) -> str:
    if not _is_row(choice.row, tracks):
        return "row out of range"
    if not _is_number(choice.score):
        return "score not finite"
    if not _is_number(choice.propensity) or not 0 < choice.propensity <= 1:
        return "propensity outside (0, 1]"
    if not _is_a(_TRUTHS, choice.exploration):
        return "exploration neither true nor false"
    if not _is_text(choice.taste_id) or not _is_text(choice.model_version):
        return "taste_id or model_version not a string"
    return ""


def _reason_flaw(reason: object, tracks: int) -> str:
    if not isinstance(reason, Reason):
        return "no Reason"
    if not _is_a(ReasonKind, reason.kind):
        return "reason's kind not a ReasonKind"
    if reason.nearest_liked is not None and not _is_row(reason.nearest_liked, tracks):
        return "reason's nearest_liked out of range"
    if not _is_a(Sequence, reason.features) or not _are_named_numbers(reason.features):
        return "reason's features not names with finite numbers"
    if not _is_a(Mapping, reason.parts) or not _are_named_numbers(reason.parts.items()):
        return "reason's parts not names with finite numbers"
    return ""


def _is_a(kind: Any, value: object) -> bool:
    """Return whether a value is what its annotation says, which nobody has checked yet."""
    return isinstance(value, kind)


def _is_row(value: Any, tracks: int) -> bool:
    return isinstance(value, _INTEGERS) and not isinstance(value, bool) and bool(0 <= value < tracks)


def _is_number(value: Any) -> bool:
    """Return whether a value is a number that is finite in float32, as the public contract has it."""
    if type(value) is float:  # as nearly always
        return -_LARGEST <= value <= _LARGEST
    return isinstance(value, _NUMBERS) and not isinstance(value, bool) and abs(float(value)) <= _LARGEST


def _is_text(value: object) -> bool:
    """Return whether a value is a string that UTF-8 has, which a lone surrogate is not."""
    if not isinstance(value, str):
        return False
    try:
        return value.isascii() or bool(value.encode())
    except UnicodeEncodeError:
        return False


def _are_named_numbers(pairs: Iterable[object]) -> bool:
    for pair in pairs:
        if not (isinstance(pair, tuple) and len(pair) == _PAIR and _is_text(pair[0]) and _is_number(pair[1])):
            return False
    return True


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
    if not all(map(_is_text, (*scores.taste_ids, *scores.model_versions))):
        raise UnusableAnswer("it gave tastes or model versions that are not strings")
    if not np.issubdtype(values.dtype, np.number) or not (np.abs(values) <= _LARGEST).all():
        raise UnusableAnswer("it gave scores that are not finite numbers")
    return Scores(values.astype(np.float32, copy=False), scores.taste_ids, scores.model_versions)
