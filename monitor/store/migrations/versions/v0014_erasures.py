"""Erasures: who had records erased, and how many folded rows of which windows are gone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v0014"
down_revision = "v0013"
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes the tables; Alembic calls it in the transaction of ``migrate``."""
    counts = ("asked_us", "ids", "records", "labels", "quarantined", "job_id")
    op.create_table(
        "erasure",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("model_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by_name", sa.Text(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in counts),
        sa.Column("finished_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_erasure_model_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasure")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_erasure_model_id_id", "erasure", ["model_id", "id"], unique=False)
    op.create_table(
        "erased_rows",
        sa.Column("version_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("window_start_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_erased_rows_version_id")),
        sa.PrimaryKeyConstraint("version_id", "window_start_us", name=op.f("pk_erased_rows")),
    )
