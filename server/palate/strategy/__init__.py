"""What a strategy is, and what turns strategies into slates."""

from palate.strategy.contract import (
    CatalogIndex,
    Choice,
    Context,
    Declined,
    Reason,
    ReasonKind,
    Rows,
    Scores,
    SlateRequest,
    Stage,
    Strategy,
    TasteModel,
)
from palate.strategy.registry import Registered, Registry, StrategyState
from palate.strategy.router import Placed, Router, Slate

__all__ = [
    "CatalogIndex",
    "Choice",
    "Context",
    "Declined",
    "Placed",
    "Reason",
    "ReasonKind",
    "Registered",
    "Registry",
    "Router",
    "Rows",
    "Scores",
    "Slate",
    "SlateRequest",
    "Stage",
    "Strategy",
    "StrategyState",
    "TasteModel",
]
