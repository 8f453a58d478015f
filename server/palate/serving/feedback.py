"""Recording feedback: validated, folded, durable, then acknowledged.

One thread writes. What arrives while it waits for the disk goes into its next transaction, so that many
callers share one flush.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, TypeAlias

import structlog

from palate.catalog.snapshot import Catalog
from palate.domain import Event, EventKind, Rating, RecordedTrack, apply
from palate.errors import InvalidField, NotFound, PalateError, StoreUnavailable
from palate.observer import UNOBSERVED, Observer
from palate.serving.refolding import Outdated, Refolding
from palate.store.contract import Current, Store, Transaction

__all__ = ["Feedback", "FeedbackService", "Recorded"]

_MAX_JOBS: Final = 256
_MAX_EVENTS: Final = 1_000
"""What goes into one transaction; a single larger job goes alone. Others wait for the store meanwhile."""
_VERDICTS: Final = (EventKind.LIKE, EventKind.DISLIKE)
_Deed: TypeAlias = tuple[EventKind, str, str]
"""What a request_id stands for: the kind of the feedback, its track, and the taste that it deletes."""
_Outcome: TypeAlias = list["Recorded"] | PalateError | Outdated
"""What came of a job: its answers, its refusal, or that a profile must be made ready first."""
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
        path: What precedes its fields' names in errors, such as ``requests[3].``.
    """

    user_id: str
    kind: EventKind
    track_id: str = ""
    taste_id: str = ""
    request_id: str = ""
    recommendation_id: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What came of it: the profile's revision after it, and the taste that it counts for, or empty."""

    revision: int
    taste_id: str


@dataclass(frozen=True, slots=True)
class _Known:
    """Feedback with the taste that a verdict counts for and what is known of its track; None without one."""

    feedback: Feedback
    taste_id: str
    track: RecordedTrack | None = None


@dataclass(frozen=True, slots=True)
class _Job:
    """What waits to be written: its work, how many events that is, and the future that its caller has."""

    work: Callable[[Transaction], list[Recorded]]
    events: int
    future: Future[list[Recorded]]


class FeedbackService:
    """Writes feedback to the store in groups. Close it to stop its thread.

    Args:
        store: Where to write.
        catalog: Says what is known of a track.
        clock: Microseconds since 1970-01-01 UTC.
        observer: Is told of what is durable.
    """

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
        observer: Observer = UNOBSERVED,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._clock = clock
        self._observer = observer
        self._appended: list[str] = []
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._refolding = Refolding(store, catalog.feature_map)
        self._thread = threading.Thread(target=self._write, name="feedback-writer", daemon=True)
        self._thread.start()

    def record(self, feedback: Sequence[Feedback]) -> Future[list[Recorded]]:
        """Record some verdicts together or not at all, or one retraction or deletion.

        Feedback whose request_id was recorded already is not recorded again: it gets the answer of the first time.

        Returns:
            A future with one answer for each, which is done once all of it is durable. It fails with InvalidField
            for a request_id that was used for something else; with NotFound for a track that the catalog lacks, a
            retraction without a rating and a deletion of a taste that is not there; and with
            StoreUnavailable when nothing could be written.

        Raises:
            ValueError: For a retraction or deletion among others, which could be refused only after they were written.
        """
        if len(feedback) > 1 and any(item.kind not in _VERDICTS for item in feedback):
            raise ValueError("a retraction or deletion is recorded alone; record the verdicts apart from it")
        known = self._known(feedback)
        return self._submit(lambda transaction: self._record(transaction, known), len(feedback))

    def delete_profile(self, user_id: str) -> Future[list[Recorded]]:
        """Delete a profile with its log. The future fails with NotFound when there is none."""

        def job(transaction: Transaction) -> list[Recorded]:
            if not transaction.delete(user_id):
                raise NotFound("profile", user_id)
            return []

        return self._submit(job, events=1)

    def close(self) -> None:
        """Write what was submitted, then stop."""
        self._jobs.put(None)
        self._thread.join()

    def _submit(self, work: Callable[[Transaction], list[Recorded]], events: int) -> Future[list[Recorded]]:
        job = _Job(work, events, Future())
        self._jobs.put(job)
        return job.future

    def _known(self, feedback: Sequence[Feedback]) -> list[_Known]:
        """Look up the tracks of verdicts."""
        track_ids = [item.track_id for item in feedback]
        rows = [self._catalog.row(track_ids[0])] if len(track_ids) == 1 else self._catalog.rows(track_ids).tolist()
        return [
            _Known(item, item.taste_id)
            if item.kind not in _VERDICTS or row is None or row < 0
            else self._verdict(item, row)
            for item, row in zip(feedback, rows, strict=True)
        ]

    def _verdict(self, feedback: Feedback, row: int) -> _Known:
        cluster = self._catalog.clusters[self._catalog.cluster[row]]
        evidence = RecordedTrack(tuple(self._catalog.features[row].tolist()), self._catalog.genre_names(row))
        return _Known(feedback, "" if cluster.excluded else cluster.cluster_id, evidence)

    def _write(self) -> None:
        waiting: deque[_Job] = deque()
        more = True
        while more or waiting:
            if more:
                more = self._receive(waiting)
            group = _next_group(waiting)
            self._write_group([job for job in group if job.future.set_running_or_notify_cancel()])

    def _receive(self, waiting: deque[_Job]) -> bool:
        """Let what was submitted wait, and stay until there is something. Return whether more may follow."""
        while not waiting or not self._jobs.empty():
            job = self._jobs.get()
            if job is None:
                return False
            waiting.append(job)
        return True

    def _write_group(self, group: Sequence[_Job]) -> None:
        """Write jobs in one transaction.

        One that breaks is taken out, and the others are written without it. One whose profile was folded with
        another feature map is written after the others, once that profile is ready.
        """
        while group:
            outcomes: list[_Outcome] = []
            begun = False
            self._appended.clear()
            try:
                with self._store.transaction() as transaction:
                    begun = True
                    for job in group:
                        outcomes.append(_outcome(job, transaction))  # noqa: PERF401 - counts up to one that breaks
            except Exception as error:  # noqa: BLE001 - the callers get it; the writer must live on
                place = len(outcomes)
                one_broke = begun and place < len(group)
                _fail(group[place : place + 1] if one_broke else group, error)
                group = [*group[:place], *group[place + 1 :]] if one_broke else ()
            else:
                if self._appended:
                    self._observer.feedback_written(self._appended)
                _answer(group, outcomes)
                group = self._prepared(group, outcomes)
        self._refolding.forget()

    def _prepared(self, group: Sequence[_Job], outcomes: Sequence[_Outcome]) -> list[_Job]:
        """Fold outdated profiles anew and return the jobs that wait for them."""
        jobs = []
        for job, outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, Outdated):
                try:
                    self._refolding.prepare(outcome.user_id)
                except Exception as error:  # noqa: BLE001 - the caller gets it; the writer must live on
                    _fail([job], error)
                else:
                    jobs.append(job)
        return jobs

    def _record(self, transaction: Transaction, known: Sequence[_Known]) -> list[Recorded]:
        """Record some feedback. Everything that can be refused is refused before the first write."""
        if len(known) == 1:
            return [self._record_one(transaction, known[0])]
        answers = _earlier_answers(transaction.recorded, known)
        for user_id in {item.feedback.user_id for item in known}:
            self._refolding.require(transaction, user_id)
        recorded = []
        for item in known:
            key = item.feedback.user_id, item.feedback.request_id
            answer = answers.get(key) or self._apply(transaction, item, _current(transaction, item))
            if item.feedback.request_id:
                answers[key] = answer
            recorded.append(answer)
        return recorded

    def _record_one(self, transaction: Transaction, known: _Known) -> Recorded:
        """Do what `_record` does, with one read."""
        current = _current(transaction, known)
        answers = _earlier_answers(lambda *_: current.recorded, [known])
        return next(iter(answers.values()), None) or self._apply(transaction, known, current)

    def _apply(self, transaction: Transaction, known: _Known, current: Current) -> Recorded:
        """Fold one event into the store. What can be refused is refused before the first write."""
        feedback, taste_id = known.feedback, known.taste_id
        user_id = feedback.user_id
        header, rating, tastes = current.header, current.rating, current.tastes
        _refuse_what_is_not_there(feedback, rating, taste_id in tastes)
        if feedback.kind is EventKind.RETRACT and rating is not None:
            taste_id = rating.taste_id
        feature_map = self._catalog.feature_map
        if header is not None and header.feature_map != feature_map.fingerprint:
            tastes = self._refolding.write(transaction, user_id, header)
        event = Event(
            revision=1 + (header.revision if header else 0),
            kind=feedback.kind,
            track_id=feedback.track_id,
            taste_id=taste_id,
            track=known.track,
            request_id=feedback.request_id,
            recommendation_id=feedback.recommendation_id,
            recorded_at=self._clock(),
        )
        change = apply(event, rating, tastes, feature_map)
        transaction.append(user_id, event, change, feature_map.fingerprint)
        self._appended.append(event.kind.name.lower())
        return Recorded(event.revision, event.taste_id)


def _next_group(waiting: deque[_Job]) -> list[_Job]:
    """Take the first jobs that wait, as many as go into one transaction."""
    group: list[_Job] = []
    events = 0
    while waiting and len(group) < _MAX_JOBS and (not group or events + waiting[0].events <= _MAX_EVENTS):
        group.append(waiting.popleft())
        events += group[-1].events
    return group


def _outcome(job: _Job, transaction: Transaction) -> _Outcome:
    """Do a job, which refuses before its first write what it must refuse."""
    try:
        return job.work(transaction)
    except (InvalidField, NotFound, Outdated) as error:
        return error


def _answer(jobs: Sequence[_Job], outcomes: Sequence[_Outcome]) -> None:
    for job, outcome in zip(jobs, outcomes, strict=True):
        if isinstance(outcome, PalateError):
            job.future.set_exception(outcome)
        elif not isinstance(outcome, Outdated):
            job.future.set_result(outcome)


def _fail(jobs: Sequence[_Job], error: Exception) -> None:
    """Fail each job with an error of its own: each caller's raise adds to the traceback of what it raises."""
    if not isinstance(error, StoreUnavailable):
        _log.error("feedback could not be written", exc_info=error)
    for job in jobs:
        own = StoreUnavailable(str(error)) if isinstance(error, StoreUnavailable) else RuntimeError(str(error))
        own.__cause__ = error
        job.future.set_exception(own)


def _current(transaction: Transaction, known: _Known) -> Current:
    feedback = known.feedback
    return transaction.current(feedback.user_id, feedback.track_id, known.taste_id, feedback.request_id)


def _earlier_answers(
    recorded: Callable[[str, str], Event | None], known: Sequence[_Known]
) -> dict[tuple[str, str], Recorded]:
    """Return what was answered to request ids that come again, by user_id and request_id.

    Raises:
        InvalidField: For a request_id that stands for something else, in the log or earlier among these.
        NotFound: For a track that the catalog lacks, unless the answer to it is known.
    """
    answers: dict[tuple[str, str], Recorded] = {}
    deeds: dict[tuple[str, str], _Deed] = {}
    for item in known:
        feedback = item.feedback
        key = feedback.user_id, feedback.request_id
        if feedback.request_id and key not in deeds:
            earlier = recorded(*key)
            if earlier is not None:
                answers[key], deeds[key] = Recorded(earlier.revision, earlier.taste_id), _deed(earlier)
        if deeds.get(key, _deed(feedback)) != _deed(feedback):
            raise InvalidField(
                f"{feedback.path}request_id",
                f"{feedback.request_id!r} was used for something else; send it again only with the same feedback, "
                f"and make a new one for each other",
            )
        if key not in answers and feedback.kind in _VERDICTS and item.track is None:
            raise NotFound("track", feedback.track_id)
        if feedback.request_id:
            deeds[key] = _deed(feedback)
    return answers


def _deed(what: Feedback | Event) -> _Deed:
    return what.kind, what.track_id, what.taste_id if what.kind is EventKind.DELETE_TASTE else ""


def _refuse_what_is_not_there(feedback: Feedback, rating: Rating | None, taste_exists: bool) -> None:
    if feedback.kind is EventKind.RETRACT and rating is None:
        raise NotFound("feedback", feedback.track_id)
    if feedback.kind is EventKind.DELETE_TASTE and not taste_exists:
        raise NotFound("taste", feedback.taste_id)
