"""Segments of traffic: their side of a reference, their calibrations, the counts they are judged by.

And two rows of windows instead of one for ``hold``: those with a warning or worse, and those with an alert.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from monitor.store.stepwise import Stepwise

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

revision = "v0011"
down_revision = "v0010"


def upgrade() -> None:
    """Makes the tables, columns and keys; Alembic calls it in the transaction of ``migrate``."""
    _reference_segment()
    op.add_column("window", sa.Column("segmentation", sa.Text(), nullable=True))
    op.add_column("profile", sa.Column("rows", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_profile_segment",
        "profile",
        ["version_id", "segment", "window_start_us", "layout_id", "rows"],
        unique=False,
        sqlite_where=sa.text("segment <> ''"),
        postgresql_where=sa.text("segment <> ''"),
    )
    _with_segment(
        "calibration", key=("version_id", "reference_id", "segment"),
        rest=(sa.Column("made_us", sa.BigInteger(), nullable=False), _payload()),
    )  # fmt: skip
    _with_segment(
        "baseline_calibration", key=("version_id", "reference_id", "segment", "baseline"),
        rest=(sa.Column("made_us", sa.BigInteger(), nullable=False), _payload()),
    )  # fmt: skip
    _with_segment(
        "judged_counts", key=("version_id", "segment", "window_start_us"),
        rest=(
            sa.Column("layout_id", sa.BigInteger(), nullable=False),
            sa.Column("reference_id", sa.BigInteger(), nullable=False),
            sa.Column("stale", sa.Boolean(), nullable=False), _payload(),
        ),
        stepwise=True,
    )  # fmt: skip
    _two_streaks()


def _move_judged_counts(conn: sa.Connection, within: sa.ColumnElement[bool]) -> None:
    names = ("version_id", "window_start_us", "layout_id", "reference_id", "stale", "payload")
    columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in names]
    before = sa.table("judged_counts_before", *columns)
    moved = sa.select(sa.literal(""), *columns).select_from(before).where(within)
    into = sa.table("judged_counts", sa.column("segment"), *(sa.column(name) for name in names))
    conn.execute(sa.insert(into).from_select(["segment", *names], moved))
    conn.execute(sa.delete(before).where(within))


STEPS = (
    Stepwise(
        what="judged windows", table="judged_counts_before", key=("version_id", "window_start_us"), only="sqlite",
        change=_move_judged_counts,
    ),
)  # fmt: skip


def finish() -> None:
    """Removes the table that the steps have emptied."""
    if op.get_bind().dialect.name == "sqlite":
        op.drop_table("judged_counts_before")


def _two_streaks() -> None:
    op.add_column("verdict", sa.Column("alert_streak", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("UPDATE verdict SET alert_streak = streak WHERE streak_status = 'alert'")
    op.execute("UPDATE verdict SET streak = 0 WHERE streak_status NOT IN ('warning', 'alert')")
    op.drop_column("verdict", "streak_status")


def _reference_segment() -> None:
    op.create_table(
        "reference_segmentation",
        sa.Column("reference_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("specs", sa.Text(), nullable=False),
        sa.Column("cut", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["reference_id"], ["reference.id"], name=op.f("fk_reference_segmentation_reference_id")
        ),
        sa.PrimaryKeyConstraint("reference_id", name=op.f("pk_reference_segmentation")),
    )
    op.create_table(
        "reference_segment",
        sa.Column("reference_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("segment", NAME, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("shape", sa.Text(), nullable=False),
        sa.Column("layout_id", sa.BigInteger(), nullable=False),
        sa.Column("profile", sa.LargeBinary(), nullable=False),
        sa.Column("history", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["reference_id"], ["reference.id"], name=op.f("fk_reference_segment_reference_id")),
        sa.PrimaryKeyConstraint("reference_id", "segment", name=op.f("pk_reference_segment")),
    )


def _payload() -> sa.Column[bytes]:
    return sa.Column("payload", sa.LargeBinary(), nullable=False)


def _with_segment(
    table: str, *, key: tuple[str, ...], rest: tuple[sa.Column[Any], ...], stepwise: bool = False
) -> None:  # fmt: skip
    """Puts ``segment`` into the table's key: all traffic, which has no name, for what is there.

    With ``stepwise`` the rows that SQLite has to move come later: there is one of each window.
    """
    if op.get_bind().dialect.name == "postgresql":
        op.add_column(table, sa.Column("segment", NAME, nullable=False, server_default=""))
        op.alter_column(table, "segment", server_default=None)
        op.drop_constraint(f"pk_{table}", table)
        op.create_primary_key(op.f(f"pk_{table}"), table, list(key))
        return
    # SQLite changes no key: the rows move to a table that has the new one.
    texts = {"segment", "baseline"}
    op.rename_table(table, f"{table}_before")
    op.create_table(
        table,
        *(
            sa.Column(name, NAME if name in texts else sa.BigInteger(), autoincrement=False, nullable=False)
            for name in key
        ),
        *rest,
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f(f"fk_{table}_version_id")),
        sa.PrimaryKeyConstraint(*key, name=op.f(f"pk_{table}")),
    )
    if stepwise:
        return
    kept = ", ".join([*(name for name in key if name != "segment"), *(column.name for column in rest)])
    op.execute(f"INSERT INTO {table} (segment, {kept}) SELECT '', {kept} FROM {table}_before")
    op.drop_table(f"{table}_before")
