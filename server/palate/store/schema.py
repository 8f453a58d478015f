"""The tables. Migrations bring a database to them; a test holds both together."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, LargeBinary, MetaData, SmallInteger, Table, Text, text

__all__ = [
    "feedback_log",
    "metadata",
    "model_artifacts",
    "models",
    "profiles",
    "ratings",
    "secrets",
    "serving_versions",
    "tastes",
    "training_runs",
]

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
    Column("models_revision", BigInteger, nullable=False, server_default=text("0")),
    Column("generation", Text, nullable=False, server_default=text("''")),
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
"""One row for each rating: the line of the log that made it."""

secrets: Final = Table(
    "secrets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
"""Random bytes that all workers share."""

models: Final = Table(
    "models",
    metadata,
    Column("version", _SORTED_TEXT, primary_key=True),
    Column("user_id", _SORTED_TEXT, nullable=False),
    Column("taste_id", Text, nullable=False),
    Column("learner", Text, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("metrics", Text, nullable=False),
    Column("label_count", BigInteger, nullable=False),
    Column("labels_revision", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("pinned", Boolean, nullable=False),
    sqlite_with_rowid=False,
)
"""One row for each model that was ever trained. `metrics` is a JSON list of names and figures."""

Index("models_of_user", models.c.user_id, models.c.version)
Index("models_of_taste", models.c.taste_id, models.c.version)
Index("models_of_user_and_taste", models.c.user_id, models.c.taste_id, models.c.version)

model_artifacts: Final = Table(
    "model_artifacts",
    metadata,
    Column("version", _SORTED_TEXT, primary_key=True),
    Column("user_id", _SORTED_TEXT, nullable=False),
    Column("taste_id", Text, nullable=False),
    Column("onnx", LargeBinary, nullable=False),
)
"""One row for each ONNX file that is retained, apart from the records, which are listed without it."""

Index(
    "model_artifacts_of_taste",
    model_artifacts.c.user_id,
    model_artifacts.c.taste_id,
    model_artifacts.c.version,
)

serving_versions: Final = Table(
    "serving_versions",
    metadata,
    Column("user_id", _SORTED_TEXT, primary_key=True),
    Column("taste_id", Text, primary_key=True),
    Column("version", _SORTED_TEXT, nullable=False),
    Column("previous", _SORTED_TEXT, nullable=False),
    sqlite_with_rowid=False,
)
"""One row for each taste that a model serves."""

training_runs: Final = Table(
    "training_runs",
    metadata,
    Column("run_id", _SORTED_TEXT, primary_key=True),
    Column("user_id", _SORTED_TEXT, nullable=False),
    Column("taste_id", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("labels_revision", BigInteger, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger, nullable=False),
    Column("generation", Text, nullable=False, server_default=text("''")),
    sqlite_with_rowid=False,
)
"""One row for each run of the trainer over one taste."""

Index("training_runs_of_user", training_runs.c.user_id, training_runs.c.run_id)
Index("training_runs_of_taste", training_runs.c.user_id, training_runs.c.taste_id, training_runs.c.run_id)
