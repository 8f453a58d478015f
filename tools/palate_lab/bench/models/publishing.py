"""Publishes new versions of models from a process of its own, as a trainer does.

Run as ``python -m palate_lab.bench.models.publishing CATALOG DATA_DIR GRAPHS``. Each line ``COUNT PAUSE`` of the
standard input asks for so many versions with a pause in seconds between the starts of two; each line of the standard
output names what has been acknowledged: listener, taste, version and how many seconds the transaction took. An empty
line ends an order.
"""

import hashlib
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from palate.catalog.snapshot import Catalog
from palate.models.artifact import Metadata
from palate.store import open_store
from palate.store.contract import Metric, ModelRecord, ModelState, Store, TrainingRun
from palate_tools.training.export import with_metadata
from palate_tools.training.publishing import new_run_id, new_version

from palate_lab.bench.models.population import Graph, read_graphs, store_config
from palate_lab.bench.process import BenchmarkError

__all__ = ["Publication", "Target", "main", "publish", "targets"]

_METRICS: Final = (Metric("auc", 0.75, 0.7), Metric("log_loss", 0.6, 0.65))
_RANKING_SLOPE: Final = 2.0


@dataclass(frozen=True, slots=True)
class Target:
    """A taste whose model is to be replaced, and what stands in the model's metadata."""

    user_id: str
    taste_id: str
    labels_revision: int
    feature_map: str
    generation: str


@dataclass(frozen=True, slots=True)
class Publication:
    """A version that was published: the publishing transaction has been acknowledged."""

    user_id: str
    taste_id: str
    version: str
    seconds: float

    def to_line(self) -> str:
        """Return it as a line."""
        return "\t".join((self.user_id, self.taste_id, self.version, f"{self.seconds:.6f}"))

    @classmethod
    def from_line(cls, line: str) -> "Publication":
        """Read what `to_line` wrote."""
        user_id, taste_id, version, seconds = line.rstrip("\n").split("\t")
        return cls(user_id, taste_id, version, float(seconds))


def targets(store: Store, feature_map: str) -> list[Target]:
    """Return the tastes of all listeners: the first of each listener, then the second of each, and so on."""
    found = [store.profile(user_id) for user_id in store.user_ids()]
    of_listeners = [
        [
            Target(profile.user_id, taste_id, profile.revision, feature_map, header.generation)
            for taste_id in profile.tastes
        ]
        for profile, header in filter(None, found)
    ]
    rounds = itertools.zip_longest(*of_listeners)
    return [target for round_ in rounds for target in round_ if target is not None]


def publish(store: Store, target: Target, graph: Graph) -> Publication:
    """Publish one more version of a taste's model through the store, as the trainer does.

    Raises:
        BenchmarkError: When the store kept it out.
    """
    record, artifact = _model(target, graph)
    run = TrainingRun(
        run_id=new_run_id(),
        user_id=target.user_id,
        taste_id=target.taste_id,
        model_version=record.version,
        reason="",
        labels_revision=target.labels_revision,
        started_at=record.created_at,
        ended_at=record.created_at,
        generation=target.generation,
    )
    started = time.perf_counter()
    refused = store.models.publish(record, artifact, run)
    seconds = time.perf_counter() - started
    if refused:
        raise BenchmarkError(f"the store kept {record.version} out: {refused}")
    return Publication(target.user_id, target.taste_id, record.version, seconds)


def _model(target: Target, graph: Graph) -> tuple[ModelRecord, bytes]:
    version = new_version(target.feature_map)
    metadata = Metadata(
        version=version,
        user_id=target.user_id,
        taste_id=target.taste_id,
        learner=graph.learner,
        feature_map=target.feature_map,
        labels_revision=target.labels_revision,
        label_count=target.labels_revision,
        ranking_slope=_RANKING_SLOPE,
        ranking_intercept=0.0,
        metrics={metric.name: metric.value for metric in _METRICS},
        libraries={},
    )
    artifact = with_metadata(graph.onnx, metadata)
    record = ModelRecord(
        version=version,
        user_id=target.user_id,
        taste_id=target.taste_id,
        learner=graph.learner,
        state=ModelState.SERVING,
        reason="",
        metrics=_METRICS,
        label_count=target.labels_revision,
        labels_revision=target.labels_revision,
        size_bytes=len(artifact),
        sha256=hashlib.sha256(artifact).hexdigest(),
        created_at=time.time_ns() // 1000,
    )
    return record, artifact


def _endless(places: Sequence[Target], graphs: Sequence[Graph]) -> Iterator[tuple[Target, Graph]]:
    """Go round all tastes, with another family for a taste in each round."""
    for round_ in itertools.count():
        for number, target in enumerate(places):
            yield target, graphs[(round_ + number) % len(graphs)]


def main(catalog_path: Path, data_dir: Path, graphs: Path) -> None:
    """Publish what the standard input asks for, until it ends."""
    with (
        Catalog.open(catalog_path) as catalog,
        closing(open_store(store_config(catalog_path, data_dir).store_url)) as store,
    ):
        work = _endless(targets(store, catalog.feature_map.fingerprint), read_graphs(graphs))
        for line in sys.stdin:
            count, pause = line.split()
            due = time.perf_counter()
            for target, graph in itertools.islice(work, int(count)):
                time.sleep(max(0.0, due - time.perf_counter()))
                due += float(pause)
                sys.stdout.write(publish(store, target, graph).to_line() + "\n")
                sys.stdout.flush()
            sys.stdout.write("\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
