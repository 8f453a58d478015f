"""What came of training, as values and as a person sees it: a line for each taste, and a table at the end."""

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isnan, nan
from typing import Final

from rich.console import Console

from palate_tools.tables import Column, counted, print_line, print_rows

__all__ = ["Figures", "ListenerReport", "Outcome", "TasteReport", "print_listener", "print_summary"]


class Outcome(enum.StrEnum):
    """How training a taste ended."""

    PUBLISHED = "published"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    FAILED = "failed"
    COMMON = "left to the common model"
    TOO_LITTLE_DATA = "too little data"


@dataclass(frozen=True, slots=True)
class Figures:
    """AUC and log-loss on held-out labels; NaN where there is nothing to measure."""

    auc: float = nan
    log_loss: float = nan


@dataclass(frozen=True, slots=True)
class TasteReport:
    """What came of one taste.

    Attributes:
        user_id: The listener.
        taste_id: The taste; empty for the common model.
        outcome: How it ended.
        reason: Why, in a sentence; may be empty for a model that was published.
        likes: How many tracks of the taste are liked.
        dislikes: How many are disliked.
        learner: The learner that was chosen, or empty.
        version: The model's version; empty without a model, and in a dry run.
        model: The new model's figures.
        serving: Those of the model that served until then.
        ranking: Those of plain ranking.
    """

    user_id: str
    taste_id: str
    outcome: Outcome
    reason: str
    likes: int
    dislikes: int
    learner: str = ""
    version: str = ""
    model: Figures = Figures()
    serving: Figures = Figures()
    ranking: Figures = Figures()


@dataclass(frozen=True, slots=True)
class ListenerReport:
    """What came of one listener: the common model first, then the tastes."""

    user_id: str
    tastes: tuple[TasteReport, ...]


_COLUMNS: Final = (
    Column("listener", narrowest=8),
    Column("taste", narrowest=8),
    Column("likes", number=True),
    Column("dislikes", number=True),
    Column("learner"),
    Column("log-loss", number=True),
    Column("AUC", number=True, spare=True),
    Column("outcome"),
    Column("reason", narrowest=24, spare=True),
)
_LEGEND: Final = (
    "log-loss (lower is better; it decides) and AUC on held-out feedback: the new model / the serving model / ranking"
)
_UNTRIED: Final = frozenset({Outcome.TOO_LITTLE_DATA, Outcome.COMMON})
"""Outcomes of tastes for which no model was tried: they have no figures."""

_WRITTEN: Final = frozenset({Outcome.PUBLISHED, Outcome.REJECTED, Outcome.WITHDRAWN})
"""Outcomes that a dry run only predicts."""

_NAMED_TASTES: Final = 3
_FEW_LABELS: Final = ", on so few labels that the gain of such models for other listeners weighs more"


def print_listener(console: Console, report: ListenerReport, *, dry_run: bool) -> None:
    """Print a line for each taste that a model was tried for, and one for all others with the same reason."""
    tried = [taste for taste in report.tastes if taste.outcome not in _UNTRIED]
    for taste in tried:
        print_line(console, _line(taste, dry_run=dry_run))
    others = sorted((taste for taste in report.tastes if taste.outcome in _UNTRIED), key=_cause)
    for (outcome, reason), tastes in groupby(others, _cause):
        print_line(console, f"{report.user_id}  {_names(list(tastes))}: {outcome}; {reason}")


def print_summary(console: Console, reports: Sequence[TasteReport], *, dry_run: bool) -> None:
    """Print a table of all models that were tried, and how many tastes ended in which way."""
    tried = [report for report in reports if report.outcome not in _UNTRIED]
    if tried:
        print_line(console, "")
        print_rows(console, _COLUMNS, [_row(report, dry_run=dry_run) for report in tried])
        if any(report.learner for report in tried):
            print_line(console, _LEGEND)
        print_line(console, "")
    print_line(console, ", ".join(_counts(reports, dry_run=dry_run)))


def _line(report: TasteReport, *, dry_run: bool) -> str:
    parts = [f"{report.user_id}  {_name(report)}: {_ending(report.outcome, dry_run=dry_run)}"]
    if report.outcome is Outcome.PUBLISHED:
        losses = f"log-loss {_figure(report.model.log_loss)} against {_figure(report.ranking.log_loss)} by ranking"
        few = _FEW_LABELS if report.model.log_loss > report.ranking.log_loss else ""
        parts += [f"{report.learner}, {losses}{few}", report.version]
    return "; ".join(part for part in (*parts, report.reason) if part)


def _row(report: TasteReport, *, dry_run: bool) -> list[str]:
    compared = (report.model, report.serving, report.ranking)
    figures = ([each.log_loss for each in compared], [each.auc for each in compared]) if report.learner else ()
    return [
        report.user_id,
        _name(report),
        str(report.likes),
        str(report.dislikes),
        report.learner,
        *([" / ".join(map(_figure, three)) for three in figures] or ["", ""]),
        _ending(report.outcome, dry_run=dry_run),
        report.reason,
    ]


def _counts(reports: Iterable[TasteReport], *, dry_run: bool) -> list[str]:
    outcomes = [report.outcome for report in reports]
    return [
        f"{outcomes.count(outcome)} {_ending(outcome, dry_run=dry_run)}" for outcome in Outcome if outcome in outcomes
    ]


def _ending(outcome: Outcome, *, dry_run: bool) -> str:
    return f"would be {outcome}" if dry_run and outcome in _WRITTEN else str(outcome)


def _cause(report: TasteReport) -> tuple[str, str]:
    return report.outcome, report.reason


def _names(reports: Sequence[TasteReport]) -> str:
    if len(reports) > _NAMED_TASTES:
        return counted(len(reports), "taste")
    return ", ".join(map(_name, reports))


def _name(report: TasteReport) -> str:
    return report.taste_id or "(common)"


def _figure(value: float) -> str:
    return "-" if isnan(value) else f"{value:.3f}"
