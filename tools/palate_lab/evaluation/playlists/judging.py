"""What a ranking is worth to a listener, for palate and for the baselines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import joblib
from palate.catalog.snapshot import Catalog
from palate.plugins.strategy import Rows

from palate_lab.comparison.baselines import Recommender, make_baselines
from palate_lab.comparison.metrics import ndcg_at, recall_at, tastes_starved, worst_taste_recall
from palate_lab.evaluation.playlists.listeners import PlaylistListener
from palate_lab.progress import Watcher

__all__ = ["Judgement", "judge", "judge_baselines"]

_BATCH: Final = 8


@dataclass(frozen=True, slots=True)
class Judgement:
    """One recommender, one listener, one depth.

    Attributes:
        recommender: Its name.
        user_id: The listener.
        k: How many tracks of the ranking were looked at.
        recall: Share of all held-out tracks that were found.
        worst_taste_recall: The lowest share of any of the listener's playlists.
        starved: How many of the playlists were missed altogether.
        ndcg: Normalised discounted cumulative gain of the held-out tracks.
    """

    recommender: str
    user_id: str
    k: int
    recall: float
    worst_taste_recall: float
    starved: int
    ndcg: float


def judge(recommender: str, listener: PlaylistListener, ranking: Rows, depths: Sequence[int]) -> list[Judgement]:
    """Look for a listener's held-out tracks in a ranking.

    Args:
        recommender: Whose ranking it is.
        listener: The listener.
        ranking: int32, best first.
        depths: How many tracks to look at.
    """
    relevant, held = listener.relevant, listener.held
    return [
        Judgement(
            recommender,
            listener.user_id,
            k,
            recall_at(ranking, relevant, k),
            worst_taste_recall(ranking, held, k),
            tastes_starved(ranking, held, k),
            ndcg_at(ranking, relevant, k),
        )
        for k in depths
    ]


def judge_baselines(
    listeners: Sequence[PlaylistListener], path: Path, depths: Sequence[int], seed: int, jobs: int, watch: Watcher
) -> list[Judgement]:
    """Judge every baseline on every listener, in several processes; their number changes no figure.

    Args:
        listeners: The listeners.
        path: The catalog file.
        depths: How many tracks to look at.
        seed: Of whatever the baselines leave to chance.
        jobs: How many processes; -1 for one for each processor.
        watch: Told about the progress.
    """
    batches = [listeners[start : start + _BATCH] for start in range(0, len(listeners), _BATCH)]
    done: list[Judgement] = []
    work = (joblib.delayed(_judge_batch)(batch, path, depths, seed) for batch in batches)
    for judged in joblib.Parallel(n_jobs=jobs, return_as="generator")(work):
        watch("fitting baselines", 1, len(batches))
        done += judged
    return done


def _judge_batch(
    listeners: Sequence[PlaylistListener], path: Path, depths: Sequence[int], seed: int
) -> list[Judgement]:
    with Catalog.open(path) as catalog:
        baselines = make_baselines(catalog, seed)
        return [
            judgement
            for listener in listeners
            for name, ranking in _rankings(baselines, listener, max(depths), seed)
            for judgement in judge(name, listener, ranking, depths)
        ]


def _rankings(
    baselines: dict[str, Recommender], listener: PlaylistListener, depth: int, seed: int
) -> Iterator[tuple[str, Rows]]:
    history = listener.history
    for name, baseline in baselines.items():
        yield name, baseline.recommend(history, depth, history.generator(seed))
