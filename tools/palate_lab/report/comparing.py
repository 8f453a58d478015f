"""Reads what `palate lab compare` wrote."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from palate.errors import ConfigError

from palate_lab.comparison.intervals import mean_interval
from palate_lab.comparison.presenting import by_listener

__all__ = ["Compared", "read_comparison"]

_FIGURES: Final = {"like_rate": "Liked, of all shown", "worst_taste_recall": "Found for the worst-served taste"}
_COLUMNS: Final = frozenset({"algorithm", "listener", "kind", "metric", "turn", "value"})
_SEED: Final = 0


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of a comparison.

    Attributes:
        algorithms: Their names, the best like rate first.
        listeners: How many listeners there were.
        turns: How many slates each was shown.
        figures: By title, for each algorithm a mean and its interval.
    """

    algorithms: tuple[str, ...]
    listeners: int
    turns: int
    figures: Mapping[str, Mapping[str, tuple[float, float, float]]]


def read_comparison(folder: Path) -> Compared:
    """Read the figures of a folder that `palate lab compare` has filled.

    Raises:
        ConfigError: When it is none, cannot be read, or holds no figures.
    """
    measures = _measures(folder / "measures.parquet")
    figures = {title: _intervals(measures, metric) for metric, title in _FIGURES.items()}
    first = figures[_FIGURES["like_rate"]]
    if not first:
        raise ConfigError(f"{folder} holds a comparison without figures; repeat palate lab compare --out DIR")
    return Compared(
        algorithms=tuple(sorted(first, key=lambda name: (-first[name][0], name))),
        listeners=pc.count_distinct(measures["listener"]).as_py(),
        turns=(pc.max(measures["turn"]).as_py() or 0) + 1,
        figures=figures,
    )


def _measures(path: Path) -> pa.Table:
    try:
        measures = pq.read_table(path)
    except FileNotFoundError as error:
        raise ConfigError(f"there is no {path}; make it with palate lab compare --out DIR") from error
    except (OSError, pa.ArrowInvalid) as error:
        raise ConfigError(f"{path} cannot be read: {error}; repeat palate lab compare --out DIR") from error
    missing = sorted(_COLUMNS - set(measures.column_names))
    if missing:
        raise ConfigError(f"{path} lacks {', '.join(missing)}; make it with palate lab compare --out DIR")
    return measures


def _intervals(measures: pa.Table, metric: str) -> dict[str, tuple[float, float, float]]:
    found = {}
    for name, values in by_listener(measures, metric).items():
        interval = mean_interval(np.asarray(values, dtype=np.float64), _SEED)
        found[name] = (interval.value, interval.low, interval.high)
    return found
