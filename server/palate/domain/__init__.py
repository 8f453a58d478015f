"""Tastes and profiles: values, and the pure fold that makes them from feedback."""

from palate.domain.apply import Change, apply, apply_events, replay
from palate.domain.confidence import combined_confidence, confidence, dislike_pull
from palate.domain.profile import Event, EventKind, Profile, Rating, RecordedTrack, Tally, Taste, TasteState, Verdict

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
    "replay",
]
