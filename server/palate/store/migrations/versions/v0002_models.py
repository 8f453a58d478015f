"""Models, their artifacts and pointers, and training runs."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_SORTED_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables, and let profiles say how often their models changed."""
    op.add_column("profiles", sa.Column("models_revision", sa.BigInteger, nullable=False, server_default=sa.text("0")))
    _create_models()
    op.create_table(
        "model_pointers",
        sa.Column("user_id", _SORTED_TEXT, primary_key=True),
        sa.Column("taste_id", sa.Text, primary_key=True),
        sa.Column("version", _SORTED_TEXT, nullable=False),
        sa.Column("previous", _SORTED_TEXT, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "training_runs",
        sa.Column("run_id", _SORTED_TEXT, primary_key=True),
        sa.Column("user_id", _SORTED_TEXT, nullable=False),
        sa.Column("taste_id", sa.Text, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("labels_revision", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("training_runs_of_user", "training_runs", ["user_id", "run_id"])
    op.create_index("training_runs_of_taste", "training_runs", ["user_id", "taste_id", "run_id"])


def _create_models() -> None:
    op.create_table(
        "models",
        sa.Column("version", _SORTED_TEXT, primary_key=True),
        sa.Column("user_id", _SORTED_TEXT, nullable=False),
        sa.Column("taste_id", sa.Text, nullable=False),
        sa.Column("recipe", sa.Text, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("metrics", sa.Text, nullable=False),
        sa.Column("label_count", sa.BigInteger, nullable=False),
        sa.Column("labels_revision", sa.BigInteger, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("pinned", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("models_of_user", "models", ["user_id", "version"])
    op.create_index("models_of_taste", "models", ["taste_id", "version"])
    op.create_index("models_of_user_and_taste", "models", ["user_id", "taste_id", "version"])
    op.create_table(
        "model_artifacts",
        sa.Column("version", _SORTED_TEXT, primary_key=True),
        sa.Column("user_id", _SORTED_TEXT, nullable=False),
        sa.Column("taste_id", sa.Text, nullable=False),
        sa.Column("onnx", sa.LargeBinary, nullable=False),
    )
    op.create_index("model_artifacts_of_taste", "model_artifacts", ["user_id", "taste_id", "version"])
