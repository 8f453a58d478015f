"""RecordFeedback: validated, applied, durable, then acknowledged.

One thread writes. What arrives while it waits for the disk goes into its next transaction, so that many
callers share one flush.
"""

import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, TypeAlias

import structlog

from palate.catalog.snapshot import Catalog
from palate.domain import Event, EventKind, Profile, Rating, RecordedTrack, Taste, apply
from palate.errors import InvalidField, NotFound, PalateError, StoreUnavailable
from palate.metrics import Metrics
from palate.serving.profiles import load_profile
from palate.store.contract import Current, Header, Store, Transaction

__all__ = ["Feedback", "FeedbackService", "Recorded"]

_MAX_JOBS: Final = 256
_MAX_EVENTS: Final = 1_000
"""What goes into one transaction; a single larger job goes alone. Others wait for the store meanwhile."""
_RATINGS: Final = (EventKind.LIKE, EventKind.DISLIKE)
_Meaning: TypeAlias = tuple[EventKind, str, str]
"""What a request_id stands for: the kind of the feedback, its track, and the taste that it deletes."""
_log = structlog.get_logger(__name__)


class _Outdated(Exception):
    """A profile was computed with another feature map and must be replayed before it is written.

    Attributes:
        user_id: The listener.
    """

    def __init__(self, user_id: str) -> None:
        super().__init__(user_id)
        self.user_id = user_id


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
    """Feedback with the taste that it counts for and, for likes and dislikes, what the catalog says of its track."""

    feedback: Feedback
    taste_id: str
    track: RecordedTrack | None = None


_Outcome: TypeAlias = list[Recorded] | PalateError | _Outdated
"""What came of a job: its answers, its refusal, or that a profile must be replayed first."""


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
        metrics: Counts what is durable.
    """

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
        metrics: Metrics | None = None,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._clock = clock
        self._metrics = metrics or Metrics()
        self._appended: list[str] = []
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._replayed: dict[str, tuple[Profile, Header]] = {}
        self._thread = threading.Thread(target=self._write, name="feedback-writer", daemon=True)
        self._thread.start()

    def record(self, feedback: Sequence[Feedback]) -> Future[list[Recorded]]:
        """Record some likes and dislikes together or not at all, or one retraction or deletion.

        Feedback whose request_id was recorded already is not recorded again: it gets the answer of the first time.

        Returns:
            A future with one answer for each, which is done once all of it is durable. It fails with InvalidField
            for a request_id that was used for something else; with NotFound for a track that the catalog lacks, a
            retraction of a track without a rating and a deletion of a taste that is not there; and with
            StoreUnavailable when nothing could be written.

        Raises:
            ValueError: For a retraction or deletion among others, which could be refused only after they were written.
        """
        if len(feedback) > 1 and any(item.kind not in _RATINGS for item in feedback):
            raise ValueError("a retraction or deletion is recorded alone; record the others apart from it")
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
        """Look up the tracks of likes and dislikes."""
        track_ids = [item.track_id for item in feedback]
        rows = [self._catalog.row(track_ids[0])] if len(track_ids) == 1 else self._catalog.rows(track_ids).tolist()
        return [
            _Known(item, item.taste_id)
            if item.kind not in _RATINGS or row is None or row < 0
            else self._rating(item, row)
            for item, row in zip(feedback, rows, strict=True)
        ]

    def _rating(self, feedback: Feedback, row: int) -> _Known:
        cluster = self._catalog.clusters[self._catalog.cluster[row]]
        track = RecordedTrack(tuple(self._catalog.features[row].tolist()), self._catalog.genre_names(row))
        return _Known(feedback, "" if cluster.excluded else cluster.cluster_id, track)

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

        One that breaks is taken out, and the others are written without it. One whose profile was computed with
        another feature map is written after the others, once its log has been replayed: long logs take seconds.
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
                    self._count()
                _answer(group, outcomes)
                group = self._ready(group, outcomes)
        self._replayed.clear()

    def _ready(self, group: Sequence[_Job], outcomes: Sequence[_Outcome]) -> list[_Job]:
        """Replay outdated profiles, outside of any transaction, and return the jobs that wait for them."""
        jobs = []
        for job, outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, _Outdated):
                try:
                    self._replay(outcome.user_id)
                except Exception as error:  # noqa: BLE001 - the caller gets it; the writer must live on
                    _fail([job], error)
                else:
                    jobs.append(job)
        return jobs

    def _replay(self, user_id: str) -> None:
        loaded = load_profile(self._store, self._catalog.feature_map, user_id)
        if loaded is not None:
            self._replayed[user_id] = loaded

    def _require_current(self, user_id: str, header: Header | None) -> Mapping[str, Taste] | None:
        """Return an outdated profile's replayed tastes, None for a current one; raise _Outdated before the replay."""
        if header is None or header.feature_map == self._catalog.feature_map.fingerprint:
            return None
        profile, replayed_header = self._replayed.get(user_id, (None, None))
        if profile is None or replayed_header != header:
            raise _Outdated(user_id)
        return profile.tastes

    def _count(self) -> None:
        self._metrics.feedback_batch.observe(len(self._appended))
        for kind, count in Counter(self._appended).items():
            self._metrics.feedback_recorded.labels(kind).inc(count)

    def _record(self, transaction: Transaction, known: Sequence[_Known]) -> list[Recorded]:
        """Record some feedback. Everything that can be refused is refused before the first write."""
        if len(known) == 1:
            return [self._record_one(transaction, known[0])]
        answers = _earlier_answers(transaction.recorded, known)
        for user_id in {item.feedback.user_id for item in known}:
            self._require_current(user_id, transaction.header(user_id))
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
        """Apply one event to the store. What can be refused is refused before the first write."""
        feedback, taste_id = known.feedback, known.taste_id
        user_id = feedback.user_id
        header, rating, tastes = current.header, current.rating, current.tastes
        _refuse_what_is_not_there(feedback, rating, taste_id in tastes)
        if feedback.kind is EventKind.RETRACT and rating is not None:
            taste_id = rating.taste_id
        feature_map = self._catalog.feature_map
        replayed = self._require_current(user_id, header)
        if replayed is not None:
            transaction.replace_tastes(self._replayed[user_id][0], feature_map.fingerprint)
            tastes = replayed
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
    except (InvalidField, NotFound, _Outdated) as error:
        return error


def _answer(jobs: Sequence[_Job], outcomes: Sequence[_Outcome]) -> None:
    for job, outcome in zip(jobs, outcomes, strict=True):
        if isinstance(outcome, PalateError):
            job.future.set_exception(outcome)
        elif not isinstance(outcome, _Outdated):
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
    meanings: dict[tuple[str, str], _Meaning] = {}
    for item in known:
        feedback = item.feedback
        key = feedback.user_id, feedback.request_id
        if feedback.request_id and key not in meanings:
            earlier = recorded(*key)
            if earlier is not None:
                answers[key], meanings[key] = Recorded(earlier.revision, earlier.taste_id), _meaning(earlier)
        if meanings.get(key, _meaning(feedback)) != _meaning(feedback):
            raise InvalidField(
                f"{feedback.path}request_id",
                f"{feedback.request_id!r} was used for something else; send it again only with the same feedback, "
                f"and make a new one for each other",
            )
        if key not in answers and feedback.kind in _RATINGS and item.track is None:
            raise NotFound("track", feedback.track_id)
        if feedback.request_id:
            meanings[key] = _meaning(feedback)
    return answers


def _meaning(what: Feedback | Event) -> _Meaning:
    return what.kind, what.track_id, what.taste_id if what.kind is EventKind.DELETE_TASTE else ""


def _refuse_what_is_not_there(feedback: Feedback, rating: Rating | None, taste_exists: bool) -> None:
    if feedback.kind is EventKind.RETRACT and rating is None:
        raise NotFound("feedback", feedback.track_id)
    if feedback.kind is EventKind.DELETE_TASTE and not taste_exists:
        raise NotFound("taste", feedback.taste_id)
