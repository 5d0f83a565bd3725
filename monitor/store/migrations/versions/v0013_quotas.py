"""What a token may do in a minute."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v0013"
down_revision = "v0012"


def upgrade() -> None:
    """Makes the column; Alembic calls it in the transaction of ``migrate``. Tokens that are there have no quota."""
    op.add_column("token", sa.Column("quota", sa.Text(), nullable=True))
