"""A profile and a reason as they are drawn: confidence, stages and tastes; the parts of a score and the features."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from palate.v1 import profile_pb2, recommendation_pb2, strategy_pb2
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from palate_tools.console.session import Pick
from palate_tools.console.words import EXPLORED, STATES, fitting, meter, stage_name
from palate_tools.picking import title_line
from palate_tools.tables import printable

__all__ = ["profile_view", "reason_title", "reason_view"]

_FIGURES: Final = 15
"""Cells that confidence, likes and dislikes take beside a bar."""
_MOVED: Final = {1: ("▲", "bold green"), 0: (" ", ""), -1: ("▼", "bold red")}
_PART_CELLS: Final = 8
_LEAST: Final = 0.0005
"""What a part of a score must add to be seen in three digits."""
_GENRES: Final = 3


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


def reason_title(pick: Pick, cells: int) -> Text:
    """Name the track, with its first genres where there is room for them."""
    genres = printable(", ".join(pick.track.genres[:_GENRES]))
    return Text(fitting(["why", printable(title_line(pick.track)), *filter(None, [genres])], cells))


def reason_view(pick: Pick) -> RenderableType:
    """Draw why a track stands in a slate."""
    item = pick.item
    parts = [(part.name, part.value) for part in item.reason.score_parts if abs(part.value) >= _LEAST]
    features = [(one.feature, one.contribution) for one in item.reason.strongest_features]
    return Group(
        Text(printable(item.reason.sentence)),
        Text.assemble("score ", (f"{item.score:.3f}", "bold"), *_shares(parts)),
        _origin(item),
        *([Text.assemble("sounds right in ", *_features(features))] if features else []),
    )


def _shares(parts: Iterable[tuple[str, float]]) -> Iterator[str | tuple[str, str]]:
    """Yield each part of a score with a bar as long as it weighs, red where it speaks against."""
    known = list(parts)
    longest = max((abs(value) for _, value in known), default=0.0) or 1.0
    sign = "="
    for name, value in known:
        yield f"  {sign} {name} {value:+.3f} "
        yield meter(abs(value) / longest, _PART_CELLS)[0], "red" if value < 0 else "green"
        sign = "+"


def _features(features: Iterable[tuple[str, float]]) -> Iterator[str | tuple[str, str]]:
    for number, (name, value) in enumerate(features):
        yield f"{', ' if number else ''}{name} "
        yield f"{value:+.2f}", "red" if value < 0 else "green"


def _origin(item: recommendation_pb2.RecommendedItem) -> Text:
    """Say which strategy and model chose an item, and by what chance."""
    model = f"model {item.model_version}" if item.model_version else "no model"
    origin = Text.assemble("from ", (stage_name(item.strategy), "bold"), ", ", (model, "bold cyan"))
    if item.exploration:
        origin.append(f"  {EXPLORED} explored, drawn with probability {item.propensity:.2g}", "magenta")
    elif item.propensity < 1:
        origin.append(f"  drawn with probability {item.propensity:.2g}", "dim")
    return origin
