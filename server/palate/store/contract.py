"""What palate asks of a store. `palate.testing.store` holds the suite that every store must pass."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from palate.tastes.fold import Change
from palate.tastes.profile import Event, Profile, Rating, Taste

__all__ = ["Header", "Store", "Transaction"]


@dataclass(frozen=True, slots=True)
class Header:
    """The part of a profile that every read starts with.

    Attributes:
        revision: The profile's revision.
        feature_map: Fingerprint of the feature map that its tastes were folded with.
    """

    revision: int
    feature_map: str


class Transaction(Protocol):
    """One read-write transaction; nothing of it is visible or durable before it ends without an error."""

    def header(self, user_id: str) -> Header | None:
        """Return a profile's header, or None when it does not exist."""

    def recorded(self, user_id: str, request_id: str) -> Event | None:
        """Return the event that a non-empty request_id made, without its evidence, or None."""

    def rating(self, user_id: str, track_id: str) -> Rating | None:
        """Return the verdict that stands on a track, or None."""

    def tastes(self, user_id: str, taste_ids: Iterable[str]) -> Mapping[str, Taste]:
        """Return those of the named tastes that exist."""

    def events(self, user_id: str) -> Iterator[Event]:
        """Iterate over a profile's whole log, oldest event first."""

    def append(self, user_id: str, event: Event, change: Change, feature_map: str) -> None:
        """Write an event to the log and what it changes to the profile."""

    def replace(self, profile: Profile, feature_map: str) -> None:
        """Write a whole profile anew beside its untouched log: header, tastes and standing verdicts."""

    def delete(self, user_id: str) -> bool:
        """Delete a profile and its log. Return whether there was one."""


class Store(Protocol):
    """Feedback log and profiles. Safe to use from several threads and processes.

    Every method raises StoreUnavailable when the database cannot be reached, is locked for too long or cannot
    be written.
    """

    def header(self, user_id: str) -> Header | None:
        """Return a profile's header, or None when it does not exist. The one read of a served slate."""

    def profile(self, user_id: str) -> tuple[Profile, Header] | None:
        """Return a whole profile as it was folded, with its header, read in one snapshot; or None."""

    def events(self, user_id: str, after: int = 0) -> Sequence[Event]:
        """Return a profile's events with a revision above `after`, oldest first."""

    def user_ids(self) -> Iterator[str]:
        """Iterate over all listeners, sorted by user_id."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Open the writing transaction. Durable when the block ends; undone when it raises.

        Transactions of all threads and processes follow one another.
        """

    def secret(self, name: str) -> bytes:
        """Return 32 random bytes that are made once and kept, the same for every worker."""

    def check(self) -> None:
        """Raise StoreUnavailable when the store cannot be read and written now."""

    def close(self) -> None:
        """Let go of all connections. The store cannot be used afterwards."""
