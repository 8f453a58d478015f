"""The server's configuration: one TOML file, every key of which the environment can override.

``server.port`` in the file is ``PALATE_SERVER__PORT`` in the environment; lists and tables are written there
as JSON. Unknown keys are refused, in the file as in the environment, with the nearest valid name.
"""

import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from palate.errors import ConfigError
from palate.plugins.strategy import Stage
from palate.suggestion import nearest, suggestion

__all__ = [
    "AuthConfig",
    "CacheConfig",
    "CatalogConfig",
    "Config",
    "LogConfig",
    "ModelsConfig",
    "ServerConfig",
    "StageConfig",
    "StoreConfig",
    "StrategiesConfig",
    "TokenConfig",
    "TrainingConfig",
    "load_config",
]

_PREFIX: Final = "PALATE_"
_SERVICE_LINK: Final = re.compile(r"PALATE_(?:[A-Z0-9_]+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_\w+)")
"""Variables that Kubernetes sets in every pod of a namespace which has a service called ``palate``."""


_OF_CLIENTS: Final = frozenset({"PALATE_SERVER", "PALATE_TOKEN"})
"""Variables that configure the client commands; the server ignores them."""

_RENAMED: Final = {"ladder": "stages"}
"""Tables that had another name before, and the name that they have now."""

_SECRETS: Final = frozenset({"url", "sha256"})
"""Keys where a password may stand, if only by mistake; no error shows what does."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerConfig(_Table):
    """Table ``[server]``: where and how the server listens."""

    host: str = "127.0.0.1"
    """Address to listen on. ``0.0.0.0`` for all; set tokens in ``[auth]`` then."""
    port: Annotated[int, Field(ge=0, le=65535)] = 50051
    """Port to listen on; 0 takes a free one and prints it."""
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Port on which Prometheus is answered over HTTP, for all workers; 0 answers nobody."""
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    """Worker processes. They share the port, the catalog's memory and the store."""
    max_concurrent_calls: Annotated[int, Field(ge=1)] = 256
    """Calls that one worker has in flight; further ones get RESOURCE_EXHAUSTED before any work."""
    drain_seconds: Annotated[float, Field(ge=0)] = 10.0
    """How long calls in flight may go on after SIGTERM."""
    tls_certificate: Path | None = None
    """PEM file with the certificate chain; together with `tls_key` it turns TLS on."""
    tls_key: Path | None = None
    """PEM file with the private key."""

    @property
    def address(self) -> str:
        """Host and port as one address, with an IPv6 host in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @model_validator(mode="after")
    def _require_both(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together; set both or neither")
        return self


class CatalogConfig(_Table):
    """Table ``[catalog]``."""

    path: Path | None = None
    """The catalog file; when not set ``catalog.arrow`` in the data folder, which `palate serve` replaces by the bundled
    catalog where it does not exist."""


class StoreConfig(_Table):
    """Table ``[store]``."""

    url: Annotated[str, Field(repr=False)] = ""
    """Database URL; ``palate.db`` in the data folder, by SQLite, when empty."""


class StrategiesConfig(_Table):
    """Table ``[strategies]``: which plugins serve, and how."""

    allow: tuple[str, ...] = ("*",)
    """Names of the strategies that may be loaded; ``*`` stands for all that are installed."""
    required: tuple[str, ...] = ("cold_start",)
    """Strategies without which the server does not start."""
    timeout_seconds: Annotated[float, Field(gt=0)] = 0.5
    """How long one strategy may take before the next one down is asked; the lowest one as long as the caller waits."""
    artists_limit: Annotated[int, Field(ge=1)] = 1
    """How many tracks of one main artist ten slots in a row may have, whichever strategies fill them."""
    options: Mapping[str, Mapping[str, Any]] = {}
    """A table for each strategy with its own options, such as ``[strategies.options.ranking]``."""


class StageConfig(_Table):
    """One table of ``[stages]``, such as ``[stages.ranking]``: from where a strategy applies."""

    min_confidence: Annotated[float, Field(ge=0, lt=1)]
    """The profile's confidence."""
    min_interactions: Annotated[int, Field(ge=0)]
    """The profile's number of rated tracks."""


class TrainingConfig(_Table):
    """Table ``[training]``: when and how `palate train` trains. The server reads none of it."""

    interactions: Annotated[int, Field(ge=1)] = 10
    """A listener is due once so many events came after the last run."""
    min_labels: Annotated[int, Field(ge=4)] = 10
    """Labels from which a listener's models are trained."""
    min_of_each: Annotated[int, Field(ge=2)] = 3
    """Likes, and dislikes, from which a listener's models are trained."""
    taste_min_likes: Annotated[int, Field(ge=2)] = 8
    """Likes from which a taste gets a model of its own."""
    taste_min_dislikes: Annotated[int, Field(ge=2)] = 8
    """Dislikes from which a taste gets a model of its own."""
    other_weight: Annotated[float, Field(ge=0, le=1)] = 0.1
    """What a label of another taste counts for in the model of a taste."""
    negative_weight: Annotated[float, Field(ge=0, le=1)] = 0.1
    """What a track of the catalog counts for as a dislike, where dislikes are few; 0 uses real ones alone."""
    max_labels: Annotated[int, Field(ge=100)] = 10_000
    """Labels that a model is trained on, the latest ones."""
    folds: Annotated[int, Field(ge=2)] = 5
    """Folds of the cross-validation."""
    repeats: Annotated[int, Field(ge=1)] = 3
    """How often it is repeated where labels are few."""
    repeat_below: Annotated[int, Field(ge=0)] = 200
    """With so many labels or more the cross-validation is not repeated."""
    background: Annotated[int, Field(ge=0)] = 20_000
    """Tracks of the catalog that learners may look at."""
    other_listeners: Annotated[int, Field(ge=0)] = 500
    """Of how many other listeners the common direction is taken; 0 trains each listener on their own labels alone."""
    allow: tuple[str, ...] = ("*",)
    """Names of the learners that may be loaded; ``*`` stands for all that are installed."""
    options: Mapping[str, Mapping[str, Any]] = {}
    """A table for each learner with its own options, such as ``[training.options.gbdt]``."""


class CacheConfig(_Table):
    """Table ``[cache]``: what one worker caches in memory."""

    max_ratings: Annotated[int, Field(ge=0)] = 500_000
    """Rated tracks over all cached profiles; one takes 800 to 1,200 bytes, and each profile counts as eight more."""
    slate_bytes: Annotated[int, Field(ge=0)] = 67_108_864
    """Memory for slates; one of ten items takes about 3 kilobytes."""
    candidate_bytes: Annotated[int, Field(ge=0)] = 134_217_728
    """Memory for what was found for tastes: the candidates of one take about 6 kilobytes, in order by a model 16."""


class ModelsConfig(_Table):
    """Table ``[models]``: the models of tastes that one worker has loaded."""

    session_bytes: Annotated[int, Field(ge=0)] = 268_435_456
    """Memory for loaded models; one takes about six times its file and 64 kilobytes."""


class TokenConfig(_Table):
    """One entry of ``[[auth.tokens]]``."""

    name: Annotated[str, Field(min_length=1)]
    """Whom the token belongs to; it appears in the log."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """SHA-256 of the token, in lower-case hexadecimal digits."""
    role: Literal["client", "admin"] = "client"
    """``admin`` may call ModelService as well."""


class AuthConfig(_Table):
    """Table ``[auth]``."""

    tokens: tuple[TokenConfig, ...] = ()
    """Bearer tokens that are accepted. Without any, everybody may call everything."""


class LogConfig(_Table):
    """Table ``[log]``."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The lowest level that is written. ``debug`` has a line for every call."""
    format: Literal["auto", "console", "json"] = "auto"
    """``auto`` is ``console`` in a terminal and ``json`` elsewhere."""


class Config(_Table):
    """The whole configuration."""

    data_dir: Path = Path("palate-data")
    """The folder that holds all state."""
    server: ServerConfig = ServerConfig()
    catalog: CatalogConfig = CatalogConfig()
    store: StoreConfig = StoreConfig()
    strategies: StrategiesConfig = StrategiesConfig()
    stages: Mapping[str, StageConfig] = {}
    training: TrainingConfig = TrainingConfig()
    cache: CacheConfig = CacheConfig()
    models: ModelsConfig = ModelsConfig()
    auth: AuthConfig = AuthConfig()
    log: LogConfig = LogConfig()

    @property
    def catalog_path(self) -> Path:
        """The catalog file."""
        return self.catalog.path or self.data_dir / "catalog.arrow"

    @property
    def strategy_stages(self) -> dict[str, Stage]:
        """The thresholds that ``[stages]`` gives, by strategy."""
        return {name: Stage(stage.min_confidence, stage.min_interactions) for name, stage in self.stages.items()}

    @property
    def store_url(self) -> str:
        """The database URL."""
        return self.store.url or f"sqlite:///{self.data_dir.absolute() / 'palate.db'}"


def load_config(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read the configuration.

    Args:
        path: The TOML file; without one the defaults and the environment count.
        overrides: Values that outrank both, by dotted key, such as ``{"server.port": 0}``.

    Raises:
        ConfigError: With one line for each mistake: the file or variable, the key, and what would be right.
    """
    file = _read(path)
    _refuse_unknown_variables(os.environ)
    outranking: dict[str, Any] = {}
    for key, value in (overrides or {}).items():
        _set(outranking, key.split("."), value)

    class Sources(BaseSettings, Config):
        model_config = SettingsConfigDict(env_prefix=_PREFIX, env_nested_delimiter="__", env_ignore_empty=True)

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - part of the signature
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - part of the signature
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - part of the signature
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            file_settings = InitSettingsSource(settings_cls, init_kwargs=file)
            return init_settings, _Environment(settings_cls), file_settings

    try:
        sources = Sources(**outranking)
    except (ValidationError, SettingsError) as error:
        raise ConfigError("\n".join(_describe(error, path, file))) from error
    return Config.model_construct(**dict(sources))


class _Environment(EnvSettingsSource):
    """The environment without the variables of clients, of which PALATE_SERVER has the name of a table."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        self.env_vars = {name: value for name, value in self.env_vars.items() if name.upper() not in _OF_CLIENTS}


def _read(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: there is no such file; name a TOML file or leave --config out") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}") from error


def _set(data: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        data = data.setdefault(key, {})
    data[keys[-1]] = value


def _refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    for variable, value in environment.items():
        if variable.startswith(_PREFIX) and variable not in _OF_CLIENTS and not _is_service_link(variable, value):
            section = variable.removeprefix(_PREFIX).split("__")[0].lower()
            if section not in Config.model_fields:
                near = _RENAMED.get(section) or nearest(section, Config.model_fields)
                hint = (
                    f"did you mean {_PREFIX}{near.upper()}?"
                    if near
                    else "docs/reference/configuration.md lists every key"
                )
                raise ConfigError(f"environment variable {variable}: unknown; {hint}")


def _is_service_link(variable: str, value: str) -> bool:
    """Return whether Kubernetes set a variable, rather than somebody who means palate's configuration."""
    address = variable.endswith("_PORT") and value.startswith(("tcp://", "udp://", "sctp://"))
    return "__" not in variable and (address or _SERVICE_LINK.fullmatch(variable) is not None)


def _describe(error: ValidationError | SettingsError, path: Path | None, file: dict[str, Any]) -> list[str]:
    """Say in one line for each mistake what it is, where it stands, and what would be right."""
    if isinstance(error, SettingsError):
        return [f"environment: {error}; lists and tables are written as JSON"]
    lines = []
    for details in error.errors():
        location = [str(part) for part in details["loc"]]
        key = ".".join(location)
        written = details["loc"][:-1] if details["type"] == "missing" else details["loc"]
        where = f"{path}: {key}" if _stands_in(file, written) else f"{_PREFIX}{'__'.join(location).upper()}"
        if details["type"] == "extra_forbidden":
            *table, name = location
            before = "".join(f"{part}." for part in table)
            renamed = f"; it is called {_RENAMED[key]} now" if key in _RENAMED else ""
            lines.append(f"{where}: unknown key{renamed or suggestion(name, _keys(table), before=before)}")
        elif details["type"] == "missing":
            lines.append(f"{where}: is required beside its neighbours")
        elif details["type"] == "value_error":
            lines.append(f"{where}: {details['ctx']['error']}")
        else:
            found = "" if _SECRETS.intersection(location) else f", not {details['input']!r}"
            lines.append(f"{where}: {details['msg']}{found}")
    return lines


def _stands_in(file: Any, location: Sequence[int | str]) -> bool:
    """Return whether a place of the configuration is written in the file."""
    for part in location:
        try:
            file = file[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _keys(location: Iterable[str]) -> list[str]:
    """Return the valid keys of the table at a location."""
    model: Any = Config
    for part in location:
        if isinstance(model, type) and issubclass(model, BaseModel):
            model = model.model_fields[part].annotation
        else:
            model = next(
                (
                    inner
                    for inner in getattr(model, "__args__", ())
                    if isinstance(inner, type) and issubclass(inner, BaseModel)
                ),
                None,
            )
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []
