"""Calibrations against baselines other than the reference, and which windows were in alert: those stay out of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.stepwise import Stepwise

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

revision = "v0010"
down_revision = "v0009"


def upgrade() -> None:
    """Makes the table and the column; Alembic calls it in the transaction of ``migrate``."""
    op.create_table(
        "baseline_calibration",
        sa.Column("version_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reference_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("baseline", NAME, nullable=False),
        sa.Column("made_us", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_baseline_calibration_version_id")),
        sa.PrimaryKeyConstraint("version_id", "reference_id", "baseline", name=op.f("pk_baseline_calibration")),
    )
    op.add_column("window", sa.Column("in_alert", sa.Boolean(), nullable=True))


def _note_alerts(conn: sa.Connection, within: sa.ColumnElement[bool]) -> None:
    window = sa.table(
        "window", sa.column("version_id", sa.BigInteger()), sa.column("start_us", sa.BigInteger()),
        sa.column("in_alert", sa.Boolean()),
    )  # fmt: skip
    result = sa.table(
        "result", sa.column("version_id", sa.BigInteger()), sa.column("window_start_us", sa.BigInteger()),
        sa.column("segment", sa.Text()), sa.column("status", sa.Text()),
    )  # fmt: skip
    told = sa.exists().where(
        result.c.version_id == window.c.version_id, result.c.window_start_us == window.c.start_us,
        result.c.segment == "", result.c.status == "alert",
    )  # fmt: skip
    conn.execute(sa.update(window).where(told, within).values(in_alert=True))


STEPS = (Stepwise(what="windows", table="window", key=("version_id", "start_us"), change=_note_alerts),)
