"""Plays strategies through a real server, trained on the way by the real trainer."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from palate.app.config import load_config
from palate.client import Client, StrategyDeclined
from palate.errors import PalateError
from palate.plugins.loader import LEARNER, installed
from palate.plugins.strategy import Rows
from palate_tools.training.report import Outcome
from palate_tools.training.tasks import run_tasks, training_tasks

from palate_lab.bench.process import start_server
from palate_lab.comparison.protocol import DEPTH, Course, Play, Shown, Subject, World
from palate_lab.simulation.session import Listening, Row, TrackReader

__all__ = ["PATIENT", "ComparisonFailed", "play_strategy", "train_all"]

_CONCURRENCY: Final = 8
_PATIENCE_SECONDS: Final = 60.0
"""What is served is compared here, not how fast: a busy machine must change no figure."""

PATIENT: Final[Mapping[str, Any]] = {"strategies.timeout_seconds": _PATIENCE_SECONDS, "log.level": "error"}
"""What the configuration of a server says that is to leave nobody short of time."""


class ComparisonFailed(PalateError):
    """A comparison could not be carried through; figures from it would mean nothing."""


def play_strategy(
    name: str,
    strategy: str,
    course: Course,
    subjects: Sequence[Subject],
    world: World,
    state: tuple[Path, Path],
    played: Callable[[], None],
) -> list[Play]:
    """Play a strategy for all listeners, through a server of its own.

    Where a strategy that was asked for by name declines, the listener is given what their stage has.

    Args:
        name: The name in the results.
        strategy: The strategy to ask for; empty for that of each listener's stage.
        course: How the comparison goes.
        subjects: The listeners.
        world: The catalog.
        state: The catalog file, and a folder for the server's state.
        played: Called after each listener's turns from one training to the next.

    Raises:
        ComparisonFailed: When a training fails.
    """
    catalog, folder = state
    listenings = [subject.listening(course, world, "compared", strategy) for subject in subjects]
    rows: list[list[Row]] = [[] for _ in subjects]
    with (
        start_server(catalog, folder, **PATIENT) as server,
        Client(server.address, timeout=_PATIENCE_SECONDS) as client,
        ThreadPoolExecutor(_CONCURRENCY) as pool,
    ):
        tracks = TrackReader(client)

        def play_between(number: int, turns: range) -> None:
            if turns.start == 0 and len(subjects[number].known):
                listenings[number].name(client, world.catalog.track_ids(subjects[number].known))
            for turn in turns:
                rows[number] += _turn(listenings[number], client, tracks, turn)
            played()

        for turns in _between(course):
            if turns.start in course.train_at and _uses_models(strategy):
                train_all(catalog, folder)
            list(pool.map(play_between, range(len(subjects)), [turns] * len(subjects)))
        rankings = list(pool.map(lambda own, subject: _rank(own, subject, client, world), listenings, subjects))
    return [
        Play(name, subject.number, _shown(own, world), ranking)
        for subject, own, ranking in zip(subjects, rows, rankings, strict=True)
    ]


def _between(course: Course) -> list[range]:
    """Return the turns from one training to the next."""
    inside = {turn for turn in course.train_at if 0 < turn < course.plan.turns}
    ends = sorted({0, *inside, course.plan.turns})
    return [range(first, end) for first, end in pairwise(ends)]


def _uses_models(strategy: str) -> bool:
    """Return whether models can matter: on the stages, and for the strategies that learners train models for."""
    return not strategy or strategy in installed(LEARNER.group).names


def _turn(listening: Listening, client: Client, tracks: TrackReader, turn: int) -> list[Row]:
    try:
        return listening.play(client, tracks, turn)
    except StrategyDeclined:
        return listening.of_stage().play(client, tracks, turn)


def _rank(listening: Listening, subject: Subject, client: Client, world: World) -> Rows:
    """Return the list that palate draws up in the end."""
    hidden = world.catalog.track_ids(subject.passed_over)
    try:
        page = client.recommend(
            listening.user_id, page_size=DEPTH, strategy=listening.habits.strategy, exclude_track_ids=hidden
        )
    except StrategyDeclined:
        page = client.recommend(listening.user_id, page_size=DEPTH, exclude_track_ids=hidden)
    return world.catalog.rows([item.track_id for item in page.items])


def train_all(catalog: Path, folder: Path) -> None:
    """Train the models of all listeners of a server who are due.

    Args:
        catalog: The catalog file.
        folder: The server's state.

    Raises:
        ComparisonFailed: When a training fails.
    """
    config = load_config(None, {"data_dir": folder.absolute(), "catalog.path": catalog.absolute()})
    for report in run_tasks(training_tasks(config), -1, "processes"):
        for taste in report.tastes:
            if taste.outcome is Outcome.FAILED:
                raise ComparisonFailed(f"training {report.user_id} failed: {taste.reason}")


def _shown(rows: Sequence[Row], world: World) -> Shown:
    return Shown(
        turn=np.array([row.turn for row in rows], dtype=np.int64),
        rows=world.catalog.rows([row.track_id for row in rows]),
        chance=np.array([row.chance for row in rows]),
        liked=np.array([row.liked for row in rows], dtype=np.bool_),
        said=np.array([row.feedback is not None for row in rows], dtype=np.bool_),
        rating=np.array([bool(row.feedback) for row in rows], dtype=np.bool_),
        predicted=np.array([row.score if row.model_version else np.nan for row in rows]),
        strategy=np.array([row.strategy for row in rows], dtype=np.object_),
    )
