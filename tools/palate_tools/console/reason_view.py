"""Why a track is there: the sentence, the parts of the score, where the item came from, and the features."""

from collections.abc import Iterable, Iterator
from typing import Final

from palate.v1 import recommendation_pb2
from rich.console import Group, RenderableType
from rich.text import Text

from palate_tools.console.session import Pick
from palate_tools.console.words import EXPLORED, fitting, meter, stage_name
from palate_tools.picking import title_line
from palate_tools.tables import printable

__all__ = ["reason_title", "reason_view"]

_PART_CELLS: Final = 8
_LEAST: Final = 0.0005
"""What a part of a score must add to be seen in three digits."""
_GENRES: Final = 3


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
