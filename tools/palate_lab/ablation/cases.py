"""Listeners with ratings that everybody is given alike, what is to be found for them, and what a test says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from palate.plugins.strategy import Rows
from palate_tools.simulation.chance import Draws
from palate_tools.simulation.kinds import Kind

from palate_lab.comparison.baselines import History
from palate_lab.comparison.metrics import ndcg_at, worst_taste_recall
from palate_lab.comparison.protocol import DEPTH, Course, Subject, World
from palate_lab.simulation.run import Plan
from palate_lab.simulation.session import Habits

__all__ = ["Case", "Figures", "Verdict", "judge", "make_cases"]

_LIKES: Final = 21
"""Likes that a listener's tastes share by their weights: early days, when it matters what is made of them."""
_STRAY: Final = 3
"""Likes from elsewhere."""
_DISLIKES: Final = 12
"""Dislikes in the clusters of the tastes, and as many elsewhere."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A listener, and what they have said.

    Attributes:
        subject: The listener, and what is to be found for them.
        history: Their verdicts.
    """

    subject: Subject
    history: History


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """What lists are worth, listener by listener.

    Attributes:
        worst: float64 ``(listeners,)``, recall of the taste that is served worst.
        ndcg: float64 ``(listeners,)``, NDCG over everything that is to be found.
    """

    worst: NDArray[np.float64]
    ndcg: NDArray[np.float64]


def make_cases(kinds: Mapping[str, Kind], count: int, seed: int, world: World) -> list[Case]:
    """Draw listeners, who take turns over the kinds, and their verdicts, all by chance."""
    course = Course(Plan(seed, count, 0, kinds, Habits()), known=0, train_at=())
    subjects = [Subject.of(course, number, world) for number in range(count)]
    return [Case(subject, _say(subject, world)) for subject in subjects]


def _say(subject: Subject, world: World) -> History:
    listener, draws = subject.listener, Draws(subject.listener.seed, "says")
    wanted = listener.wants(world.tracks)
    liked, disliked = (
        subject.passed_over,
        np.setdiff1d(world.eligible, np.concatenate([subject.withheld, subject.passed_over])),
    )
    order = draws.uniforms(world.tracks.track_id)
    parts = [
        (liked[wanted[liked] == number], round(_LIKES * taste.weight)) for number, taste in enumerate(listener.tastes)
    ]
    parts += [
        (liked[wanted[liked] < 0], _STRAY),
        (disliked[wanted[disliked] >= 0], _DISLIKES),
        (disliked[wanted[disliked] < 0], _DISLIKES),
    ]
    chosen = np.concatenate([rows[np.argsort(order[rows])[:count]] for rows, count in parts]).astype(np.int32)
    chosen = chosen[np.argsort(order[chosen])]
    return History(chosen, listener.ratings(world.tracks.take(chosen), 0))


def judge(lists: Sequence[Rows], cases: Sequence[Case]) -> Figures:
    """Return what the lists of some listeners are worth."""
    pairs = list(zip(lists, (case.subject for case in cases), strict=True))
    return Figures(
        np.array([worst_taste_recall(rows, subject.relevant, DEPTH) for rows, subject in pairs]),
        np.array([ndcg_at(rows, subject.withheld, DEPTH) for rows, subject in pairs]),
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one test.

    Attributes:
        number: The test's number.
        title: What is asked.
        criterion: What has to hold, as it stood before the run.
        passed: Whether it does.
        figures: What was measured, by name.
    """

    number: int
    title: str
    criterion: str
    passed: bool
    figures: dict[str, str] = field(default_factory=dict)
