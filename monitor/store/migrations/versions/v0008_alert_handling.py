"""What people said of windows and of alerts, and silences."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v0008"
down_revision = "v0007"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Makes the tables; Alembic calls it in the transaction of ``migrate``."""
    _window_mark()
    _handling()
    _silence()


def _window_mark() -> None:
    op.create_table(
        "window_mark",
        sa.Column("version_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("start_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("healthy", sa.Boolean(), nullable=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("reason", "by_name")),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_window_mark_version_id")),
        sa.PrimaryKeyConstraint("version_id", "start_us", name=op.f("pk_window_mark")),
    )


def _handling() -> None:
    op.create_table(
        "handling",
        sa.Column("transition_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("reason", "by_name")),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=True),
        sa.Column("was", sa.Text(), nullable=True),
        *(sa.Column(name, sa.BigInteger(), nullable=True) for name in ("from_us", "to_us", "withdrawn_us")),
        sa.ForeignKeyConstraint(["transition_id"], ["transition.id"], name=op.f("fk_handling_transition_id")),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_handling_version_id")),
        sa.PrimaryKeyConstraint("transition_id", "kind", name=op.f("pk_handling")),
    )
    op.create_index(op.f("ix_handling_version_id_kind"), "handling", ["version_id", "kind"], unique=False)
    op.create_index("ix_handling_until", "handling", ["kind", "until_us"], unique=False)


def _silence() -> None:
    op.create_table(
        "silence",
        sa.Column("id", ID, nullable=False),
        sa.Column("model_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("start_us", "end_us")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("versions", "checks", "columns", "segments")),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_silence_model_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_silence")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_silence_model_id_id"), "silence", ["model_id", "id"], unique=False)
    op.create_index(op.f("ix_silence_end_us"), "silence", ["end_us"], unique=False)
