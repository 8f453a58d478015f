"""A whole comparison: every algorithm, every listener, and what comes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final

import pyarrow as pa
from palate.catalog.snapshot import Catalog
from palate.plugins.loader import STRATEGY, installed
from palate.suggestion import suggestion

from palate_lab.comparison.baselines import make_baselines
from palate_lab.comparison.in_process import ORACLE, play_baselines
from palate_lab.comparison.measures import Measure, measure
from palate_lab.comparison.protocol import Course, Play, Subject, World, make_world
from palate_lab.comparison.served import ComparisonFailed, play_strategy
from palate_lab.progress import Watcher

__all__ = ["PALATE", "Comparison", "baseline_names", "compare", "strategy_names"]

PALATE: Final = "palate"
"""The name of palate as it is: every listener on the stage of the stages that their profile has reached."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of a comparison.

    Attributes:
        measures: A row for each algorithm, listener, metric, and for some turn: `measures.Measure`.
        shown: A row for each track that was shown.
        tracks: How many tracks there are to show.
    """

    measures: pa.Table
    shown: pa.Table
    tracks: int


def baseline_names(catalog: Path, names: Sequence[str]) -> list[str]:
    """Return the baselines of some names, all when none is named; the oracle is always the last.

    Raises:
        ComparisonFailed: When there is no baseline of a name.
    """
    with Catalog.open(catalog) as opened:
        known = [*make_baselines(opened), ORACLE]
    for name in names:
        if name not in known:
            raise ComparisonFailed(f"there is no baseline {name!r}{suggestion(name, known)}")
    return [*(name for name in known[:-1] if name in (names or known)), ORACLE]


def strategy_names(names: Sequence[str]) -> list[str]:
    """Return names of strategies, each once.

    Raises:
        ComparisonFailed: When no strategy of a name is installed.
    """
    known = [entry_point.name for entry_point in installed(STRATEGY.group)]
    for name in names:
        if name not in known:
            raise ComparisonFailed(f"there is no strategy {name!r}{suggestion(name, known)}")
    return list(dict.fromkeys(names))


def compare(
    course: Course,
    catalog: Path,
    folder: Path,
    strategies: Sequence[str],
    baselines: Sequence[str],
    jobs: int,
    watch: Watcher,
) -> Comparison:
    """Compare palate, strategies by name, and baselines.

    Args:
        course: How the comparison goes.
        catalog: The catalog file.
        folder: An empty folder, where servers keep their state.
        strategies: What `strategy_names` returned: those to ask for, beside palate's own choice.
        baselines: What `baseline_names` returned.
        jobs: How many processes play baselines; -1 for as many as there are processors.
        watch: Told about the progress.

    Raises:
        ComparisonFailed: When a training fails.
        ConfigError: When the catalog has too few clusters for a kind of listener.
    """
    with Catalog.open(catalog) as opened:
        world = make_world(opened)
        subjects = [Subject.of(course, number, world) for number in range(course.plan.listeners)]
        plays = []
        for name in [PALATE, *strategies]:
            strategy = "" if name == PALATE else name
            steps = len(subjects) * (1 + sum(0 < turn < course.plan.turns for turn in course.train_at))
            progress = partial(watch, name, 1, steps)
            plays += play_strategy(name, strategy, course, subjects, world, (catalog, folder / name), progress)
        for some in play_baselines(course, catalog, baselines, jobs):
            watch("baselines", len(some), len(subjects) * len(baselines))
            plays += some
        measures, shown = _tables(plays, subjects, world, course.plan.turns)
        return Comparison(measures, shown, len(world.eligible))


def _tables(plays: Sequence[Play], subjects: Sequence[Subject], world: World, turns: int) -> tuple[pa.Table, pa.Table]:
    best = {play.listener: play for play in plays if play.algorithm == ORACLE}
    order = {name: place for place, name in enumerate(dict.fromkeys(play.algorithm for play in plays))}
    plays = sorted(plays, key=lambda play: (order[play.algorithm], play.listener))
    measures = [
        figure for play in plays for figure in measure(play, best[play.listener], subjects[play.listener], world, turns)
    ]
    return (
        pa.Table.from_pylist([asdict(figure) for figure in measures], _schema(Measure)),
        pa.concat_tables([_shown(play, subjects[play.listener].kind, world) for play in plays]),
    )


def _schema(of: type[Measure]) -> pa.Schema:
    types: Mapping[object, pa.DataType] = {int: pa.int64(), int | None: pa.int64(), float: pa.float64()}
    return pa.schema([(name, types.get(kind, pa.string())) for name, kind in of.__annotations__.items()])


def _shown(play: Play, kind: str, world: World) -> pa.Table:
    shown, count = play.shown, len(play.shown.rows)
    return pa.table(
        {
            "algorithm": pa.array([play.algorithm] * count, pa.string()),
            "listener": pa.array([play.listener] * count, pa.int64()),
            "kind": pa.array([kind] * count, pa.string()),
            "turn": shown.turn,
            "track_id": pa.array(world.catalog.track_ids(shown.rows), pa.string()),
            "cluster_id": pa.array([world.tracks.cluster_id[row] for row in shown.rows.tolist()], pa.string()),
            "strategy": pa.array(shown.strategy, pa.string()),
            "chance": shown.chance,
            "liked": shown.liked,
            "feedback": pa.array(shown.rating, mask=~shown.said),
            "predicted": pa.array(shown.predicted, from_pandas=True),
        }
    )
