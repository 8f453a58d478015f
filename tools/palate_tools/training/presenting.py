"""Training as a person sees it: a line for each taste that was tried as it is done, and a table at the end."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from math import isnan
from typing import Final

from rich.console import Console

from palate_tools.tables import Column, counted, print_line, print_rows
from palate_tools.training.report import ListenerReport, Outcome, TasteReport

__all__ = ["print_listener", "print_summary"]

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
    "log-loss (lower is better; it decides) and AUC on held-out feedback: the new model / the one in service / ranking"
)
_UNTRIED: Final = frozenset({Outcome.LOCKED_OUT, Outcome.COMMON})
"""Outcomes of tastes of which no model was tried: they have no figures."""

_WRITTEN: Final = frozenset({Outcome.PUBLISHED, Outcome.REJECTED, Outcome.WITHDRAWN})
"""Outcomes that a dry run does not come to."""

_NAMED_TASTES: Final = 3
_ON_TRUST: Final = ", on so few labels that what such models have gained for others weighs more"


def print_listener(console: Console, report: ListenerReport, *, dry_run: bool) -> None:
    """Print a line about each taste of a listener that was tried, and one about all others of the same reason."""
    tried = [taste for taste in report.tastes if taste.outcome not in _UNTRIED]
    for taste in tried:
        print_line(console, _line(taste, dry_run=dry_run))
    others = sorted((taste for taste in report.tastes if taste.outcome in _UNTRIED), key=_cause)
    for (outcome, reason), tastes in groupby(others, _cause):
        print_line(console, f"{report.user_id}  {_names(list(tastes))}: {outcome}; {reason}")


def print_summary(console: Console, reports: Sequence[TasteReport], *, dry_run: bool) -> None:
    """Print the table of everything that was tried, and how many tastes ended in which way."""
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
        few = _ON_TRUST if report.model.log_loss > report.ranking.log_loss else ""
        parts += [f"{report.learner}, {losses}{few}", report.version]
    return "; ".join(part for part in (*parts, report.reason) if part)


def _row(report: TasteReport, *, dry_run: bool) -> list[str]:
    judged = (report.model, report.serving, report.ranking)
    figures = ([one.log_loss for one in judged], [one.auc for one in judged]) if report.learner else ()
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
