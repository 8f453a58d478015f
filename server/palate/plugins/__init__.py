"""What a strategy is, and what turns strategies into slates."""

from palate.plugins.registry import Registered, Registry, StrategyState
from palate.plugins.strategy import (
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

__all__ = [
    "CatalogIndex",
    "Choice",
    "Context",
    "Declined",
    "Reason",
    "ReasonKind",
    "Registered",
    "Registry",
    "Rows",
    "Scores",
    "SlateRequest",
    "Stage",
    "Strategy",
    "StrategyState",
    "TasteModel",
]
