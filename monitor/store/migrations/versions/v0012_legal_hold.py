"""Legal holds: since when nothing of a model may be removed, who said so, and why."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v0012"
down_revision = "v0011"


def upgrade() -> None:
    """Adds the columns; Alembic calls it in the transaction of ``migrate``."""
    op.add_column("model", sa.Column("held_us", sa.BigInteger(), nullable=True))
    op.add_column("model", sa.Column("held_by", sa.Text(), nullable=True))
    op.add_column("model", sa.Column("held_reason", sa.Text(), nullable=True))
