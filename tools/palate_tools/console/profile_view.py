"""A profile as it is drawn: the confidence, the stages with the listener's stage, and the tastes."""

from collections.abc import Iterator, Sequence
from typing import Final

from palate.v1 import profile_pb2, strategy_pb2
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from palate_tools.console.words import STATES, meter, stage_name

__all__ = ["profile_view"]

_FIGURES: Final = 15
"""Cells that confidence, likes and dislikes take beside a bar."""
_MOVED: Final = {1: ("▲", "bold green"), 0: (" ", ""), -1: ("▼", "bold red")}


def profile_view(
    profile: profile_pb2.Profile,
    before: profile_pb2.Profile,
    stages: Sequence[strategy_pb2.Strategy],
    width: int,
) -> RenderableType:
    """Draw a profile.

    Args:
        profile: The profile.
        before: The same one before the last change; what rose or fell since is marked.
        stages: The strategies from the bottom up.
        width: How many cells there are.
    """
    earlier = {taste.taste_id: taste.confidence for taste in before.tastes}
    tastes = [_taste(taste, earlier.get(taste.taste_id, 0.0), width) for taste in profile.tastes]
    return Group(
        _heading("confidence", f"{profile.interaction_count} rated", width),
        _bar(profile.confidence, before.confidence, width, "cyan"),
        Text(),
        _heading("stages", "conf. · rated", width),
        *_stages(profile, stages, width),
        Text(),
        _heading("tastes", str(len(tastes) or "none yet"), width),
        *tastes,
    )


def _heading(name: str, remark: str, width: int) -> Text:
    return Text.assemble((name, "bold"), " " * max(1, width - len(name) - len(remark)), (remark, "dim"))


def _bar(share: float, before: float, width: int, style: str) -> Text:
    full, empty = meter(share, max(4, width - _FIGURES))
    moved = (share > before) - (share < before)
    return Text.assemble((full, style), (empty, "dim"), f" {share:.2f}", _MOVED[moved], no_wrap=True)


def _stages(
    profile: profile_pb2.Profile, stages: Sequence[strategy_pb2.Strategy], width: int
) -> Iterator[RenderableType]:
    """Yield a line for each stage: those below are ticked, the listener's is marked, those above say what they need."""
    reached = next((stage.stage_number for stage in stages if stage.name == profile.stage), 0)
    for stage in stages:
        name = stage_name(stage.name)
        if stage.stage_number == reached:
            yield Text(f"▶ {name}".ljust(width), style="bold cyan", no_wrap=True)
        elif stage.stage_number < reached:
            yield Text.assemble(("✓ ", "green"), name)
        else:
            needs = f"{stage.min_confidence:.2f} · {stage.min_interactions:>3}"
            yield Text.assemble(f"· {name}".ljust(width - len(needs)), needs, style="dim", no_wrap=True)


def _taste(taste: profile_pb2.Taste, before: float, width: int) -> RenderableType:
    word, style = STATES[taste.state]
    if taste.state == profile_pb2.TASTE_STATE_INACTIVE:
        return _sides(Text(taste.display_name, style=style), _count("✗", taste.dislikes, "red"))
    bar = _bar(taste.confidence, before, width, style)
    bar.append(_count("♥", taste.likes, "green")).append(_count("✗", taste.dislikes, "red"))
    return Group(_sides(Text(taste.display_name), Text(f" {word}", style=style)), bar)


def _count(sign: str, count: int, style: str) -> Text:
    return Text(f" {sign}{count}", style=style if count else "dim")


def _sides(left: Text, right: Text) -> Table:
    """Set two texts at the sides of a line, the left one cut where it has to be."""
    line = Table.grid(expand=True)
    line.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    line.add_column(no_wrap=True)
    line.add_row(left, right)
    return line
