"""Tastes and profiles: values, and the pure fold that makes them from feedback."""

from palate.tastes.confidence import combined_confidence, confidence, dislike_pull
from palate.tastes.fold import Change, advance, fold, replay
from palate.tastes.profile import Event, EventKind, Evidence, Profile, Rating, Tally, Taste, TasteState, Verdict

__all__ = [
    "Change",
    "Event",
    "EventKind",
    "Evidence",
    "Profile",
    "Rating",
    "Tally",
    "Taste",
    "TasteState",
    "Verdict",
    "advance",
    "combined_confidence",
    "confidence",
    "dislike_pull",
    "fold",
    "replay",
]
