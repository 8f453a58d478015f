"""What came of training: values that travel from the worker to the table."""

import enum
from dataclasses import dataclass
from math import nan

__all__ = ["Figures", "ListenerReport", "Outcome", "TasteReport"]


class Outcome(enum.StrEnum):
    """How training a taste ended."""

    PUBLISHED = "published"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    FAILED = "failed"
    COMMON = "left to the common model"
    LOCKED_OUT = "locked out"


@dataclass(frozen=True, slots=True)
class Figures:
    """AUC and log-loss on held-out labels; not numbers where there is nothing to measure."""

    auc: float = nan
    log_loss: float = nan


@dataclass(frozen=True, slots=True)
class TasteReport:
    """What came of one taste.

    Attributes:
        user_id: The listener.
        taste_id: The taste; empty for the common model.
        outcome: How it ended.
        reason: Why, in a sentence; may be empty for what was published.
        likes: The taste's standing likes.
        dislikes: The taste's standing dislikes.
        learner: The learner that was chosen, or empty.
        version: The model's version; empty where none was made, and of a dry run.
        model: The new model's figures.
        serving: Those of the model in service.
        ranking: Those of plain ranking.
    """

    user_id: str
    taste_id: str
    outcome: Outcome
    reason: str
    likes: int
    dislikes: int
    learner: str = ""
    version: str = ""
    model: Figures = Figures()
    serving: Figures = Figures()
    ranking: Figures = Figures()


@dataclass(frozen=True, slots=True)
class ListenerReport:
    """What came of one listener: the common model first, then the tastes."""

    user_id: str
    tastes: tuple[TasteReport, ...]
