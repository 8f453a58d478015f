"""From labels to figures: everything that is served goes the way that it goes in production.

Each pair of a size and a seed is a listener of its own. They are the same person under many names, so that what
other listeners have in common would leak held-out labels: training looks at no other listeners here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import joblib
import numpy as np
from numpy.typing import NDArray
from palate.app.config import Config, load_config
from palate.app.embedded import running_server
from palate.client import Client
from palate.errors import PalateError
from palate.v1 import feedback_pb2
from palate_tools.training.report import ListenerReport, Outcome
from palate_tools.training.tasks import Task, run_tasks
from sklearn.metrics import roc_auc_score

from palate_lab.evaluation.labelled import LabelledTracks, Split
from palate_lab.evaluation.references import reference_aucs
from palate_lab.progress import Watcher

__all__ = ["EvaluationFailed", "Trial", "evaluate_labels"]

_CHUNK: Final = 1_000
"""As many as one call of BatchRecordFeedback or Rank takes."""

_RANKING: Final = "ranking"
_NOBODY: Final = np.empty((0, 9))

_PATIENCE_SECONDS: Final = 60.0
"""Accuracy is measured here, not time: a busy machine must change no figure."""


class EvaluationFailed(PalateError):
    """An evaluation could not be carried through; figures from it would mean nothing."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one split, all of it AUC on the labels held out.

    Attributes:
        size: How many labels were told.
        seed: What drew them.
        served: What Rank serves.
        ranking: What plain ranking serves.
        references: What each reference reaches.
        learner: The learner of the common model; empty where none was published.
        own: How many tastes have a model of their own.
    """

    size: int
    seed: int
    served: float
    ranking: float
    references: dict[str, float]
    learner: str
    own: int


def evaluate_labels(
    tracks: LabelledTracks, splits: Sequence[Split], folder: Path, catalog: Path, jobs: int, watch: Watcher
) -> list[Trial]:
    """Tell a real server the labels of every split, train, and judge what it serves.

    Args:
        tracks: The labelled tracks.
        splits: The listeners.
        folder: An empty folder for the server's state.
        catalog: The catalog that has the tracks.
        jobs: How many processes train and fit references.
        watch: Told about the progress.

    Raises:
        EvaluationFailed: When a training fails, or Rank does not answer as it should.
    """
    keys = {
        "data_dir": folder,
        "catalog.path": catalog,
        "server.port": 0,
        "strategies.timeout_seconds": _PATIENCE_SECONDS,
        "training.other_listeners": 0,
    }
    config = load_config(None, keys)
    with running_server(config) as address, Client(address, timeout=_PATIENCE_SECONDS) as client:
        for split in splits:
            watch("telling labels", 1, len(splits))
            _tell(client, tracks, split)
        reports = _train(config, splits, jobs, watch)
        figures = []
        for split in splits:
            watch("ranking", 1, len(splits))
            figures.append((_rank(client, tracks, split, ""), _rank(client, tracks, split, _RANKING)))
    references = _references(tracks, splits, jobs, watch)
    return [
        Trial(split.size, split.seed, served, ranking, by_name, *_published(reports[split.user_id]))
        for split, (served, ranking), by_name in zip(splits, figures, references, strict=True)
    ]


def _tell(client: Client, tracks: LabelledTracks, split: Split) -> None:
    for chunk in _chunks(split.told):
        client.batch_record_feedback(
            feedback_pb2.RecordFeedbackRequest(
                user_id=split.user_id,
                track_id=tracks.track_ids[position],
                verdict=feedback_pb2.VERDICT_LIKE if tracks.liked[position] else feedback_pb2.VERDICT_DISLIKE,
            )
            for position in chunk.tolist()
        )


def _train(config: Config, splits: Sequence[Split], jobs: int, watch: Watcher) -> dict[str, ListenerReport]:
    largest_first = sorted(splits, key=lambda split: -split.size)
    work = [Task(config, split.user_id, _NOBODY) for split in largest_first]
    reports = {}
    for report in run_tasks(work, jobs, "processes"):
        watch("training", 1, len(work))
        for taste in report.tastes:
            if taste.outcome is Outcome.FAILED:
                raise EvaluationFailed(f"training {report.user_id} failed: {taste.reason}")
        reports[report.user_id] = report
    return reports


def _published(report: ListenerReport) -> tuple[str, int]:
    learners = {taste.taste_id: taste.learner for taste in report.tastes if taste.outcome is Outcome.PUBLISHED}
    return learners.pop("", ""), len(learners)


def _rank(client: Client, tracks: LabelledTracks, split: Split, strategy: str) -> float:
    """Return the AUC of Rank's scores over all chunks together."""
    positions = {tracks.track_ids[position]: position for position in split.held.tolist()}
    scores = np.full(len(tracks.track_ids), np.nan)
    answered = set()
    for chunk in _chunks(split.held):
        answer = client.rank(
            split.user_id, [tracks.track_ids[position] for position in chunk.tolist()], strategy=strategy
        )
        answered.add(answer.strategy)
        for item in answer.items:
            scores[positions[item.track_id]] = item.score
    if len(answered) > 1:
        raise EvaluationFailed(
            f"{' and '.join(sorted(answered))} answered for one listener; is the machine overloaded?"
        )
    return float(roc_auc_score(tracks.liked[split.held], scores[split.held]))


def _references(tracks: LabelledTracks, splits: Sequence[Split], jobs: int, watch: Watcher) -> list[dict[str, float]]:
    fits = joblib.Parallel(n_jobs=jobs, return_as="generator")(
        joblib.delayed(reference_aucs)(tracks, split.told, split.held) for split in splits
    )
    found = []
    for figures in fits:
        watch("fitting references", 1, len(splits))
        found.append(figures)
    return found


def _chunks(positions: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    for start in range(0, len(positions), _CHUNK):
        yield positions[start : start + _CHUNK]
