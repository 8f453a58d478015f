"""Training as a person sees it: a line for each taste as it is done, and a table at the end."""

from collections.abc import Sequence
from math import isnan

from rich.console import Console

from palate_tools.tables import Column, print_line, print_rows
from palate_tools.training.report import Outcome, TasteReport

__all__ = ["print_outcome", "print_summary"]

_COLUMNS = (
    Column("listener", narrowest=8),
    Column("taste", narrowest=8),
    Column("labels", number=True),
    Column("recipe"),
    Column("AUC", number=True),
    Column("serving", number=True),
    Column("ranking", number=True),
    Column("log-loss", number=True),
    Column("serving", number=True),
    Column("ranking", number=True),
    Column("outcome"),
    Column("reason", narrowest=24, spare=True),
)


def print_outcome(console: Console, report: TasteReport) -> None:
    """Print one line about one taste."""
    parts = [f"{report.user_id}  {_taste(report)}: {report.outcome}"]
    if report.recipe:
        parts.append(f"{report.recipe}, AUC {_figure(report.model.auc)}, ranking {_figure(report.ranking.auc)}")
    if report.version and report.outcome is Outcome.PUBLISHED:
        parts.append(report.version)
    if report.reason:
        parts.append(report.reason)
    print_line(console, "; ".join(parts))


def print_summary(console: Console, reports: Sequence[TasteReport]) -> None:
    """Print the table of everything that was trained or locked out."""
    print_line(console, "")
    if reports:
        print_rows(console, _COLUMNS, [_row(report) for report in reports])
        print_line(console, "")
    counts = [f"{sum(one.outcome is outcome for one in reports)} {outcome}" for outcome in Outcome]
    print_line(console, ", ".join(counts))


def _row(report: TasteReport) -> list[str]:
    judged = (report.model, report.serving, report.ranking)
    return [
        report.user_id,
        _taste(report),
        f"{report.likes}+{report.dislikes}",
        report.recipe,
        *(_figure(one.auc) for one in judged),
        *(_figure(one.log_loss) for one in judged),
        str(report.outcome),
        report.reason,
    ]


def _taste(report: TasteReport) -> str:
    return report.taste_id or "(common)"


def _figure(value: float) -> str:
    return "" if isnan(value) else f"{value:.3f}"
