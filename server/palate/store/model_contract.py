"""What palate asks of a store about models: records, artifacts, serving versions and training runs."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Protocol

__all__ = ["Metric", "ModelRecord", "ModelState", "ModelStore", "ServingVersion", "TrainingRun"]


class ModelState(enum.IntEnum):
    """Where a model stands; the numbers are those of the public contract."""

    SERVING = 1
    RETIRED = 2
    REJECTED = 3
    BROKEN = 4


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure on held-out feedback: of the model, of plain ranking, and of the model in service (or not a number)."""

    name: str
    value: float
    ranking_value: float
    serving_value: float = nan


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """All that is known of a model but its artifact.

    Attributes:
        version: Unique over all models; later models of a taste have greater versions.
        user_id: The listener.
        taste_id: The taste; empty for the listener's common model, which serves every taste without its own.
        learner: The learner that trained it.
        state: Where it stands.
        reason: Why it was rejected or is broken; empty otherwise.
        metrics: What it was judged by.
        label_count: On how many labels it was trained.
        labels_revision: The profile's revision up to which its labels reach.
        size_bytes: Of the artifact.
        sha256: Of the artifact, in hexadecimal digits.
        created_at: Microseconds since 1970-01-01 UTC.
        pinned: Whether training may not replace it.
    """

    version: str
    user_id: str
    taste_id: str
    learner: str
    state: ModelState
    reason: str
    metrics: tuple[Metric, ...]
    label_count: int
    labels_revision: int
    size_bytes: int
    sha256: str
    created_at: int
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class ServingVersion:
    """Which model serves a taste.

    Attributes:
        taste_id: The taste; empty for the common model.
        version: The model to serve.
        learner: The learner that trained it.
        sha256: Of its artifact.
        previous: The version that served before, for when this one cannot be loaded; or empty.
    """

    taste_id: str
    version: str
    learner: str
    sha256: str
    previous: str = ""


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """One run of the trainer over one taste.

    Attributes:
        run_id: Unique; later runs have greater ones.
        user_id: The listener.
        taste_id: The taste; empty for the common model.
        model_version: What came of it; empty when training failed or was locked out.
        reason: Why there is no model or why it was not published; empty otherwise.
        labels_revision: The profile's revision up to which the labels reached.
        started_at: Microseconds since 1970-01-01 UTC.
        ended_at: Microseconds since 1970-01-01 UTC.
        generation: That of the profile, as its `palate.store.contract.Header` had it.
    """

    run_id: str
    user_id: str
    taste_id: str
    model_version: str
    reason: str
    labels_revision: int
    started_at: int
    ended_at: int
    generation: str = ""


class ModelStore(Protocol):
    """Models beside the profiles that they belong to. Deleting a profile deletes its models and runs.

    Safe to use from several threads and processes. Every method raises StoreUnavailable as `Store` does.
    """

    def serving_versions(self, user_id: str) -> Mapping[str, ServingVersion]:
        """Return what serves each taste of a listener, by taste_id. One read."""

    def artifact(self, version: str) -> bytes | None:
        """Return a model's ONNX file, or None when there is no such model or its file is no longer kept.

        Kept are the files that serve or served before, those of pinned models, and the last few others
        of each taste.
        """

    def record(self, version: str) -> ModelRecord | None:
        """Return what is known of a model, or None."""

    def records(
        self, user_id: str = "", taste_id: str | None = None, before: str = "", limit: int = 100
    ) -> Sequence[ModelRecord]:
        """Return models, greatest version first: of one listener or all, of one taste or all, below a version."""

    def publish(self, record: ModelRecord, artifact: bytes, run: TrainingRun) -> str:
        """Write a model in state SERVING with its run, let it serve, and retire the one before, in one step.

        The profile's `models_revision` grows, so that the next read of the header on any worker sees the swap.

        Returns:
            Empty when done; otherwise why it was kept out: the profile is gone or another generation than the
            run's; the taste is gone or has begun anew since the labels; the model in service is pinned, or it has seen
            later labels, or the same and is of a greater version (another trainer was quicker). The record is then
            written as REJECTED with that reason, which is the run's as well. Where the profile that it was trained on
            is gone, nothing at all is written: what was deleted stays deleted.

        Raises:
            ValueError: When the store has the version or the run_id already.
        """

    def reject(self, record: ModelRecord, artifact: bytes, run: TrainingRun) -> None:
        """Keep a model that did not win, in state REJECTED with its reason, with its run.

        Nothing is written where the profile is gone, as in `publish`.

        Raises:
            ValueError: When the store has the version or the run_id already.
        """

    def log_run(self, run: TrainingRun) -> None:
        """Keep a run without a model, unless the profile is gone. ValueError when the store has the run_id already."""

    def withdraw(self, run: TrainingRun) -> str:
        """Take what serves the run's taste out of service, with the run, in one step.

        The model is retired, so that a rollback can bring it back; its serving version goes, and the profile's
        `models_revision` grows. Ranking or the common model serves the taste from then on.

        Returns:
            Empty when done; otherwise why not: no model serves the taste, or it is pinned, or it has seen later
            labels than the run. The run is then written with that reason. Where the profile is gone or another
            generation than the run's, nothing is written.
        """

    def mark_broken(self, version: str, reason: str) -> None:
        """Say that a published model could not be loaded; its serving version stays until it is replaced.

        Only the first call for a model changes anything.
        """

    def rollback(self, user_id: str, taste_id: str, version: str = "") -> ModelRecord:
        """Let a retired model serve a taste again, the one that served before when no version is named.

        Going back again without a version goes further back; a taste that nothing serves goes back to its latest
        retired model. A model that serves already is left as it is.

        Raises:
            NotFound: When there is no such model to go back to, its file is no longer kept, or its taste has begun
                anew since.
        """

    def pin(self, version: str, *, pinned: bool) -> ModelRecord:
        """Let training not replace a model, or let it again. NotFound when there is no such model."""

    def runs(self, user_id: str = "", before: str = "", limit: int = 100) -> Sequence[TrainingRun]:
        """Return training runs, greatest run_id first: of one listener or all, below a run_id."""

    def last_runs(self, user_id: str) -> Mapping[str, TrainingRun]:
        """Return the last run of each taste of a listener, by taste_id."""
