"""Profiles of days and weeks, merged from those of windows, and which windows they were merged from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

revision = "v0015"
down_revision = "v0014"


def upgrade() -> None:
    """Makes table and column; Alembic calls it in the transaction of ``migrate``."""
    op.create_table(
        "merged_profile",
        sa.Column("version_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("segment", NAME, nullable=False),
        sa.Column("start_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("end_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("layout_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("windows", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("last_received_us", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_merged_profile_version_id")),
        sa.PrimaryKeyConstraint(
            "version_id", "segment", "start_us", "end_us", "layout_id", name=op.f("pk_merged_profile")
        ),
    )
    op.add_column("window", sa.Column("merged_layout_id", sa.BigInteger(), nullable=True))
    unmerged = sa.text("state = 'sealed' AND merged_layout_id IS NULL")
    op.create_index(
        "ix_window_unmerged", "window", ["version_id", "start_us"], unique=False, sqlite_where=unmerged,
        postgresql_where=unmerged,
    )  # fmt: skip
