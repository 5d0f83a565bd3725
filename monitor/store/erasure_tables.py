"""The tables of erasures: who had records erased, and what windows count that no row is stored of any more."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table

from monitor.store.declared import AUTO, ROW_ID, ForeignText, metadata, model_column

# What was asked for, without the ids: those stand as hashes in the job until it is done.
erasure = Table(
    "erasure", metadata,
    Column("id", ROW_ID, primary_key=True),
    model_column(),
    Column("reason", ForeignText, nullable=False),
    Column("by_name", ForeignText, nullable=False),
    Column("asked_us", BigInteger, nullable=False),
    Column("ids", BigInteger, nullable=False),  # how many were named
    Column("records", BigInteger, nullable=False),  # how many were found, so far
    Column("labels", BigInteger, nullable=False),
    Column("quarantined", BigInteger, nullable=False),
    Column("job_id", BigInteger, nullable=False),
    Column("finished_us", BigInteger),
    Index(None, "model_id", "id"),
    **AUTO,
)  # fmt: skip

# Folded rows of a window that were erased: its counts and profiles still have them, and no recount can.
erased_rows = Table(
    "erased_rows", metadata,
    Column("version_id", BigInteger, ForeignKey("version.id"), primary_key=True, autoincrement=False),
    Column("window_start_us", BigInteger, primary_key=True, autoincrement=False),
    Column("rows", BigInteger, nullable=False),
)  # fmt: skip
