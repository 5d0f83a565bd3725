"""What Alertmanager said it notified of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v0005"
down_revision = "v0004"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes the table; Alembic calls it in the transaction of ``migrate``."""
    op.create_table(
        "notification",
        sa.Column("id", ID, nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("receiver", "group_key", "group_labels")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("fingerprint", "status")),
        sa.Column("starts_us", sa.BigInteger(), nullable=False),
        sa.Column("ends_us", sa.BigInteger(), nullable=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("alertname", "model", "version", "segment")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("check_name", "severity", "reason")),
        sa.Column("transition_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification")),
        sa.UniqueConstraint("key", name=op.f("uq_notification_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_notification_received_us"), "notification", ["received_us"], unique=False)
    op.create_index(op.f("ix_notification_fingerprint_id"), "notification", ["fingerprint", "id"], unique=False)
    op.create_index("ix_notification_transition_id", "notification", ["transition_id"], unique=False)
