"""What palate asks of a store: the feedback log, profiles, and models with their artifacts and training runs."""

import enum
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from math import nan
from typing import Protocol

from palate.domain.apply import Change
from palate.domain.profile import Event, Profile, Rating, Taste

__all__ = [
    "Current",
    "Header",
    "Metric",
    "ModelRecord",
    "ModelState",
    "ModelStore",
    "ServingVersion",
    "Store",
    "TrainingRun",
    "Transaction",
]


@dataclass(frozen=True, slots=True)
class Header:
    """The part of a profile that every read starts with.

    Attributes:
        revision: The profile's revision.
        feature_map: Fingerprint of the feature map that its tastes were computed with.
        created_at: When its first event was recorded, in microseconds since 1970-01-01 UTC.
        models_revision: Grows whenever another model serves one of the tastes; 0 while none does.
        generation: Random; tells a profile from a deleted predecessor of the same user_id, which no clock can. Empty
            for profiles that are older than this field.
    """

    revision: int
    feature_map: str
    created_at: int
    models_revision: int = 0
    generation: str = ""


@dataclass(frozen=True, slots=True)
class Current:
    """What the store holds of all that an event touches; without a header there is nothing else either.

    Attributes:
        header: The profile's header, or None when it does not exist.
        recorded: The event that the same request_id made, without its recorded track, or None.
        rating: The rating of the event's track, or None.
        tastes: By taste_id, the event's taste and that of `rating`, as far as they exist.
    """

    header: Header | None = None
    recorded: Event | None = None
    rating: Rating | None = None
    tastes: Mapping[str, Taste] = field(default_factory=dict)


class Transaction(Protocol):
    """One read-write transaction; nothing of it is visible or durable before it ends without an error.

    Several events can share one transaction and thereby one flush to the disk. Read everything that an event
    needs, refuse it if need be, and only then write: an error that the block catches before its event's first
    write leaves the events of the others as they are. `append`, `replace`, `replace_tastes` and `delete` do all of
    their writes or none. Once one of them has failed, the transaction is rolled back at its end, and every further
    call and the end of the block raise StoreUnavailable.
    """

    def header(self, user_id: str) -> Header | None:
        """Return a profile's header, or None when it does not exist."""

    def recorded(self, user_id: str, request_id: str) -> Event | None:
        """Return the event that a non-empty request_id made, without its recorded track, or None."""

    def current(self, user_id: str, track_id: str = "", taste_id: str = "", request_id: str = "") -> Current:
        """Return all that an event on a track or a taste touches, in one read; an empty name finds nothing."""

    def events(self, user_id: str) -> Iterator[Event]:
        """Iterate over a profile's whole log, oldest event first."""

    def append(self, user_id: str, event: Event, change: Change, feature_map: str) -> None:
        """Write an event to the log and what it changes to the profile.

        Raises:
            ValueError: When the log has the event's revision or its request_id already. The caller should have
                read `current` in the same transaction.
        """

    def replace(self, profile: Profile, feature_map: str) -> None:
        """Write a whole profile beside its untouched log: header, tastes and ratings.

        The profile must be the replay of that log: ratings are stored as references to its lines.
        """

    def replace_tastes(self, profile: Profile, feature_map: str) -> None:
        """Write the tastes of a profile, replayed with another feature map, and that map to its header.

        Ratings do not depend on the feature map and stay.
        """

    def delete(self, user_id: str) -> bool:
        """Delete a profile and its log. Return whether there was one."""


class ModelState(enum.IntEnum):
    """What became of a model; the numbers are those of the public contract."""

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
        state: What became of it.
        reason: Why it was rejected or is broken; empty otherwise.
        metrics: Its figures on held-out feedback.
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
        model_version: The model that it made; empty when training failed or had too little data.
        reason: Why there is no model or why it was not published; empty otherwise.
        labels_revision: The profile's revision up to which the labels reached.
        started_at: Microseconds since 1970-01-01 UTC.
        ended_at: Microseconds since 1970-01-01 UTC.
        generation: That of the profile's `Header`.
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
        """Return a model's ONNX file, or None when there is no such model or its file was deleted.

        The store retains the files that serve or served before, those of pinned models, and the last few others
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
            Empty when done; otherwise why it was not published: the profile is gone or of another generation than
            the run's; the taste is gone or was deleted and opened again since the labels; the serving model is pinned,
            or it has seen later labels, or the same and is of a greater version (another trainer was quicker). The
            record is then written as REJECTED with that reason, which is the run's as well. Where the profile that it
            was trained on is gone, nothing at all is written: what was deleted stays deleted.

        Raises:
            ValueError: When the store has the version or the run_id already.
        """

    def reject(self, record: ModelRecord, artifact: bytes, run: TrainingRun) -> None:
        """Write a model that did not win, in state REJECTED with its reason, with its run.

        Nothing is written where the profile is gone, as in `publish`.

        Raises:
            ValueError: When the store has the version or the run_id already.
        """

    def log_run(self, run: TrainingRun) -> None:
        """Write a run without a model, unless the profile is gone. ValueError when the store has the run_id already."""

    def withdraw(self, run: TrainingRun) -> str:
        """Let no model serve the run's taste any longer, and write the run, in one step.

        The model is retired, so that a rollback can bring it back; its serving version goes, and the profile's
        `models_revision` grows. Ranking or the common model serves the taste from then on.

        Returns:
            Empty when done; otherwise why not: no model serves the taste, or it is pinned, or it has seen later
            labels than the run. The run is then written with that reason. Where the profile is gone or of another
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
            NotFound: When there is no such model to go back to, its file was deleted, or its taste was deleted and
                opened again since.
        """

    def pin(self, version: str, *, pinned: bool) -> ModelRecord:
        """Let training not replace a model, or let it again. NotFound when there is no such model."""

    def runs(self, user_id: str = "", before: str = "", limit: int = 100) -> Sequence[TrainingRun]:
        """Return training runs, greatest run_id first: of one listener or all, below a run_id."""

    def last_runs(self, user_id: str) -> Mapping[str, TrainingRun]:
        """Return the last run of each taste of a listener, by taste_id."""


class Store(Protocol):
    """Feedback log, profiles and models. Safe to use from several threads and processes.

    Attributes:
        models: The models.
        local: Whether a read takes microseconds, so that an event loop may wait for it. A read from a database
            server takes as long as the network does.

    Every method raises StoreUnavailable when the database cannot be reached, is locked for too long or cannot
    be written. The store stays usable: the next call tries again. Open a store after forking, not before.
    """

    @property
    def models(self) -> ModelStore:
        """The models."""

    @property
    def local(self) -> bool:
        """Whether an event loop may wait for a read."""

    def header(self, user_id: str) -> Header | None:
        """Return a profile's header, or None when it does not exist. The one read of a served slate."""

    def profile(self, user_id: str) -> tuple[Profile, Header] | None:
        """Return a whole profile as it is stored, with its header, read in one snapshot; or None.

        Tastes stand in the order in which they were opened and ratings in the order of their revisions, as
        `palate.domain.replay` leaves them.
        """

    def since(self, user_id: str, after: int = 0) -> tuple[Header, Sequence[Event]] | None:
        """Return a profile's header and its events with a revision above `after`, read in one snapshot; or None.

        The events are those of the header's generation, which may not be the one that `after` is about.
        """

    def events(self, user_id: str, after: int = 0, limit: int | None = None) -> Sequence[Event]:
        """Return a profile's events with a revision above `after`, oldest first, at most `limit`."""

    def user_ids(self) -> Iterator[str]:
        """Iterate over all listeners, sorted by the code points of user_id.

        No snapshot is held meanwhile: listeners that come or go during the iteration may be missed.
        """

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Open the writing transaction. Durable when the block ends; undone when it raises.

        Transactions of all threads and processes follow one another. They do not nest.
        """

    def secret(self, name: str) -> bytes:
        """Return 32 random bytes, made at the first call and stored, the same for every worker."""

    def close(self) -> None:
        """Close all connections. The store cannot be used afterwards."""
