"""Training one listener: what is trained, judged, published, kept out and locked out."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from palate.app.config import Config, StoreConfig
from palate.errors import NotFound
from palate.models.artifact import Metadata
from palate.models.session import ServedModel
from palate.plugins.learner import Dataset, FittedModel, Learner
from palate.store.contract import ModelState, Store
from palate_strategies.learners.logistic import Logistic, LogisticConfig, LogisticModel
from palate_tools.training import publishing
from palate_tools.training.report import Outcome, TasteReport
from palate_tools.training.trainer import train_listener
from palate_tools.training.workshop import Workshop, open_workshop

NOBODY = np.empty((0, 9))
CONTRARY: tuple[str, ...] = ("rock",)


class Broken(Logistic):
    """A learner that fails in a way of its own."""

    config_type: ClassVar[type[Any]] = LogisticConfig

    def fit(self, dataset: Dataset, seed: int) -> LogisticModel:  # noqa: ARG002 - the contract's signature
        """Fail."""
        raise ZeroDivisionError("not today")


class Untrue:
    """A learner whose export is not what it fitted."""

    config_type: ClassVar[type[Any]] = LogisticConfig

    def __init__(self, config: LogisticConfig) -> None:
        self._learner = Logistic(config)

    def fit(self, dataset: Dataset, seed: int) -> FittedModel:
        """Return a model that exports another one."""
        return _Untrue(self._learner.fit(dataset, seed))


class _Untrue:
    def __init__(self, fitted: FittedModel) -> None:
        self._fitted = fitted

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        return self._fitted.logits(features) + 0.01

    def to_onnx(self, slope: float, intercept: float) -> bytes:
        return self._fitted.to_onnx(slope, intercept)

    def boundaries(self) -> NDArray[np.float32]:
        return self._fitted.boundaries()


def with_learner(workshop: Workshop, learner: Learner) -> Workshop:
    """Put another learner in the place of logistic regression."""
    return replace(workshop, learners={"logistic": replace(workshop.learners["logistic"], learner=learner)})


def train(workshop: Workshop, **arguments: Any) -> Sequence[TasteReport]:
    """Train ana."""
    return train_listener(workshop, "ana", NOBODY, **arguments).tastes


def metadata_of(store: Store, taste_id: str) -> Metadata:
    """Return what the model that serves a taste of ana says of itself."""
    artifact = store.models.artifact(store.models.serving_versions("ana")[taste_id].version)
    assert artifact is not None
    return ServedModel.load(artifact, hashlib.sha256(artifact).hexdigest()).metadata


def test_a_model_that_beats_ranking_is_published(
    tell: Callable[..., None], workshop: Callable[..., Workshop], store: Store
) -> None:
    """The common model serves, its record says what it was judged by, and its file is one that a server loads."""
    tell("ana", 150)
    common, *tastes = train(workshop())
    assert ("", Outcome.PUBLISHED, "logistic") == (common.taste_id, common.outcome, common.learner)
    assert common.model.log_loss < common.ranking.log_loss
    assert {"electronica", "techno-trance"} == {taste.taste_id for taste in tastes}
    serving_version = store.models.serving_versions("ana")[""]
    record, metadata = store.models.record(serving_version.version), metadata_of(store, "")
    assert record is not None
    assert (150, 150, ModelState.SERVING) == (record.label_count, record.labels_revision, record.state)
    assert ["auc", "log_loss"] == [metric.name for metric in record.metrics]
    assert common.model.auc == record.metrics[0].value
    assert (record.version, "ana", "", 150) == (
        metadata.version,
        metadata.user_id,
        metadata.taste_id,
        metadata.labels_revision,
    )


def test_training_again_on_the_same_labels_gives_the_same_model(
    tell: Callable[..., None], workshop: Callable[..., Workshop]
) -> None:
    """Folds and seeds depend on listener and revision alone."""
    tell("ana", 60)
    first, second = (train(workshop(), dry_run=True) for _ in range(2))
    assert first == second


def test_a_dry_run_writes_nothing(tell: Callable[..., None], workshop: Callable[..., Workshop], store: Store) -> None:
    """It judges all the same, and makes no version."""
    tell("ana", 60)
    common = train(workshop(), dry_run=True)[0]
    assert (Outcome.PUBLISHED, "") == (common.outcome, common.version)
    assert ([], {}) == (list(store.models.runs()), dict(store.models.serving_versions("ana")))


@pytest.mark.parametrize("count", [4, 9])
def test_a_listener_of_few_labels_is_locked_out_with_the_reason_on_record(
    tell: Callable[..., None], workshop: Callable[..., Workshop], store: Store, count: int
) -> None:
    """The reason names what there is and what it takes."""
    tell("ana", count)
    [report] = train(workshop())
    [run] = store.models.runs()
    assert (Outcome.LOCKED_OUT, report.reason) == (report.outcome, run.reason)
    assert "10 together" in report.reason


def test_a_listener_whom_no_rung_admits_yet_is_locked_out(
    tell: Callable[..., None], workshop: Callable[..., Workshop], store: Store
) -> None:
    """However few labels training would begin at; nothing has failed."""
    tell("ana", 8)
    [report] = train(workshop(min_labels=4, min_of_each=2))
    assert Outcome.LOCKED_OUT is report.outcome
    assert "no learner's stage admits the profile yet" in report.reason
    [run] = store.models.runs()
    assert report.reason == run.reason


def test_a_listener_who_likes_everything_is_locked_out(
    tell: Callable[..., None], workshop: Callable[..., Workshop]
) -> None:
    """One kind of label teaches nothing."""
    tell("ana", 1)
    tell("ana", 30, chance=0)
    assert Outcome.LOCKED_OUT is train(workshop(min_of_each=16))[0].outcome


def test_a_taste_against_the_others_gets_a_model_of_its_own(
    tell: Callable[..., None], workshop: Callable[..., Workshop], store: Store
) -> None:
    """Where the common model is wrong about a taste, its own model serves it."""
    tell("ana", 400, contrary=CONTRARY)
    reports = {report.taste_id: report for report in train(workshop(other_weight=0))}
    assert Outcome.PUBLISHED is reports[CONTRARY[0]].outcome
    assert reports[CONTRARY[0]].model.auc > reports[""].model.auc
    assert CONTRARY[0] in store.models.serving_versions("ana")
    assert {} == metadata_of(store, CONTRARY[0]).cluster_offsets


def test_the_common_model_knows_which_tastes_are_liked_at_all(
    tell: Callable[..., None], workshop: Callable[..., Workshop], store: Store
) -> None:
    """A listener whose likes follow the cluster, whatever a track sounds like, is served no worse than by ranking."""
    tell("ana", 100, liking={"electronica": 0.9, "rock": 0.1, "techno-trance": 0.5})
    common = train(workshop())[0]
    assert Outcome.PUBLISHED is common.outcome
    assert common.model.auc > common.ranking.auc
    assert common.model.log_loss < common.ranking.log_loss
    offsets = metadata_of(store, "").cluster_offsets
    assert ["rock", "techno-trance", "electronica"] == sorted(offsets, key=lambda cluster: offsets[cluster])


def test_a_taste_with_few_labels_is_listed_with_the_reason(
    tell: Callable[..., None], workshop: Callable[..., Workshop]
) -> None:
    """The common model serves it until then."""
    tell("ana", 40)
    locked = [report for report in train(workshop(taste_min_likes=500)) if report.taste_id]
    assert locked
    assert all(report.outcome is Outcome.LOCKED_OUT and "common model" in report.reason for report in locked)


def test_a_taste_that_agrees_with_the_others_is_left_to_the_common_model(
    tell: Callable[..., None], workshop: Callable[..., Workshop], store: Store
) -> None:
    """No model of its own is tried."""
    tell("ana", 90, clusters=("techno-trance",), chance=0)
    common, taste = train(workshop(other_weight=0))
    assert (Outcome.PUBLISHED, Outcome.COMMON) == (common.outcome, taste.outcome)
    assert {""} == store.models.serving_versions("ana").keys()


def test_only_the_taste_that_was_named_is_trained(
    tell: Callable[..., None], workshop: Callable[..., Workshop], store: Store
) -> None:
    """The common model stays as it is; a taste that is not there is refused."""
    tell("ana", 300, contrary=CONTRARY)
    [report] = train(workshop(), tastes=CONTRARY)
    assert CONTRARY[0] == report.taste_id
    assert "" not in store.models.serving_versions("ana")
    with pytest.raises(NotFound, match="polka"):
        train(workshop(), tastes=("polka",))


def test_verdicts_by_chance_leave_ranking_in_service(
    tell: Callable[..., None], workshop: Callable[..., Workshop], store: Store
) -> None:
    """A model that has learnt nothing is kept out, with its figures."""
    tell("ana", 250)

    class Wild(Logistic):
        def fit(self, dataset: Dataset, seed: int) -> LogisticModel:
            """Fit to labels that nobody gave."""
            drawn = np.random.default_rng(len(dataset.labels)).random(len(dataset.labels)) < 0.5
            return super().fit(replace(dataset, labels=drawn), seed)

    report = train(with_learner(workshop(), Wild(LogisticConfig())))[0]
    assert Outcome.REJECTED is report.outcome
    assert "does not beat ranking" in report.reason
    assert {} == dict(store.models.serving_versions("ana"))


def test_the_next_model_is_compared_with_the_one_in_service(
    tell: Callable[..., None], workshop: Callable[..., Workshop]
) -> None:
    """The model in service is judged on the same folds, by those of their labels that it has seen."""
    tell("ana", 20)
    assert np.isnan(train(workshop())[0].serving.log_loss)
    tell("ana", 200)
    report = train(workshop())[0]
    assert report.serving.log_loss > report.model.log_loss


def test_a_pinned_model_is_not_replaced(
    tell: Callable[..., None], workshop: Callable[..., Workshop], store: Store
) -> None:
    """The new one is kept out, and says why."""
    tell("ana", 60)
    version = train(workshop())[0].version
    store.models.pin(version, pinned=True)
    tell("ana", 100)
    report = train(workshop())[0]
    assert Outcome.REJECTED is report.outcome
    assert "pinned" in report.reason
    assert version == store.models.serving_versions("ana")[""].version


def test_a_model_that_does_worse_than_ranking_by_now_is_withdrawn(
    tell: Callable[..., None], workshop: Callable[..., Workshop], store: Store
) -> None:
    """Ranking serves again, and the model can be rolled back to."""
    tell("ana", 40)
    sound = workshop()
    version = train(sound)[0].version
    tell("ana", 200)

    class Contrary(Logistic):
        def fit(self, dataset: Dataset, seed: int) -> LogisticModel:
            return super().fit(replace(dataset, labels=~dataset.labels), seed)

    contrary = with_learner(sound, Contrary(LogisticConfig()))
    assert Outcome.WITHDRAWN is train(contrary, dry_run=True)[0].outcome
    assert version == store.models.serving_versions("ana")[""].version
    report = train(contrary)[0]
    assert Outcome.WITHDRAWN is report.outcome
    assert "" not in store.models.serving_versions("ana")
    assert version == store.models.rollback("ana", "").version


def test_a_learner_that_fails_is_a_failed_training_with_its_reason(
    tell: Callable[..., None], workshop: Callable[..., Workshop], store: Store
) -> None:
    """The run says which learner raised what."""
    tell("ana", 40)
    [report] = train(with_learner(workshop(), Broken(LogisticConfig())))
    assert Outcome.FAILED is report.outcome
    assert "learner 'logistic' raised ZeroDivisionError: not today" in report.reason
    assert report.reason == store.models.runs()[0].reason


def test_an_export_that_differs_is_a_failed_training_with_the_worst_row(
    tell: Callable[..., None], workshop: Callable[..., Workshop], store: Store
) -> None:
    """Nothing is published."""
    tell("ana", 40)
    report = train(with_learner(workshop(), Untrue(LogisticConfig())))[0]
    assert Outcome.FAILED is report.outcome
    assert "row" in report.reason
    assert ({}, report.reason) == (dict(store.models.serving_versions("ana")), store.models.runs()[0].reason)


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
    with open_workshop(config.model_copy(update={"store": url})) as opened:
        with locked(config):
            [report] = train(opened)
        assert Outcome.FAILED is report.outcome
        assert "nothing was lost" in report.reason
        assert [] == list(store.models.runs())
        assert Outcome.PUBLISHED is train(opened)[0].outcome


def test_an_unknown_listener_is_refused(workshop: Callable[..., Workshop]) -> None:
    """There is nothing to train on."""
    with pytest.raises(NotFound, match="ana"):
        train(workshop())
