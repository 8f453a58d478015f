"""A trainer that is killed at any step of publishing: real processes, really killed."""

from contextlib import closing
from itertools import count
from pathlib import Path

from palate.store import open_store
from palate.store.contract import ModelState, Store
from support.models import like, make_artifact, publish
from support.processes import dies_publishing


def whole(store: Store) -> tuple[str, dict[str, ModelState]]:
    """Return what serves and all states, after a look at the artifact."""
    version = store.models.serving_versions("ana")["metal"].version
    assert make_artifact(version) == store.models.artifact(version)
    assert len(store.models.records()) == len(store.models.runs())
    return version, {made.version: made.state for made in store.models.records()}


def test_a_trainer_that_is_killed_at_any_step_leaves_the_old_model_and_the_next_run_recovers(tmp_path: Path) -> None:
    """Before each of its statements in turn, the commit included: the old model serves, and nothing is half-written."""
    path = tmp_path / "palate.db"
    with closing(open_store(f"sqlite:///{path}")) as store:
        like(store)
        publish(store, "1")
        header = store.header("ana")
        for statements in count():
            if not dies_publishing(path, "2", statements):
                break
            assert ("1", {"1": ModelState.SERVING}) == whole(store)
            assert header == store.header("ana")
        assert statements > 10
        assert ("2", {"1": ModelState.RETIRED, "2": ModelState.SERVING}) == whole(store)
        assert "" == publish(store, "3")
        assert "3" == whole(store)[0]


def test_a_trainer_that_is_killed_releases_the_lock(tmp_path: Path) -> None:
    """Feedback and other trainers need not wait for what a dead one had begun."""
    path = tmp_path / "palate.db"
    with closing(open_store(f"sqlite:///{path}?timeout=0")) as store:
        like(store)
        publish(store, "1")
        assert dies_publishing(path, "2", statements=8)
        like(store)
        assert "" == publish(store, "2")
