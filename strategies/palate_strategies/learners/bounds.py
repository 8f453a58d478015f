"""Checks the figures of a learner's configuration."""

from math import inf

__all__ = ["require_between"]


def require_between(config: object, *fields: str, least: float, most: float = inf) -> None:
    """Raise ValueError when a field of a configuration is below `least`, above `most` or infinite."""
    for field in fields:
        value = getattr(config, field)
        if not (least <= value <= most and value < inf):
            limits = f"at least {least}" + (f" and at most {most}" if most < inf else " and finite")
            raise ValueError(f"{field} must be {limits}, not {value}")
