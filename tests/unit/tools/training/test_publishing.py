"""Publishing: versions, and a store that is locked."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from palate.app.config import Config, StoreConfig
from palate.store.contract import Store
from palate_tools.training import publishing
from palate_tools.training.publishing import made_for, new_run_id, new_version
from palate_tools.training.report import Outcome
from palate_tools.training.resources import open_resources
from palate_tools.training.trainer import train_listener

NOBODY = np.empty((0, 9))


def test_later_versions_and_runs_are_greater() -> None:
    """And no two are equal."""
    versions = [new_version("abcdef0123456789") for _ in range(100)]
    assert len(set(versions)) == 100
    assert versions[0][:14] <= versions[-1][:14]
    assert made_for(versions[0], "abcdef0123456789")
    assert not made_for(versions[0], "0123456789abcdef")
    assert not made_for("v1", "0123456789abcdef")
    assert new_run_id() != new_run_id()


@contextmanager
def locked(config: Config) -> Iterator[None]:
    """Hold the database's write lock."""
    with closing(sqlite3.connect(Path(config.store_url.removeprefix("sqlite:///")), isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield
        holder.execute("ROLLBACK")


def test_a_store_that_stays_locked_fails_the_training_and_loses_nothing(
    tell: Callable[..., None],
    config: Config,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The report says so, and the next run publishes."""
    tell("ana", 40)
    monkeypatch.setattr(publishing, "_ATTEMPTS", 2)
    monkeypatch.setattr(publishing, "_FIRST_WAIT_SECONDS", 0.01)
    url = StoreConfig(url=f"{config.store_url}?timeout=0.1")
    with open_resources(config.model_copy(update={"store": url})) as opened:
        with locked(config):
            [report] = train_listener(opened, "ana", NOBODY).tastes
        assert Outcome.FAILED is report.outcome
        assert "nothing was lost" in report.reason
        assert [] == list(store.models.runs())
        assert Outcome.PUBLISHED is train_listener(opened, "ana", NOBODY).tastes[0].outcome
