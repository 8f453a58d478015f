"""Tastes and profiles: values, and the pure function that makes them from feedback."""

from palate.domain.apply import Change, apply, apply_events, replay
from palate.domain.profile import (
    Event,
    EventKind,
    Profile,
    Rating,
    RecordedTrack,
    Tally,
    Taste,
    TasteState,
    Verdict,
    combined_confidence,
    confidence,
    dislike_pull,
    read_only,
)

__all__ = [
    "Change",
    "Event",
    "EventKind",
    "Profile",
    "Rating",
    "RecordedTrack",
    "Tally",
    "Taste",
    "TasteState",
    "Verdict",
    "apply",
    "apply_events",
    "combined_confidence",
    "confidence",
    "dislike_pull",
    "read_only",
    "replay",
]
