"""Fire drills: test checks that were raised, and when Alertmanager told of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v0009"
down_revision = "v0008"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes the table; Alembic calls it in the transaction of ``migrate``."""
    op.create_table(
        "drill",
        sa.Column("id", ID, nullable=False),
        sa.Column("model_id", sa.BigInteger(), nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("started_us", sa.BigInteger(), nullable=False),
        sa.Column("ends_us", sa.BigInteger(), nullable=False),
        sa.Column("seen_us", sa.BigInteger(), nullable=True),
        sa.Column("seen_by", sa.Text(), nullable=True),
        sa.Column("resolved_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_drill_model_id")),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_drill_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_drill_model_id_id"), "drill", ["model_id", "id"], unique=False)
