"""What third parties extend: strategies and learners, how they are found and loaded, and how they are isolated."""

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
