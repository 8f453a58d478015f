"""Scoring candidates through the served path, beside onnxruntime alone on the same rows."""

import asyncio
import inspect
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from palate.catalog.snapshot import Catalog
from palate.metrics import Metrics
from palate.models.cache import ModelCache
from palate.plugins.learner import INPUT, OUTPUT
from palate.store import open_store
from palate.store.contract import ServingVersion

from palate_lab.bench.models.population import Graph, populate, read_graphs, store_config, write_graphs
from palate_lab.bench.models.publishing import publish, targets

__all__ = ["CANDIDATES", "ScoringFigures", "measure_scoring"]

CANDIDATES: Final = 2_000
"""How many tracks are scored at once."""

_LABELS: Final = 200
_REPETITIONS: Final = 50
_WARM_UP: Final = 3
_SEED: Final = 3

Call: TypeAlias = Callable[[], object]


@dataclass(frozen=True, slots=True)
class ScoringFigures:
    """One family of models.

    Attributes:
        learner: The family.
        tracks: The catalog's number of tracks.
        candidates: How many tracks are scored at once.
        served: Median seconds of a call through the served path: the session is looked for, the tracks' features
            are gathered, the model is run.
        bare: Median seconds of a session's ``run`` on features that lie ready, with onnxruntime's defaults but for
            one thread.
        threaded: The same with onnxruntime's own number of threads.
    """

    learner: str
    tracks: int
    candidates: int
    served: float
    bare: float
    threaded: float

    @property
    def ratio(self) -> float:
        """How many times as long the served path takes as onnxruntime alone."""
        return self.served / self.bare


def measure_scoring(catalog_path: Path, data_dir: Path) -> list[ScoringFigures]:
    """Time both ways for every family, in turns, so that slow moments hit both.

    Args:
        catalog_path: The catalog.
        data_dir: An empty folder; made when it is missing.
    """
    config = store_config(catalog_path, data_dir)
    [user_id] = populate(config, 1, _LABELS)
    write_graphs(config, user_id, data_dir / "graphs")
    with Catalog.open(catalog_path) as catalog, closing(open_store(config.store_url)) as store:
        fingerprint = catalog.feature_map.fingerprint
        with closing(ModelCache(store.models, fingerprint, config.models.session_bytes, Metrics())) as models:
            graphs = read_graphs(data_dir / "graphs")
            for target, graph in zip(targets(store, fingerprint), graphs, strict=True):
                publish(store, target, graph)
            serving_versions = store.models.serving_versions(user_id)
            with asyncio.Runner() as runner:
                return [runner.run(_measure(catalog, models, user_id, graph, serving_versions)) for graph in graphs]


async def _measure(
    catalog: Catalog, models: ModelCache, user_id: str, graph: Graph, serving_versions: Mapping[str, ServingVersion]
) -> ScoringFigures:
    [taste_id] = (
        taste_id for taste_id, serving_version in serving_versions.items() if serving_version.learner == graph.learner
    )
    rows = np.sort(np.random.default_rng(_SEED).choice(len(catalog), min(CANDIDATES, len(catalog)), replace=False))
    features = catalog.normalized.take(rows, axis=0)

    async def served() -> NDArray[np.float32]:
        model = (await models.open(user_id, serving_versions))[taste_id]
        return model.probabilities(catalog.normalized.take(rows, axis=0))

    calls = [served, _bare(graph, features, threads=1), _bare(graph, features, threads=0)]
    seconds = await _medians(calls)
    return ScoringFigures(graph.learner, len(catalog), len(rows), *seconds)


def _bare(graph: Graph, features: NDArray[np.float32], threads: int) -> Call:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(graph.onnx, options, providers=["CPUExecutionProvider"])
    return lambda: session.run([OUTPUT], {INPUT: features})


async def _medians(calls: Sequence[Call]) -> list[float]:
    """Return the median seconds of each call over many turns."""
    seconds: list[list[float]] = [[] for _ in calls]
    for turn, (call, times) in itertools.product(range(_WARM_UP + _REPETITIONS), zip(calls, seconds, strict=True)):
        started = time.perf_counter()
        answer = call()
        if inspect.isawaitable(answer):
            await answer
        if turn >= _WARM_UP:
            times.append(time.perf_counter() - started)
    return [float(np.median(times)) for times in seconds]
