"""Which set of files made a model or a version, and since when a version is live."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v0006"
down_revision = "v0005"


def upgrade() -> None:
    """Adds the columns; Alembic calls it in the transaction of ``migrate``."""
    op.add_column("model", sa.Column("origin", sa.Text(), nullable=True))
    op.add_column("version", sa.Column("origin", sa.Text(), nullable=True))
    op.add_column("version", sa.Column("live_us", sa.BigInteger(), nullable=True))
