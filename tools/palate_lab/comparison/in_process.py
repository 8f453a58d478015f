"""Plays baselines: each with a feedback loop of its own, as palate has one."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import joblib
import numpy as np
from palate.catalog.snapshot import Catalog
from palate.plugins.strategy import Rows

from palate_lab.comparison.baselines import History, Oracle, Recommender, make_baselines
from palate_lab.comparison.protocol import DEPTH, Course, Play, Shown, Subject, World, make_world

__all__ = ["ORACLE", "page_without", "play", "play_baselines"]

ORACLE: Final = "oracle"
_CHUNK: Final = 5


def play_baselines(course: Course, catalog: Path, names: Sequence[str], jobs: int) -> Iterator[list[Play]]:
    """Play baselines for all listeners, and yield the plays of some listeners at a time, in order.

    Args:
        course: How the comparison goes.
        catalog: The catalog file.
        names: Names of `make_baselines`, or `ORACLE`.
        jobs: How many processes play; -1 for as many as there are processors.
    """
    numbers = range(course.plan.listeners)
    chunks = [numbers[first : first + _CHUNK] for first in numbers[::_CHUNK]]
    work = partial(_play_some, course, catalog, names)
    workers = joblib.effective_n_jobs(jobs)
    if workers == 1:
        yield from map(work, chunks)
        return
    # Processes of our own: joblib's are those of a training that may not have put them away yet.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, chunks)


def _play_some(course: Course, path: Path, names: Sequence[str], numbers: Sequence[int]) -> list[Play]:
    with Catalog.open(path) as catalog:
        world = make_world(catalog)
        baselines = make_baselines(catalog, course.plan.seed)
        return [
            play(course, world, Subject.of(course, number, world), name, baselines.get(name))
            for number in numbers
            for name in names
        ]


def play(course: Course, world: World, subject: Subject, name: str, recommender: Recommender | None) -> Play:
    """Play a baseline for a listener.

    Args:
        course: How the comparison goes.
        world: The catalog.
        subject: The listener.
        name: The baseline's name in the results.
        recommender: The baseline; the oracle, who knows the listener, when None.
    """
    history = History.of_likes(subject.known)
    pages: list[Shown] = []
    for turn in range(course.plan.turns):
        asked = recommender or _oracle(world, subject, turn)
        rows = page_without(
            asked, history, course.plan.habits.page_size, subject.withheld, _chance(course, subject, turn)
        )
        page = _judge(course, world, subject, rows, turn)
        history = History(
            np.concatenate([history.rows, page.rows[page.said]]),
            np.concatenate([history.liked, page.rating[page.said]]),
        )
        pages.append(page)
    turns = course.plan.turns
    asked = recommender or _oracle(world, subject, turns)
    ranking = page_without(asked, history, DEPTH, subject.passed_over, _chance(course, subject, turns))
    return Play(name, subject.number, Shown.concatenate(pages), ranking)


def _oracle(world: World, subject: Subject, turn: int) -> Recommender:
    return Oracle(world.catalog, lambda rows: subject.listener.chances(world.tracks.take(rows), turn))


def _chance(course: Course, subject: Subject, turn: int) -> np.random.Generator:
    return np.random.default_rng([course.plan.seed, subject.number, turn])


def page_without(asked: Recommender, history: History, count: int, hidden: Rows, rng: np.random.Generator) -> Rows:
    """Return the first `count` rows that a baseline recommends, those left out that are hidden."""
    rows = asked.recommend(history, count + len(hidden), rng)
    return rows[~np.isin(rows, hidden)][:count]


def _judge(course: Course, world: World, subject: Subject, rows: Rows, turn: int) -> Shown:
    """Return a page with what the listener thinks and says of it."""
    judgement = subject.listener.judge(world.tracks.take(rows), turn)
    said = np.zeros(len(rows), dtype=np.bool_)
    said[subject.listener.speaks_of(len(rows), course.plan.habits.feedback, turn)] = True
    return Shown(
        turn=np.full(len(rows), turn, dtype=np.int64),
        rows=rows,
        chance=judgement.chance,
        liked=judgement.liked,
        said=said,
        rating=judgement.rating,
        predicted=np.full(len(rows), np.nan),
        strategy=np.full(len(rows), "", dtype=np.object_),
    )
