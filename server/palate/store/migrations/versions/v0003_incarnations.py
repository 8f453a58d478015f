"""What tells a profile from a deleted predecessor of the same listener."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Let profiles and training runs say which incarnation they are about; the empty one is that of old profiles."""
    for table in ("profiles", "training_runs"):
        op.add_column(table, sa.Column("incarnation", sa.Text, nullable=False, server_default=sa.text("''")))
