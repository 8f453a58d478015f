"""Between values about models and what the columns of the tables hold."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Final

from palate.errors import StoreUnavailable
from palate.store.model_contract import Metric, ModelRecord, ModelState, TrainingRun
from palate.store.rows import Row

__all__ = ["record_parameters", "record_value", "run_parameters", "run_value", "storable"]

_RECORD: Final = tuple(field.name for field in fields(ModelRecord))
_RUN: Final = tuple(field.name for field in fields(TrainingRun))


def record_value(row: Row) -> ModelRecord:
    """Read a row of the table `models`. StoreUnavailable when it is damaged."""
    columns = dict(zip(_RECORD, row, strict=True))
    with _decoding(columns["version"]):
        return ModelRecord(
            **columns
            | {
                "state": ModelState(columns["state"]),
                "metrics": tuple(Metric(*metric) for metric in json.loads(columns["metrics"])),
                "pinned": bool(columns["pinned"]),
            }
        )


def record_parameters(record: ModelRecord) -> dict[str, object]:
    """Return the parameters of `ModelStatements.put_record`."""
    metrics = [[metric.name, metric.value, metric.ranking_value, metric.serving_value] for metric in record.metrics]
    columns = {name: getattr(record, name) for name in _RECORD}
    told = {"metrics": json.dumps(metrics, ensure_ascii=False), "reason": storable(record.reason)}
    return columns | {"state": int(record.state), **told}


def run_value(row: Row) -> TrainingRun:
    """Read a row of the table `training_runs`."""
    return TrainingRun(*row)


def run_parameters(run: TrainingRun) -> dict[str, object]:
    """Return the parameters of `ModelStatements.put_run`."""
    return {name: getattr(run, name) for name in _RUN} | {"reason": storable(run.reason)}


def storable(reason: str) -> str:
    """Make a NUL character visible, which a library's error may quote and not every database takes."""
    return reason.replace("\0", "\N{SYMBOL FOR NULL}")


@contextmanager
def _decoding(version: str) -> Iterator[None]:
    """Turn what a damaged row raises into StoreUnavailable."""
    try:
        yield
    except (ValueError, TypeError) as exc:
        raise StoreUnavailable(
            f"the stored record of model {version!r} cannot be read ({exc!r}); restore a backup, or delete its row "
            f"of the table `models`"
        ) from exc
