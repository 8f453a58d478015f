"""The names of the vocabulary: learners, generations and serving versions."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Rename columns and a table; what they hold stays."""
    op.alter_column("models", "recipe", new_column_name="learner")
    for table in ("profiles", "training_runs"):
        op.alter_column(table, "incarnation", new_column_name="generation")
    op.rename_table("model_pointers", "serving_versions")
