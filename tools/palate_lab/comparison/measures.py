"""What a play is worth: every metric of one algorithm and one listener."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from palate.catalog.index import unit_vectors

from palate_lab.comparison.metrics import (
    catalog_coverage,
    dislikes_shown,
    expected_calibration_error,
    genre_calibration,
    intra_list_diversity,
    labels_until_useful,
    like_rate,
    ndcg_at,
    novelty,
    recall_at,
    regret,
    tastes_starved,
    worst_taste_recall,
)
from palate_lab.comparison.protocol import DEPTH, Play, Subject, World

__all__ = ["METRICS", "Measure", "measure"]

METRICS: Final[Mapping[str, str]] = {
    "like_rate": "share of the tracks shown that are liked",
    "regret": "likes that are expected fewer than of what the oracle showed",
    "ndcg": f"NDCG of the list of {DEPTH} that is drawn up in the end, withheld likes being relevant",
    "recall": f"share of the withheld likes among these {DEPTH}",
    "worst_taste_recall": "the same of the taste that is served worst",
    "tastes_starved": "tastes of whose withheld likes none is among them",
    "taste_calibration": "how far the clusters of the list are from those of the likes, in nats",
    "score_calibration": "expected calibration error of predicted chances; only where some are predicted",
    "diversity": "mean of 1 - cosine of the sound of two tracks of a page",
    "novelty": "mean self-information of the tracks shown, in bits",
    "coverage": "share of the catalog that was shown to the listener",
    "dislikes_shown": "how many tracks were shown that are not liked",
    "labels_until_useful": "ratings until ten in a row contain more than five likes; all of them when that never came",
}
"""Every metric by name, in words."""

_WINDOW: Final = 10
_USEFUL: Final = 0.5


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure.

    Attributes:
        algorithm: Of which algorithm.
        listener: Of which listener.
        kind: The name of the listener's kind.
        metric: Of `METRICS`.
        turn: After which turn, from 0; None for the whole play.
        value: The figure; may be not a number.
    """

    algorithm: str
    listener: int
    kind: str
    metric: str
    turn: int | None
    value: float


def measure(play: Play, best: Play, subject: Subject, world: World, turns: int) -> Iterator[Measure]:
    """Yield every metric of a play, and those that have one turn by turn.

    Args:
        play: The play.
        best: What the oracle did for the same listener.
        subject: The listener.
        world: The catalog.
        turns: How many there were. A strategy that has nothing left to show loses what the oracle shows.
    """

    def made(metric: str, value: float, turn: int | None = None) -> Measure:
        return Measure(play.algorithm, play.listener, subject.kind, metric, turn, float(value))

    for metric, value in _whole(play, subject, world).items():
        yield made(metric, value)
    lost = regret(_by_turn(best, turns), _by_turn(play, turns))
    yield made("regret", lost[-1])
    for turn, value in enumerate(lost.tolist()):
        yield made("regret", value, turn)
        yield made("like_rate", like_rate(play.shown.liked[play.shown.turn == turn]), turn)


def _whole(play: Play, subject: Subject, world: World) -> dict[str, float]:
    shown, ranking = play.shown, play.ranking
    told = shown.rating[shown.said]
    predicted = ~np.isnan(shown.predicted)
    useful = labels_until_useful(told, _WINDOW, _USEFUL) if len(told) >= _WINDOW else float("inf")
    return {
        "like_rate": like_rate(shown.liked),
        "ndcg": ndcg_at(ranking, subject.withheld, DEPTH),
        "recall": recall_at(ranking, subject.withheld, DEPTH),
        "worst_taste_recall": worst_taste_recall(ranking, subject.relevant, DEPTH),
        "tastes_starved": tastes_starved(ranking, subject.relevant, DEPTH),
        "taste_calibration": genre_calibration(subject.shares, _shares(play, world)),
        "score_calibration": expected_calibration_error(shown.predicted[predicted], shown.liked[predicted]),
        "diversity": _diversity(play, world),
        "novelty": novelty(world.catalog.popularity, shown.rows),
        "coverage": catalog_coverage([shown.rows], len(world.eligible)),
        "dislikes_shown": dislikes_shown(shown.liked),
        "labels_until_useful": min(useful, float(len(told))),
    }


def _by_turn(play: Play, turns: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.bincount(play.shown.turn, play.shown.chance, minlength=turns).astype(np.float64)


def _shares(play: Play, world: World) -> dict[str, float]:
    counts = Counter(world.tracks.cluster_id[row] for row in play.ranking.tolist())
    return {cluster_id: count / len(play.ranking) for cluster_id, count in counts.items()}


def _diversity(play: Play, world: World) -> float:
    turns = np.unique(play.shown.turn)
    pages = [unit_vectors(world.catalog.normalized[play.shown.rows[play.shown.turn == turn]]) for turn in turns]
    values = np.array([intra_list_diversity(page) for page in pages])
    return float(values[~np.isnan(values)].mean()) if np.isfinite(values).any() else float("nan")
