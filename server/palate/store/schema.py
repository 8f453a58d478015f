"""The tables. Migrations bring a database to them; a test holds both together."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, SmallInteger, Table, Text

__all__ = ["feedback_log", "metadata", "probes", "profiles", "ratings", "secrets", "tastes"]

metadata: Final = MetaData()

_SORTED_TEXT: Final = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that is compared by code points in every database."""

feedback_log: Final = Table(
    "feedback_log",
    metadata,
    Column("user_id", _SORTED_TEXT, primary_key=True),
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", SmallInteger, nullable=False),
    Column("track_id", Text, nullable=False),
    Column("taste_id", Text, nullable=False),
    Column("features", LargeBinary, nullable=True),
    Column("genres", Text, nullable=True),
    Column("request_id", Text, nullable=False),
    Column("recommendation_id", Text, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""One row for each event. `features` are nine little-endian float32 and `genres` a JSON list; both are null for
retractions and deleted tastes."""

Index(
    "feedback_log_request",
    feedback_log.c.user_id,
    feedback_log.c.request_id,
    unique=True,
    sqlite_where=feedback_log.c.request_id != "",
    postgresql_where=feedback_log.c.request_id != "",
)

profiles: Final = Table(
    "profiles",
    metadata,
    Column("user_id", _SORTED_TEXT, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("feature_map", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""One row for each listener: the header of the profile."""

tastes: Final = Table(
    "tastes",
    metadata,
    Column("user_id", _SORTED_TEXT, primary_key=True),
    Column("taste_id", Text, primary_key=True),
    Column("state", LargeBinary, nullable=False),
)
"""One row for each taste; `state` is what `Taste.to_bytes` makes."""

ratings: Final = Table(
    "ratings",
    metadata,
    Column("user_id", _SORTED_TEXT, primary_key=True),
    Column("track_id", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""One row for each standing verdict: the line of the log that made it."""

secrets: Final = Table(
    "secrets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
"""Random bytes that all workers share."""

probes: Final = Table(
    "probes",
    metadata,
    Column("probe_id", SmallInteger, primary_key=True, autoincrement=False),
    Column("probed_at", BigInteger, nullable=False),
)
"""One row that is written to find out whether writing works."""
