"""Kinds of listeners, from a readable file."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Self

from palate.errors import ConfigError
from palate.suggestion import suggestion
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

__all__ = ["Kind", "load_kinds"]

Share = Annotated[float, Field(gt=0, lt=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Kind(_Table):
    """One kind of listener: ranges that a seed draws a listener from."""

    description: Annotated[str, Field(min_length=1)]
    """The kind in a sentence."""
    tastes: Annotated[int, Field(ge=1, le=32)]
    """How many genre clusters the listener has a taste in at a time."""
    weights: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)] | None = None
    """How large the tastes are against one another; all alike when left out."""
    separation: Annotated[float, Field(ge=0, le=1)] | None = None
    """How far apart in sound: 0 takes the nearest clusters, 1 the farthest; any clusters when left out."""
    share: Share = 0.6
    """Share of its cluster's tracks that the largest taste likes; others in proportion to their weights."""
    background: Share = 0.03
    """Chance that a track of any other cluster is liked."""
    features: Annotated[int, Field(ge=1, le=9)] = 4
    """How many audio features matter to a taste; the others do not."""
    decisiveness: Annotated[float, Field(gt=0)] = 3.0
    """How sure ratings are: with 0 left to chance, with large values a matter of the sound alone."""
    interaction: Annotated[float, Field(ge=0)] = 0.5
    """How much two features count together, beside what each counts by itself."""
    loyalty: Annotated[float, Field(ge=0)] = 1.0
    """How much it counts that the artist is loved, or cannot be stood."""
    loyal_share: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """Share of all artists who are loved, and as large a share who cannot be stood."""
    popularity: Annotated[float, Field(ge=0)] = 0.5
    """How much popularity counts at most, for or against."""
    mislabelled: Annotated[float, Field(ge=0, lt=0.5)] = 0.02
    """Share of ratings that are given the wrong way round."""
    drift_turns: Annotated[int, Field(ge=0)] = 0
    """Turns in which what counts within each taste becomes something else; 0 for never."""
    shock_turn: Annotated[int, Field(ge=0)] = 0
    """The turn from which some tastes are others; 0 for never."""
    shock_tastes: Annotated[int, Field(ge=0)] = 0
    """How many tastes that turn replaces."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.weights is not None and len(self.weights) != self.tastes:
            raise ValueError(f"weights must be {self.tastes}, one for each of the tastes, not {len(self.weights)}")
        if self.shock_tastes > self.tastes:
            raise ValueError(f"shock_tastes must be at most {self.tastes}, the number of tastes")
        if (self.shock_turn > 0) != (self.shock_tastes > 0):
            raise ValueError("shock_turn and shock_tastes belong together; set both or neither")
        return self


class _File(_Table):
    kinds: Annotated[dict[str, Kind], Field(min_length=1)]


def load_kinds(path: Path | None = None) -> Mapping[str, Kind]:
    """Read kinds of listeners, by name in the order of the file; without a path those that palate brings.

    Raises:
        ConfigError: With one line for each mistake: the file, the key, and what would be right.
    """
    source = files("palate_tools.simulation").joinpath("kinds.toml") if path is None else path
    try:
        document = tomllib.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{source}: cannot be read ({error.strerror}); name a TOML file with kinds") from error
    except ValueError as error:
        raise ConfigError(f"{source}: is not TOML in UTF-8: {error}") from error
    try:
        return _File.model_validate(document).kinds
    except ValidationError as error:
        raise ConfigError("\n".join(_describe(f"{source}", details) for details in error.errors())) from error


def _describe(source: str, details: Any) -> str:
    location = [str(part) for part in details["loc"]]
    where = f"{source}: {'.'.join(location)}"
    match details["type"]:
        case "extra_forbidden":
            valid = Kind.model_fields if len(location) > 1 else _File.model_fields
            return f"{where}: unknown key{suggestion(location[-1], valid)}"
        case "missing":
            return f"{where}: is required"
        case "value_error":
            return f"{where}: {details['ctx']['error']}"
        case _:
            return f"{where}: {details['msg']}, not {details['input']!r}"
