"""What gRPC repeats by itself."""

from collections.abc import Mapping
from typing import Final

from palate.service_names import SERVICES

__all__ = ["SERVICE_CONFIG"]


def _retry_on(*codes: str) -> Mapping[str, object]:
    return {
        "maxAttempts": 4,
        "initialBackoff": "0.1s",
        "maxBackoff": "2s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": codes,
    }


SERVICE_CONFIG: Final[Mapping[str, object]] = {
    "methodConfig": [
        {
            "name": [{"service": service} for service in SERVICES],
            "retryPolicy": _retry_on("UNAVAILABLE", "RESOURCE_EXHAUSTED"),
        },
        {
            "name": [
                {"service": "palate.v1.ProfileService", "method": "DeleteProfile"},
                {"service": "palate.v1.ModelService", "method": "RollbackModel"},
            ],
            "retryPolicy": _retry_on("RESOURCE_EXHAUSTED"),
        },
    ],
    "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1},
}
"""What gRPC repeats by itself, as a service config.

Reads are harmless, and feedback is made so by its request id. Deleting a profile and rolling a model back are
repeated only where the server refused them before any work: done twice, the one would fail and the other would
go back two models.

Source:
    gRFC A6, *gRPC Retry Design*, for the policy and for throttling.
"""
