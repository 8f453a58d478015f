"""The trainer's throughput, beside the same fits by the libraries alone, recorded and made again."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias
from unittest.mock import patch

import lightgbm
from palate.app.config import Config
from palate.catalog.snapshot import Catalog
from palate.store import open_store
from palate_tools.training.due import common_direction
from palate_tools.training.report import Outcome
from palate_tools.training.tasks import Task, run_tasks
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from palate_lab.bench.models.population import populate, store_config
from palate_lab.bench.process import BenchmarkError

__all__ = ["Fit", "Spent", "TrainingFigures", "measure_training", "recorded_fits"]

Fit: TypeAlias = Callable[[], object]
"""Makes one fit, or one cross-validation, again."""
_FIT: Final = LogisticRegression.fit


@contextmanager
def recorded_fits() -> Iterator[list[Fit]]:
    """Record every fit of scikit-learn's logistic regression and of LightGBM while the block runs.

    Recording keeps references to the arguments and takes microseconds. LightGBM's data sets are made again from
    their arrays, since it prepares each for one use.
    """
    fits: list[Fit] = []

    def fit(self: LogisticRegression, *args: Any, **kwargs: Any) -> LogisticRegression:
        fits.append(partial(_FIT, self, *args, **kwargs))
        return _FIT(self, *args, **kwargs)

    with (
        patch.object(LogisticRegression, "fit", fit),
        patch.object(lightgbm, "train", partial(_boost, fits, lightgbm.train)),
        patch.object(lightgbm, "cv", partial(_boost, fits, lightgbm.cv)),
    ):
        yield fits


def _boost(
    fits: list[Fit],
    function: Callable[..., Any],
    parameters: dict[str, Any],
    data: lightgbm.Dataset,
    *args: Any,
    **kwargs: Any,
) -> Any:
    """Call one of LightGBM's functions and record it."""
    arrays = data.data, data.label, data.weight

    def again() -> Any:
        features, labels, weights = arrays
        return function(parameters, lightgbm.Dataset(features, labels, weight=weights), *args, **kwargs)

    fits.append(again)
    return function(parameters, data, *args, **kwargs)


@dataclass(frozen=True, slots=True)
class Spent:
    """What some work took.

    Attributes:
        seconds: By the clock.
        cpu: Processor seconds of this process.
    """

    seconds: float
    cpu: float

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.seconds + other.seconds, self.cpu + other.cpu)


@dataclass(frozen=True, slots=True)
class TrainingFigures:
    """The trainer on one catalog.

    Attributes:
        tracks: The catalog's number of tracks.
        listeners: How many were trained.
        labels: How many labels each has.
        models: How many models were exported, verified and written, published or rejected.
        fits: How many fits and cross-validations the libraries were asked for.
        trainer: What training took, from the stored profile to the written models.
        bare: What the same fits took alone.
    """

    tracks: int
    listeners: int
    labels: int
    models: int
    fits: int
    trainer: Spent
    bare: Spent

    @property
    def rate_ratio(self) -> float:
        """The trainer's throughput as a share of the bare fits'."""
        return self.bare.seconds / self.trainer.seconds

    @property
    def cpu_ratio(self) -> float:
        """The bare fits' processor time as a share of the trainer's."""
        return self.bare.cpu / self.trainer.cpu


def measure_training(
    catalog_path: Path, data_dir: Path, listeners: int, labels: int, progress: Callable[[str], None]
) -> TrainingFigures:
    """Train listeners one after the other as `palate train --jobs 1` does, and after each repeat the fits alone.

    One more listener is trained beforehand, so that imports, and the network's hidden layer, which is made once for
    each catalog, are on neither side.

    Args:
        catalog_path: The catalog.
        data_dir: A folder on the disk that is to be measured; made when it is missing.
        listeners: How many to train.
        labels: How many labels each has, over three tastes.
        progress: Called with what is about to be done.

    Raises:
        BenchmarkError: When a training failed.
    """
    config = store_config(catalog_path, data_dir)
    with Catalog.open(catalog_path) as catalog:
        tracks = len(catalog)
    progress(f"training on {tracks:,} tracks: warming up")
    first, *others = _tasks(config, populate(config, listeners + 1, labels))
    _train(first)
    models, made = 0, 0
    trainer, bare = Spent(0, 0), Spent(0, 0)
    for number, task in enumerate(others):
        progress(f"training on {tracks:,} tracks: listener {number + 1} of {listeners}")
        with recorded_fits() as fits:
            spent, written = _timed(partial(_train, task))
        trainer, models, made = trainer + spent, models + written, made + len(fits)
        bare += _timed(partial(_repeat, fits))[0]
    return TrainingFigures(tracks, listeners, labels, models, made, trainer, bare)


def _tasks(config: Config, user_ids: Sequence[str]) -> list[Task]:
    with Catalog.open(config.catalog_path) as catalog, closing(open_store(config.store_url)) as store:
        common = common_direction(store, catalog.feature_map, config.training.other_listeners)
    return [Task(config, user_id, common.without(user_id)) for user_id in user_ids]


def _train(task: Task) -> int:
    """Train a listener in this process. Return how many models were written."""
    [report] = run_tasks([task], 1, "processes")
    for taste in report.tastes:
        if taste.outcome is Outcome.FAILED:
            raise BenchmarkError(f"training {taste.user_id!r}, {taste.taste_id!r} failed: {taste.reason}")
    return sum(1 for taste in report.tastes if taste.version)


def _repeat(fits: Sequence[Fit]) -> int:
    with threadpool_limits(1):
        for fit in fits:
            fit()
    return len(fits)


def _timed(work: Callable[[], int]) -> tuple[Spent, int]:
    started, cpu = time.perf_counter(), time.process_time()
    result = work()
    return Spent(time.perf_counter() - started, time.process_time() - cpu), result
