"""The counts that windows are judged by, kept small: longer scales add those of many windows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v0007"
down_revision = "v0006"


def upgrade() -> None:
    """Makes the table; Alembic calls it in the transaction of ``migrate``."""
    op.create_table(
        "judged_counts",
        sa.Column("version_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("window_start_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("layout_id", sa.BigInteger(), nullable=False),
        sa.Column("reference_id", sa.BigInteger(), nullable=False),
        sa.Column("stale", sa.Boolean(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_judged_counts_version_id")),
        sa.PrimaryKeyConstraint("version_id", "window_start_us", name=op.f("pk_judged_counts")),
    )
