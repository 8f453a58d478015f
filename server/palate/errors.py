"""Everything that palate raises on purpose, named by the reaction that it asks for.

    PalateError
    ├── InvalidField         correct the request
    ├── NotFound             name something that exists
    ├── StrategyFailed       ask without naming the strategy, or fix it
    ├── StrategyDeclined     ask without naming the strategy, or once more is known of the listener
    ├── Overloaded           try again later
    ├── ShuttingDown         try again, on another server where there is one
    ├── StoreUnavailable     try again later
    ├── Unauthenticated      send credentials
    ├── PermissionDenied     ask for the role
    ├── ConfigError          correct the configuration file or the environment
    └── CatalogError         build or name another catalog

`palate.rpc.errors` holds the one table that turns them into gRPC statuses. Errors of the libraries
underneath are translated where they are met, always with `from`.
"""

__all__ = [
    "CatalogError",
    "ConfigError",
    "InvalidField",
    "NotFound",
    "Overloaded",
    "PalateError",
    "PermissionDenied",
    "ShuttingDown",
    "StoreUnavailable",
    "StrategyDeclined",
    "StrategyFailed",
    "Unauthenticated",
]


class PalateError(Exception):
    """The root of everything that palate raises on purpose."""


class InvalidField(PalateError):
    """A field of a request is malformed.

    Args:
        path: The field's path, such as ``requests[3].track_id``.
        description: What is wrong and what would be right.
    """

    def __init__(self, path: str, description: str) -> None:
        super().__init__(f"{path}: {description}")
        self.path = path
        self.description = description


class NotFound(PalateError):
    """Something that was named does not exist.

    Args:
        kind: What was looked for: ``"track"``, ``"strategy"``, ``"profile"``, ``"taste"``, ``"feedback"``,
            ``"genre_cluster"`` or ``"model"``.
        name: The name that was not found.
        why: The rest of a sentence that begins with kind and name, where "there is no" would not say enough.
    """

    def __init__(self, kind: str, name: str, why: str = "") -> None:
        super().__init__(f"{kind} {name!r} {why}" if why else f"there is no {kind} {name!r}")
        self.kind = kind
        self.name = name


class StrategyFailed(PalateError):
    """A strategy that the caller named, or every stage down to the lowest, failed or ran out of time.

    Args:
        strategy: The strategy's name.
        version: The version of the distribution that brings it.
        why: What happened.
    """

    def __init__(self, strategy: str, version: str, why: str) -> None:
        super().__init__(f"strategy {strategy!r} ({version}) failed: {why}")
        self.strategy = strategy
        self.version = version
        self.why = why


class StrategyDeclined(PalateError):
    """A strategy that the caller named has nothing to say of the listener, such as one that needs a model.

    Args:
        strategy: The strategy's name.
        version: The version of the distribution that brings it.
        why: What it lacks.
    """

    def __init__(self, strategy: str, version: str, why: str) -> None:
        super().__init__(f"strategy {strategy!r} ({version}) declined: {why}")
        self.strategy = strategy
        self.version = version
        self.why = why


class Overloaded(PalateError):
    """The server, or the strategy, has as many calls in flight as it takes; nothing was done for this one."""


class ShuttingDown(PalateError):
    """The server finishes the calls in flight and takes no new ones; nothing was done for this call."""


class StoreUnavailable(PalateError):
    """The store cannot be reached, is locked for too long or cannot be written.

    Nothing was changed, unless the connection to a database broke while it committed.
    """


class Unauthenticated(PalateError):
    """The call carries no credentials, or wrong ones."""


class PermissionDenied(PalateError):
    """The credentials do not include the role that the method needs."""


class ConfigError(PalateError):
    """The configuration cannot be used."""


class CatalogError(PalateError):
    """A catalog file is missing, damaged, of another version or holds impossible values."""
