"""`palate lab demo`: follows a listener of three tastes through every stage, training and model swaps included."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from palate_tools.connecting import Session
from palate_tools.profiles import show_profile
from palate_tools.tables import Column, open_console, print_line, print_rows
from palate_tools.training.report import Outcome, TasteReport
from rich.console import Console

from palate_lab.report.command import report_on_story
from palate_lab.story import LISTENER, LOVES, Trained, Turn, begin_story

__all__ = ["tell_story"]

_COLUMNS: Final = (
    Column("turns", number=True),
    Column("strategy"),
    *(Column(taste_id, number=True) for taste_id in LOVES),
    Column("other", number=True),
    Column("liked", number=True),
    Column("chance of a like", number=True),
)


def tell_story(turns: int, seed: int, out: Path) -> None:
    """Do what `palate lab demo` says: its options are the arguments."""
    console = open_console()
    told: list[Turn | Trained] = []
    print_line(console, f"{LISTENER} loves some of {', '.join(LOVES)}, and little else. palate has never seen them.")
    print_line(console, "")
    with begin_story(seed) as story:
        for event in story.tell(turns):
            told.append(event)
            if isinstance(event, Turn):
                print_line(console, _line(event))
            else:
                _print_training(console, event)
        print_line(console, "")
        print_line(console, "Strategy by strategy, tracks of a slate of ten:")
        print_line(console, "")
        seen = [event for event in told if isinstance(event, Turn)]
        print_rows(console, _COLUMNS, _summary(seen))
        print_line(console, "")
        print_line(console, f"What palate knows of {LISTENER} now:")
        print_line(console, "")
        show_profile(Session(story.client, console, as_json=False), seen[-1].profile)
        print_line(console, "")
        print_line(console, f"Pictures of all this: {report_on_story(story, told, out)}")


def _line(turn: Turn) -> str:
    liked = sum(row.liked for row in turn.rows)
    shown = Counter(row.cluster_id if row.cluster_id in LOVES else "other" for row in turn.rows)
    content = ", ".join(f"{shown[name]} {name}" for name in (*LOVES, "other") if shown[name])
    line = f"turn {turn.number + 1:>2}  {turn.page.strategy:<10}  {liked:>2} of {len(turn.rows)} liked  {content}"
    models = sorted({row.model_version for row in turn.rows} - {""})
    return line + (f"  (models {', '.join(models)})" if models else "")


def _print_training(console: Console, training: Trained) -> None:
    for report in training.reports:
        if report.outcome is not Outcome.TOO_LITTLE_DATA:
            print_line(console, f"         trained on {training.labels} labels: {_outcome(report)}", style="bold")


def _outcome(report: TasteReport) -> str:
    name = report.taste_id or "common model"
    if report.outcome is Outcome.PUBLISHED:
        beaten = f"log-loss {report.model.log_loss:.2f}, ranking {report.ranking.log_loss:.2f}"
        return f"{name} by {report.learner}, {beaten}; published as {report.version}"
    return f"{name}: {report.outcome}; {report.reason}"


def _summary(told: Sequence[Turn]) -> list[list[str]]:
    strategies = list(dict.fromkeys(turn.page.strategy for turn in told))
    return [_row(strategy, [turn for turn in told if turn.page.strategy == strategy]) for strategy in strategies]


def _row(strategy: str, turns: Sequence[Turn]) -> list[str]:
    rows = [row for turn in turns for row in turn.rows]
    per_slate = [sum(row.cluster_id == name for row in rows) / len(turns) for name in LOVES]
    liked = sum(row.liked for row in rows) / len(turns)
    return [
        f"{len(turns)}",
        strategy,
        *(f"{count:.1f}" for count in per_slate),
        f"{len(rows) / len(turns) - sum(per_slate):.1f}",
        f"{liked:.1f}",
        f"{sum(row.chance for row in rows) / len(rows):.2f}",
    ]
