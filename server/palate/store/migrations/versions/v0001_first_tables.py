"""The feedback log, profiles and secrets."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_SORTED_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "feedback_log",
        sa.Column("user_id", _SORTED_TEXT, primary_key=True),
        sa.Column("revision", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("track_id", sa.Text, nullable=False),
        sa.Column("taste_id", sa.Text, nullable=False),
        sa.Column("features", sa.LargeBinary, nullable=True),
        sa.Column("genres", sa.Text, nullable=True),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("recommendation_id", sa.Text, nullable=False),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "feedback_log_request",
        "feedback_log",
        ["user_id", "request_id"],
        unique=True,
        sqlite_where=sa.text("request_id != ''"),
        postgresql_where=sa.text("request_id != ''"),
    )
    op.create_table(
        "profiles",
        sa.Column("user_id", _SORTED_TEXT, primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("feature_map", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tastes",
        sa.Column("user_id", _SORTED_TEXT, primary_key=True),
        sa.Column("taste_id", sa.Text, primary_key=True),
        sa.Column("state", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "ratings",
        sa.Column("user_id", _SORTED_TEXT, primary_key=True),
        sa.Column("track_id", sa.Text, primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "secrets",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
    )
