"""Training one listener: what is trained, evaluated, published and rejected, and what has too little data."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from palate.errors import NotFound
from palate.models.artifact import Metadata
from palate.models.session import ServedModel
from palate.plugins.learner import Dataset, FittedModel, Learner
from palate.store.contract import ModelState, Store
from palate_strategies.learners.logistic import Logistic, LogisticConfig, LogisticModel
from palate_tools.training.report import Outcome, TasteReport
from palate_tools.training.resources import Resources
from palate_tools.training.trainer import train_listener

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


def with_learner(resources: Resources, learner: Learner) -> Resources:
    """Put another learner in the place of logistic regression."""
    return replace(resources, learners={"logistic": replace(resources.learners["logistic"], learner=learner)})


def train(resources: Resources, **arguments: Any) -> Sequence[TasteReport]:
    """Train ana."""
    return train_listener(resources, "ana", NOBODY, **arguments).tastes


def metadata_of(store: Store, taste_id: str) -> Metadata:
    """Return the metadata of the model that serves a taste of ana."""
    artifact = store.models.artifact(store.models.serving_versions("ana")[taste_id].version)
    assert artifact is not None
    return ServedModel.load(artifact, hashlib.sha256(artifact).hexdigest()).metadata


def graph_of(store: Store, version: str) -> bytes:
    """Return what a model computes: its file without the metadata."""
    artifact = store.models.artifact(version)
    assert artifact is not None
    graph: bytes = onnx.load_model_from_string(artifact).graph.SerializeToString(deterministic=True)
    return graph


def test_a_model_that_beats_ranking_is_published(
    tell: Callable[..., None], resources: Callable[..., Resources], store: Store
) -> None:
    """The common model serves, its record says what it was judged by, and its file is one that a server loads."""
    tell("ana", 150)
    common, *tastes = train(resources())
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
    tell: Callable[..., None], resources: Callable[..., Resources], store: Store
) -> None:
    """Folds and seeds depend on listener and revision only: figures and file are the same but for the metadata."""
    tell("ana", 60)
    first, second = (train(resources())[0] for _ in range(2))
    assert first.version != second.version
    assert (first.model, first.ranking) == (second.model, second.ranking)
    assert graph_of(store, first.version) == graph_of(store, second.version)


def test_a_dry_run_writes_nothing(tell: Callable[..., None], resources: Callable[..., Resources], store: Store) -> None:
    """It evaluates all the same, and makes no version."""
    tell("ana", 60)
    common = train(resources(), dry_run=True)[0]
    assert (Outcome.PUBLISHED, "") == (common.outcome, common.version)
    assert ([], {}) == (list(store.models.runs()), dict(store.models.serving_versions("ana")))


@pytest.mark.parametrize("count", [4, 9])
def test_a_listener_of_few_labels_has_too_little_data_with_the_reason_on_record(
    tell: Callable[..., None], resources: Callable[..., Resources], store: Store, count: int
) -> None:
    """The reason names what there is and what it takes."""
    tell("ana", count)
    [report] = train(resources())
    [run] = store.models.runs()
    assert (Outcome.TOO_LITTLE_DATA, report.reason) == (report.outcome, run.reason)
    assert "10 together" in report.reason


def test_a_listener_whom_no_stage_admits_yet_has_too_little_data(
    tell: Callable[..., None], resources: Callable[..., Resources], store: Store
) -> None:
    """However few labels training would begin at; nothing has failed."""
    tell("ana", 8)
    [report] = train(resources(min_labels=4, min_of_each=2))
    assert Outcome.TOO_LITTLE_DATA is report.outcome
    assert "no learner's stage admits the profile yet" in report.reason
    [run] = store.models.runs()
    assert report.reason == run.reason


def test_a_listener_who_likes_everything_has_too_little_data(
    tell: Callable[..., None], resources: Callable[..., Resources]
) -> None:
    """One kind of label teaches nothing."""
    tell("ana", 1)
    tell("ana", 30, chance=0)
    assert Outcome.TOO_LITTLE_DATA is train(resources(min_of_each=16))[0].outcome


def test_a_taste_against_the_others_gets_a_model_of_its_own(
    tell: Callable[..., None], resources: Callable[..., Resources], store: Store
) -> None:
    """Where the common model is wrong about a taste, its own model serves it."""
    tell("ana", 400, contrary=CONTRARY)
    reports = {report.taste_id: report for report in train(resources(other_weight=0))}
    assert Outcome.PUBLISHED is reports[CONTRARY[0]].outcome
    assert reports[CONTRARY[0]].model.auc > reports[""].model.auc
    assert CONTRARY[0] in store.models.serving_versions("ana")
    assert {} == metadata_of(store, CONTRARY[0]).cluster_offsets


def test_the_common_model_knows_which_tastes_are_liked_at_all(
    tell: Callable[..., None], resources: Callable[..., Resources], store: Store
) -> None:
    """A listener whose likes follow the cluster, whatever a track sounds like, is served no worse than by ranking."""
    tell("ana", 100, liking={"electronica": 0.9, "rock": 0.1, "techno-trance": 0.5})
    common = train(resources())[0]
    assert Outcome.PUBLISHED is common.outcome
    assert common.model.auc > common.ranking.auc
    assert common.model.log_loss < common.ranking.log_loss
    offsets = metadata_of(store, "").cluster_offsets
    assert ["rock", "techno-trance", "electronica"] == sorted(offsets, key=lambda cluster: offsets[cluster])


def test_a_taste_with_few_labels_is_listed_with_the_reason(
    tell: Callable[..., None], resources: Callable[..., Resources]
) -> None:
    """The common model serves it until then."""
    tell("ana", 40)
    locked = [report for report in train(resources(taste_min_likes=500)) if report.taste_id]
    assert locked
    assert all(report.outcome is Outcome.TOO_LITTLE_DATA and "common model" in report.reason for report in locked)


def test_a_taste_that_agrees_with_the_others_is_left_to_the_common_model(
    tell: Callable[..., None], resources: Callable[..., Resources], store: Store
) -> None:
    """No model of its own is tried."""
    tell("ana", 90, clusters=("techno-trance",), chance=0)
    common, taste = train(resources(other_weight=0))
    assert (Outcome.PUBLISHED, Outcome.COMMON) == (common.outcome, taste.outcome)
    assert {""} == store.models.serving_versions("ana").keys()


def test_only_the_taste_that_was_named_is_trained(
    tell: Callable[..., None], resources: Callable[..., Resources], store: Store
) -> None:
    """The common model stays as it is; a taste that is not there is refused."""
    tell("ana", 300, contrary=CONTRARY)
    [report] = train(resources(), tastes=CONTRARY)
    assert CONTRARY[0] == report.taste_id
    assert "" not in store.models.serving_versions("ana")
    with pytest.raises(NotFound, match="polka"):
        train(resources(), tastes=("polka",))


def test_a_model_that_learnt_nothing_leaves_ranking_serving(
    tell: Callable[..., None], resources: Callable[..., Resources], store: Store
) -> None:
    """It is rejected, with its figures."""
    tell("ana", 250)

    class Wild(Logistic):
        def fit(self, dataset: Dataset, seed: int) -> LogisticModel:
            """Fit to labels that nobody gave."""
            drawn = np.random.default_rng(len(dataset.labels)).random(len(dataset.labels)) < 0.5
            return super().fit(replace(dataset, labels=drawn), seed)

    report = train(with_learner(resources(), Wild(LogisticConfig())))[0]
    assert Outcome.REJECTED is report.outcome
    assert "does not beat ranking" in report.reason
    assert {} == dict(store.models.serving_versions("ana"))


def test_the_challenger_is_compared_with_the_champion(
    tell: Callable[..., None], resources: Callable[..., Resources]
) -> None:
    """The champion is evaluated on the same folds, by those of their labels that it has seen."""
    tell("ana", 20)
    assert np.isnan(train(resources())[0].serving.log_loss)
    tell("ana", 200)
    report = train(resources())[0]
    assert report.serving.log_loss > report.model.log_loss


def test_a_pinned_model_is_not_replaced(
    tell: Callable[..., None], resources: Callable[..., Resources], store: Store
) -> None:
    """The new one is rejected, and says why."""
    tell("ana", 60)
    version = train(resources())[0].version
    store.models.pin(version, pinned=True)
    tell("ana", 100)
    report = train(resources())[0]
    assert Outcome.REJECTED is report.outcome
    assert "pinned" in report.reason
    assert version == store.models.serving_versions("ana")[""].version


def test_a_model_that_does_worse_than_ranking_by_now_is_withdrawn(
    tell: Callable[..., None], resources: Callable[..., Resources], store: Store
) -> None:
    """Ranking serves again, and the model can be rolled back to."""
    tell("ana", 40)
    sound = resources()
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
    tell: Callable[..., None], resources: Callable[..., Resources], store: Store
) -> None:
    """The run says which learner raised what."""
    tell("ana", 40)
    [report] = train(with_learner(resources(), Broken(LogisticConfig())))
    assert Outcome.FAILED is report.outcome
    assert "learner 'logistic' raised ZeroDivisionError: not today" in report.reason
    assert report.reason == store.models.runs()[0].reason


def test_an_export_that_differs_is_a_failed_training_with_the_worst_row(
    tell: Callable[..., None], resources: Callable[..., Resources], store: Store
) -> None:
    """Nothing is published."""
    tell("ana", 40)
    report = train(with_learner(resources(), Untrue(LogisticConfig())))[0]
    assert Outcome.FAILED is report.outcome
    assert "row" in report.reason
    assert ({}, report.reason) == (dict(store.models.serving_versions("ana")), store.models.runs()[0].reason)


def test_an_unknown_listener_is_refused(resources: Callable[..., Resources]) -> None:
    """There is nothing to train on."""
    with pytest.raises(NotFound, match="ana"):
        train(resources())
