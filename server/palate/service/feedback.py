"""Recording feedback: validated, folded, durable, then acknowledged.

One thread writes. What arrives while it waits for the disk goes into its next transaction, so that many
callers share one flush.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

import structlog

from palate.catalog.snapshot import Catalog
from palate.errors import NotFound, StoreUnavailable
from palate.store.contract import Store, Transaction
from palate.tastes import Event, EventKind, Evidence, Rating, fold, replay

__all__ = ["Feedback", "FeedbackService", "Recorded"]

_MAX_GROUP: Final = 256
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Feedback:
    """One thing that a listener did.

    Attributes:
        user_id: The listener.
        kind: What they did.
        track_id: The track; empty for DELETE_TASTE.
        taste_id: The taste to delete; empty otherwise.
        request_id: Makes a repeat harmless; may be empty.
        recommendation_id: The slate that the track came from; may be empty.
    """

    user_id: str
    kind: EventKind
    track_id: str = ""
    taste_id: str = ""
    request_id: str = ""
    recommendation_id: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What came of it: the profile's revision after it, and the taste that it counts for, or empty."""

    revision: int
    taste_id: str


_Job = Callable[[Transaction], "list[Recorded]"]
_Waiting = tuple[_Job, "Future[list[Recorded]]"]


class FeedbackService:
    """Writes feedback to the store in groups. Close it to stop its thread.

    Args:
        store: Where to write.
        catalog: Says what is known of a track.
        clock: Microseconds since 1970-01-01 UTC.
    """

    def __init__(
        self, store: Store, catalog: Catalog, clock: Callable[[], int] = lambda: time.time_ns() // 1000
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._clock = clock
        self._jobs: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="feedback-writer", daemon=True)
        self._thread.start()

    def record(self, feedback: Sequence[Feedback]) -> Future[list[Recorded]]:
        """Record some feedback together or not at all.

        Returns:
            A future with one answer for each, which is done once all of it is durable. It fails with NotFound
            for a retraction without a standing verdict and a deletion of a taste that is not there, and with
            StoreUnavailable when nothing could be written.

        Raises:
            NotFound: When the catalog lacks one of the tracks.
        """
        known = [(item, self._evidence(item)) for item in feedback]
        return self._submit(lambda transaction: [self._apply(transaction, *item) for item in known])

    def delete_profile(self, user_id: str) -> Future[list[Recorded]]:
        """Delete a profile with its log. The future fails with NotFound when there is none."""

        def job(transaction: Transaction) -> list[Recorded]:
            if not transaction.delete(user_id):
                raise NotFound("profile", user_id)
            return []

        return self._submit(job)

    def close(self) -> None:
        """Write what was submitted, then stop."""
        self._jobs.put(None)
        self._thread.join()

    def _submit(self, job: _Job) -> Future[list[Recorded]]:
        future: Future[list[Recorded]] = Future()
        self._jobs.put((job, future))
        return future

    def _evidence(self, feedback: Feedback) -> tuple[str, Evidence | None]:
        """Return the taste that a verdict counts for and what is known of the track."""
        if feedback.kind not in (EventKind.LIKE, EventKind.DISLIKE):
            return feedback.taste_id, None
        row = self._catalog.row(feedback.track_id)
        if row is None:
            raise NotFound("track", feedback.track_id)
        cluster = self._catalog.clusters[self._catalog.cluster[row]]
        evidence = Evidence(tuple(self._catalog.features[row].tolist()), self._catalog.genre_names(row))
        return "" if cluster.excluded else cluster.cluster_id, evidence

    def _write(self) -> None:
        while (first := self._jobs.get()) is not None:
            group = [first]
            while len(group) < _MAX_GROUP and not self._jobs.empty():
                following = self._jobs.get()
                if following is None:
                    self._jobs.put(None)
                    break
                group.append(following)
            self._write_group([(job, future) for job, future in group if future.set_running_or_notify_cancel()])

    def _write_group(self, group: Sequence[_Waiting]) -> None:
        """Write jobs in one transaction. One that breaks is taken out, and the others are written without it."""
        while group:
            outcomes: list[list[Recorded] | NotFound] = []
            begun = False
            try:
                with self._store.transaction() as transaction:
                    begun = True
                    for job, _ in group:
                        outcomes.append(_outcome(job, transaction))
            except Exception as error:  # noqa: BLE001 - the callers get it; the writer must live on
                place = len(outcomes)
                one_broke = begun and place < len(group)
                _fail(group[place : place + 1] if one_broke else group, error)
                group = [*group[:place], *group[place + 1 :]] if one_broke else ()
            else:
                _answer(group, outcomes)
                return

    def _apply(self, transaction: Transaction, feedback: Feedback, known: tuple[str, Evidence | None]) -> Recorded:
        """Fold one event into the store. Everything that can be refused is refused before the first write."""
        user_id, (taste_id, evidence) = feedback.user_id, known
        if feedback.request_id:
            earlier = transaction.recorded(user_id, feedback.request_id)
            if earlier is not None:
                return Recorded(earlier.revision, earlier.taste_id)
        header = transaction.header(user_id)
        standing = transaction.rating(user_id, feedback.track_id) if feedback.track_id else None
        tastes = transaction.tastes(user_id, {taste_id, standing.taste_id if standing else ""} - {""})
        _refuse_what_is_not_there(feedback, standing, taste_id in tastes)
        if feedback.kind is EventKind.RETRACT and standing is not None:
            taste_id = standing.taste_id
        feature_map = self._catalog.feature_map
        if header is not None and header.feature_map != feature_map.fingerprint:
            profile = replay(user_id, transaction.events(user_id), feature_map)
            transaction.replace(profile, feature_map.fingerprint)
            tastes = profile.tastes
        event = Event(
            revision=1 + (header.revision if header else 0),
            kind=feedback.kind,
            track_id=feedback.track_id,
            taste_id=taste_id,
            evidence=evidence,
            request_id=feedback.request_id,
            recommendation_id=feedback.recommendation_id,
            recorded_at=self._clock(),
        )
        change = fold(event, standing, tastes, feature_map)
        transaction.append(user_id, event, change, feature_map.fingerprint)
        return Recorded(event.revision, event.taste_id)


def _outcome(job: _Job, transaction: Transaction) -> list[Recorded] | NotFound:
    """Do a job, which refuses before its first write what it must refuse."""
    try:
        return job(transaction)
    except NotFound as error:
        return error


def _answer(jobs: Sequence[_Waiting], outcomes: Sequence[list[Recorded] | NotFound]) -> None:
    for (_, future), outcome in zip(jobs, outcomes, strict=True):
        if isinstance(outcome, NotFound):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)


def _fail(jobs: Sequence[_Waiting], error: Exception) -> None:
    if not isinstance(error, StoreUnavailable):
        _log.error("feedback could not be written", exc_info=error)
    for _, future in jobs:
        future.set_exception(error)


def _refuse_what_is_not_there(feedback: Feedback, standing: Rating | None, taste_exists: bool) -> None:
    if feedback.kind is EventKind.RETRACT and standing is None:
        raise NotFound("feedback", feedback.track_id)
    if feedback.kind is EventKind.DELETE_TASTE and not taste_exists:
        raise NotFound("taste", feedback.taste_id)
