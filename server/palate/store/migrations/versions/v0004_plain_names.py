"""The names of the vocabulary: learners, generations and serving versions."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_SORTED_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Rename columns and a table; what they hold stays."""
    op.alter_column("models", "recipe", new_column_name="learner")
    for table in ("profiles", "training_runs"):
        op.alter_column(table, "incarnation", new_column_name="generation")
    _rename_pointers()


def _rename_pointers() -> None:
    """Copy the rows: a renamed table's statement and key would differ from those of a table of that name."""
    op.create_table(
        "serving_versions",
        sa.Column("user_id", _SORTED_TEXT, primary_key=True),
        sa.Column("taste_id", sa.Text, primary_key=True),
        sa.Column("version", _SORTED_TEXT, nullable=False),
        sa.Column("previous", _SORTED_TEXT, nullable=False),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO serving_versions (user_id, taste_id, version, previous) "
        "SELECT user_id, taste_id, version, previous FROM model_pointers"
    )
    op.drop_table("model_pointers")
