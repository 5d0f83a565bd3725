"""Labels, what they are joined to, and the performance that follows."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "v0003"
down_revision = "v0002"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_SEGMENT = ("first_received_us", "last_received_us", "rows", "unmatched", "bytes")


def upgrade() -> None:
    """Makes the tables; Alembic calls it in the transaction of ``migrate``."""
    op.add_column("version", sa.Column("joined_fold", sa.BigInteger(), nullable=True))
    op.add_column("id_run", sa.Column("fold", sa.BigInteger(), nullable=True))
    op.add_column("window", sa.Column("label_rows", sa.BigInteger(), nullable=True))
    op.add_column("window", sa.Column("due_us", sa.BigInteger(), nullable=True))
    op.add_column("model", sa.Column("joins", sa.BigInteger(), nullable=True))
    _window_due()
    op.create_index("ix_id_run_fold", "id_run", ["version_id", "fold", "window_start_us", "keys"], unique=False)
    _label_batch()
    _label_segment()
    _of_window("outcome", sa.Column("schema_id", sa.BigInteger(), nullable=False))
    _of_window("window_label")
    _label_quarantine()
    _scorecard()
    _performance()


def _window_due() -> None:
    op.create_index(
        "ix_window_due",
        "window",
        ["due_us"],
        unique=False,
        sqlite_where=sa.text("due_us IS NOT NULL"),
        postgresql_where=sa.text("due_us IS NOT NULL"),
    )


def _label_batch() -> None:
    _of_model("label_batch", sa.Column("received_us", sa.BigInteger(), nullable=False), *_payload())
    op.create_index(
        "ix_label_batch_waiting", "label_batch", ["model_id", "id", "rows", "bytes", "received_us"], unique=False
    )


def _label_segment() -> None:
    _of_model(
        "label_segment",
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _SEGMENT),
        sa.Column("found", sa.LargeBinary(), nullable=False),
    )
    op.create_index(op.f("ix_label_segment_model_id"), "label_segment", ["model_id"], unique=False)
    op.create_table(
        "label_payload",
        sa.Column("segment_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["segment_id"], ["label_segment.id"], name=op.f("fk_label_payload_segment_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("segment_id", name=op.f("pk_label_payload")),
    )


def _of_model(name: str, *columns: sa.Column[Any]) -> None:
    op.create_table(
        name,
        sa.Column("id", ID, nullable=False),
        sa.Column("model_id", sa.BigInteger(), nullable=False),
        *columns,
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f(f"fk_{name}_model_id")),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")),
        sqlite_autoincrement=True,
    )


def _of_window(name: str, *columns: sa.Column[int]) -> None:
    op.create_table(
        name,
        sa.Column("id", ID, nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("window_start_us", sa.BigInteger(), nullable=False),
        *columns,
        *_payload(),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f(f"fk_{name}_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f(f"ix_{name}_version_id_window_start_us"), name, ["version_id", "window_start_us"], unique=False
    )


def _payload() -> tuple[sa.Column[int], sa.Column[int], sa.Column[bytes]]:
    return (
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
    )


def _label_quarantine() -> None:
    op.create_table(
        "label_quarantine",
        sa.Column("id", ID, nullable=False),
        sa.Column("model_id", sa.BigInteger(), nullable=False),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("replayed_us", sa.BigInteger(), nullable=True),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_label_quarantine_model_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_label_quarantine")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_label_quarantine_model_id_id"), "label_quarantine", ["model_id", "id"], unique=False)


def _scorecard() -> None:
    op.create_table(
        "scorecard",
        sa.Column("version_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("window_start_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("segment", NAME, nullable=False),
        sa.Column("outline", sa.Text(), nullable=False),
        sa.Column("label_rows", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_scorecard_version_id")),
        sa.PrimaryKeyConstraint("version_id", "window_start_us", "segment", name=op.f("pk_scorecard")),
    )


def _performance() -> None:
    op.create_table(
        "performance",
        sa.Column("version_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reference_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("made_us", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_performance_version_id")),
        sa.PrimaryKeyConstraint("version_id", "reference_id", name=op.f("pk_performance")),
    )
