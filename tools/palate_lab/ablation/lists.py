"""The lists that baselines and palate draw up from the same ratings."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from palate.catalog.snapshot import Catalog
from palate.client import Client, pages
from palate.plugins.strategy import Rows
from palate.v1 import feedback_pb2, profile_pb2

from palate_lab.ablation.cases import Case
from palate_lab.bench.process import start_server
from palate_lab.comparison.baselines import History, ItemSpace, Recommender, by_cluster, diversify, trade_off_for
from palate_lab.comparison.baselines.per_taste import Assign
from palate_lab.comparison.in_process import page_without
from palate_lab.comparison.metrics import intra_list_diversity
from palate_lab.comparison.protocol import DEPTH, World
from palate_lab.comparison.served import PATIENT, train_all

__all__ = ["ActiveTastes", "Palate", "draw_up", "draw_up_diverse", "serving"]

_LIKES: Final = 2
"""Likes from which a taste has slots. A single like in a cluster is often a stray one."""
_CONCURRENCY: Final = 8
_TIMEOUT_SECONDS: Final = 60.0
_POOL: Final = 10 * DEPTH
_PAGE: Final = 10
_SURE: Final = {
    **PATIENT,
    **{f"strategies.options.{name}.exploration": 0 for name in ("logistic", "neural", "gbdt")},
    "strategies.options.ranking.weak_share": 0,
}
"""A configuration that shows nothing to find out whether it is liked."""


class ActiveTastes:
    """Tells a recommender only what was said of tastes with two likes or more.

    Where there is none, it is told everything.

    Args:
        catalog: The catalog.
        base: The recommender.
        assign: Which taste a track counts for; that of its genre cluster when None.
    """

    def __init__(self, catalog: Catalog, base: Recommender, assign: Assign | None = None) -> None:
        self._base = base
        self._assign = assign or by_cluster(catalog)

    def recommend(self, history: History, count: int, rng: np.random.Generator) -> Rows:
        """Return what the recommender recommends, without rated tracks."""
        told = self._active(history)
        rows = self._base.recommend(told, count + len(history.rows) - len(told.rows), rng)
        return rows[~np.isin(rows, history.rows)][:count]

    def scores(self, history: History, rows: Rows) -> NDArray[np.float64]:
        """Return the recommender's scores."""
        return self._base.scores(self._active(history), rows)

    def _active(self, history: History) -> History:
        tastes, places = np.unique(self._assign(history.rows), return_inverse=True)
        active = np.bincount(places, history.liked, minlength=len(tastes)) >= _LIKES
        return history.part(active[places]) if active.any() else history


def draw_up(recommender: Recommender, cases: Sequence[Case], count: int = DEPTH) -> list[Rows]:
    """Return a baseline's list for each listener."""
    return [
        page_without(recommender, case.history, count, case.subject.passed_over, np.random.default_rng(number))
        for number, case in enumerate(cases)
    ]


def draw_up_diverse(
    recommender: Recommender, space: ItemSpace, cases: Sequence[Case], matched: Sequence[Rows]
) -> list[Rows]:
    """Return a baseline's lists, each re-ranked until it is as diverse as another list for the same listener."""
    lists = []
    for case, rows, other in zip(cases, draw_up(recommender, cases, _POOL), matched, strict=True):
        relevance, vectors = recommender.scores(case.history, rows), space.of(rows).toarray()
        diversity = intra_list_diversity(space.of(other).toarray())
        lists.append(rows[diversify(relevance, vectors, DEPTH, trade_off_for(relevance, vectors, DEPTH, diversity))])
    return lists


@dataclass(frozen=True, slots=True)
class Palate:
    """A real server that was told the verdicts of some listeners and has trained on them.

    Attributes:
        client: Calls it.
        world: Its catalog.
    """

    client: Client
    world: World

    def draw_up(self, name: str, cases: Sequence[Case]) -> list[Rows]:
        """Return palate's list for each listener of a population: ten pages of ten, as one goes through them."""

        def ask(case: Case) -> Rows:
            hidden = self.world.catalog.track_ids(case.subject.passed_over)
            turned = pages(
                lambda token: self.client.recommend(
                    user_id(name, case), page_size=_PAGE, page_token=token, exclude_track_ids=hidden
                )
            )
            shown = [item.track_id for page in islice(turned, DEPTH // _PAGE) for item in page.items]
            return self.world.catalog.rows(shown)

        with ThreadPoolExecutor(_CONCURRENCY) as pool:
            return list(pool.map(ask, cases))

    def profile(self, name: str, case: Case) -> profile_pb2.Profile:
        """Return the profile of a listener."""
        return self.client.get_profile(user_id(name, case)).profile

    def tell(self, name: str, case: Case) -> None:
        """Tell all verdicts of a listener."""
        track_ids = self.world.catalog.track_ids(case.history.rows)
        self.client.batch_record_feedback(
            feedback_pb2.RecordFeedbackRequest(
                user_id=user_id(name, case),
                track_id=track_id,
                verdict=feedback_pb2.VERDICT_LIKE if liked else feedback_pb2.VERDICT_DISLIKE,
            )
            for track_id, liked in zip(track_ids, case.history.liked.tolist(), strict=True)
        )


def user_id(name: str, case: Case) -> str:
    """Return the name that palate knows a listener of a population by."""
    return f"{name}-{case.subject.number}"


@contextmanager
def serving(
    populations: Mapping[str, Sequence[Case]], catalog: Path, folder: Path, world: World
) -> Iterator[tuple[Palate, Palate]]:
    """Start a server, tell it everything, train, and yield it, and beside it one that explores nothing.

    Args:
        populations: The listeners, by the name of their population.
        catalog: The catalog file.
        folder: An empty folder for the server's state.
        world: The catalog.

    Raises:
        ComparisonFailed: When a training fails.
    """
    with (
        start_server(catalog, folder, **PATIENT) as server,
        Client(server.address, timeout=_TIMEOUT_SECONDS) as client,
    ):
        palate = Palate(client, world)
        with ThreadPoolExecutor(_CONCURRENCY) as pool:
            pairs = [(name, case) for name, cases in populations.items() for case in cases]
            list(pool.map(lambda pair: palate.tell(*pair), pairs))
        train_all(catalog, folder)
        with (
            start_server(catalog, folder, **_SURE) as unexploring,
            Client(unexploring.address, timeout=_TIMEOUT_SECONDS) as other,
        ):
            yield palate, Palate(other, world)
