"""What palate asks of a store. `palate.testing.store` holds the suite that every store must pass."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from palate.domain.apply import Change
from palate.domain.profile import Event, Profile, Rating, Taste
from palate.store.model_contract import ModelStore

__all__ = ["Header", "Standing", "Store", "Transaction"]


@dataclass(frozen=True, slots=True)
class Header:
    """The part of a profile that every read starts with.

    Attributes:
        revision: The profile's revision.
        feature_map: Fingerprint of the feature map that its tastes were folded with.
        created_at: When its first event was recorded, in microseconds since 1970-01-01 UTC.
        models_revision: Grows whenever another model serves one of the tastes; 0 while none does.
        generation: Random; tells a profile from a deleted predecessor of the same user_id, which no clock can. Empty
            for profiles from before it was kept.
    """

    revision: int
    feature_map: str
    created_at: int
    models_revision: int = 0
    generation: str = ""

    def continues(self, earlier: "Header") -> bool:
        """Return whether only events lie between an earlier header and this one."""
        same = (self.feature_map, self.generation) == (earlier.feature_map, earlier.generation)
        return same and self.revision >= earlier.revision


@dataclass(frozen=True, slots=True)
class Standing:
    """What an event meets; without a header there is nothing else either.

    Attributes:
        header: The profile's header, or None when it does not exist.
        recorded: The event that the same request_id made, without its evidence, or None.
        rating: The verdict that stands on the event's track, or None.
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
    write leaves the events of the others as they are. `append`, `replace`, `refold` and `delete` do all of their
    writes or none: once one of them has failed, every further call raises StoreUnavailable, and so does the end of
    the block, and nothing of the transaction is kept.
    """

    def header(self, user_id: str) -> Header | None:
        """Return a profile's header, or None when it does not exist."""

    def recorded(self, user_id: str, request_id: str) -> Event | None:
        """Return the event that a non-empty request_id made, without its evidence, or None."""

    def standing(self, user_id: str, track_id: str = "", taste_id: str = "", request_id: str = "") -> Standing:
        """Return all that an event on a track or a taste meets, in one read; an empty name finds nothing."""

    def events(self, user_id: str) -> Iterator[Event]:
        """Iterate over a profile's whole log, oldest event first."""

    def append(self, user_id: str, event: Event, change: Change, feature_map: str) -> None:
        """Write an event to the log and what it changes to the profile.

        Raises:
            ValueError: When the log has the event's revision or its request_id already. The caller should have
                read `standing` in the same transaction.
        """

    def replace(self, profile: Profile, feature_map: str) -> None:
        """Write a whole profile anew beside its untouched log: header, tastes and standing verdicts.

        The profile must have been folded from that log: its ratings are kept as references to log lines.
        """

    def replace_tastes(self, profile: Profile, feature_map: str) -> None:
        """Write the tastes of a profile anew, as another feature map folds the same log, and that map to its header.

        What was rated does not depend on the feature map and stays.
        """

    def delete(self, user_id: str) -> bool:
        """Delete a profile and its log. Return whether there was one."""


class Store(Protocol):
    """Feedback log, profiles and models. Safe to use from several threads and processes.

    Attributes:
        models: The models.
        local: Whether a read is over within microseconds, so that an event loop may wait for it; where another
            program answers, it can take as long as the network lets it.

    Every method raises StoreUnavailable when the database cannot be reached, is locked for too long or cannot
    be written. The store stays usable: the next call tries anew. Open a store after forking, not before.
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
        """Return a whole profile as it was folded, with its header, read in one snapshot; or None.

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
        """Return 32 random bytes that are made once and kept, the same for every worker."""

    def close(self) -> None:
        """Let go of all connections. The store cannot be used afterwards."""
