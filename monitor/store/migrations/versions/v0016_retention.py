"""Retention by age: what is left of the records of sealed windows, and how many of their rows are gone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v0016"
down_revision = "v0015"


def upgrade() -> None:
    """Adds the columns and indexes; Alembic calls it in the transaction of ``migrate``."""
    op.add_column("window", sa.Column("retained", sa.Text(), nullable=True))
    op.add_column("window", sa.Column("dropped", sa.BigInteger(), nullable=True))
    for name, columns, where in (
        ("ix_window_unsealed", ["version_id", "start_us"], "state <> 'sealed'"),
        ("ix_window_sealed", ["version_id", "retained", "start_us"], "state = 'sealed'"),
    ):
        op.create_index(
            name, "window", columns, unique=False, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
        )
