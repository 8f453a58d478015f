"""Identifiers of models and runs: later ones are greater, and two trainers never make the same one."""

import secrets
import time
from typing import Final

__all__ = ["made_for", "new_run_id", "new_version"]

_TIME_DIGITS: Final = 14
_MAP_DIGITS: Final = 8
_RANDOM_BYTES: Final = 4


def new_version(fingerprint: str) -> str:
    """Return a new model version: hexadecimal digits of the time in microseconds, of the feature map, and random."""
    return f"{_now()}-{fingerprint[:_MAP_DIGITS]}-{secrets.token_hex(_RANDOM_BYTES)}"


def new_run_id() -> str:
    """Return a new run_id: hexadecimal digits of the time in microseconds, and random ones."""
    return f"{_now()}-{secrets.token_hex(_RANDOM_BYTES)}"


def made_for(version: str, fingerprint: str) -> bool:
    """Return whether `new_version` made a version for this feature map."""
    return version.split("-")[1:2] == [fingerprint[:_MAP_DIGITS]]


def _now() -> str:
    return f"{time.time_ns() // 1000:0{_TIME_DIGITS}x}"
