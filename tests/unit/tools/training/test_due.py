"""Who is due, and what other listeners have in common."""

import time
from collections.abc import Callable

import numpy as np
import pytest
from palate.catalog.snapshot import Catalog
from palate.store.contract import Store
from palate_tools.training.due import common_direction, due_listeners
from palate_tools.training.publishing import new_version
from palate_tools.training.resources import Resources
from palate_tools.training.trainer import train_listener
from support.models import make_artifact, make_record, make_run

NOBODY = np.empty((0, 9))


def test_a_listener_is_due_again_after_enough_new_events(
    tell: Callable[..., None], resources: Callable[..., Resources], store: Store, catalog: Catalog
) -> None:
    """What the last run has seen does not count."""
    fingerprint = catalog.feature_map.fingerprint
    tell("ana", 30)
    tell("ben", 9)
    assert ["ana"] == list(due_listeners(store, 10, fingerprint))
    train_listener(resources(), "ana", NOBODY)
    assert [] == list(due_listeners(store, 10, fingerprint))
    tell("ana", 10)
    assert ["ana"] == list(due_listeners(store, 10, fingerprint))


def test_a_listener_whose_model_was_made_for_another_scale_is_due(tell: Callable[..., None], store: Store) -> None:
    """After a new catalog old models do not fit."""
    tell("ana", 3)
    record = make_record(new_version("a" * 16), taste_id="", labels_revision=3)
    now = time.time_ns() // 1000
    assert "" == store.models.publish(record, make_artifact(record.version), make_run(store, record, started_at=now))
    assert [] == list(due_listeners(store, 10, "a" * 16))
    assert ["ana"] == list(due_listeners(store, 10, "b" * 16))


def test_the_common_direction_is_that_of_the_others(tell: Callable[..., None], store: Store, catalog: Catalog) -> None:
    """A listener's own labels do not come back as what others think; a sample of nobody says nothing."""
    tell("ana", 40)
    tell("ben", 40, clusters=("rock",))
    common = common_direction(store, catalog.feature_map, 10)
    assert {"ana", "ben"} == common.units.keys()
    assert common.units["ben"].tolist() == common.without("ana")[0].tolist()
    assert pytest.approx(1) == np.linalg.norm(common.units["ana"])
    assert common.units["ana"][1] > 0.3
    assert (0, 9) == common_direction(store, catalog.feature_map, 0).without("ana").shape
