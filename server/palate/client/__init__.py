"""Calls palate from Python: every method of the public contract, with plain arguments.

    with Client("localhost:50051") as client:
        slate = client.recommend("ana")
        client.like("ana", slate.items[0].track_id, recommendation_id=slate.recommendation_id)

Methods return the messages of `palate.v1` and raise the errors of `palate.client.errors`.
"""

from palate.client.caller import Client
from palate.client.errors import (
    CallFailed,
    ErrorDetails,
    InvalidField,
    NotFound,
    Overloaded,
    PermissionDenied,
    StrategyDeclined,
    StrategyFailed,
    TimedOut,
    Unauthenticated,
    Unavailable,
    Unreachable,
)
from palate.client.paging import pages
from palate.client.retries import SERVICE_CONFIG
from palate.service_names import SERVICES

__all__ = [
    "SERVICES",
    "SERVICE_CONFIG",
    "CallFailed",
    "Client",
    "ErrorDetails",
    "InvalidField",
    "NotFound",
    "Overloaded",
    "PermissionDenied",
    "StrategyDeclined",
    "StrategyFailed",
    "TimedOut",
    "Unauthenticated",
    "Unavailable",
    "Unreachable",
    "pages",
]
