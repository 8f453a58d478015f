"""From the operator's table of a strategy to the strategy's own typed configuration."""

import functools
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from palate.errors import ConfigError
from palate.suggestion import suggestion

__all__ = ["build_config"]

T = TypeVar("T")


def build_config(config_type: type[T], path: str, table: Mapping[str, object]) -> T:
    """Build a strategy's configuration and check every field of it.

    Values may be of the field's type or strings of it, as the environment has them. Numbers that are not
    finite are refused, as are unknown keys, in nested dataclasses too.

    Args:
        config_type: A dataclass.
        path: Where the table stands in the configuration, for messages.
        table: The operator's options; what it leaves out gets the default.

    Raises:
        ConfigError: With one line for each mistake: the key, what is wrong, and what would be right.
    """
    try:
        built: T = _adapter(config_type).validate_python({path: dict(table)})[path]  # type: ignore[arg-type]  # types are hashable
    except ValidationError as error:
        lines = [_describe(details, config_type) for details in error.errors(include_url=False)]
        raise ConfigError("\n".join(lines)) from error
    return built


@functools.lru_cache
def _adapter(config_type: Any) -> TypeAdapter[dict[str, Any]]:
    """Return what checks a table of such configurations; making it takes a millisecond."""
    return TypeAdapter(dict[str, config_type], config=ConfigDict(extra="forbid", allow_inf_nan=False))


def _describe(details: ErrorDetails, config_type: Any) -> str:
    location = [str(part) for part in details["loc"]]
    key = ".".join(location)
    if details["type"] == "unexpected_keyword_argument":
        _path, *inner = location
        valid = [field.name for field in fields(config_type) if field.init] if len(inner) == 1 else []
        return f"{key}: unknown key{suggestion(location[-1], valid) if valid else ''}"
    if details["type"] == "missing":
        return f"{key}: is required"
    return f"{key}: {details['msg']}, not {details['input']!r}"
