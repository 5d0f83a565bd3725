"""The tables of profiles: of windows, and of the days and weeks that old ones are merged into."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, Table

from monitor.store.declared import NAME, metadata, only

profile = Table(
    "profile", metadata,
    Column("version_id", BigInteger, ForeignKey("version.id"), primary_key=True, autoincrement=False),
    Column("window_start_us", BigInteger, primary_key=True, autoincrement=False),
    Column("segment", NAME, primary_key=True),
    Column("layout_id", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("rows", BigInteger),  # of a segment; those of all traffic are its window's
    # All that is asked of a segment's windows before their profiles are read: ``rows`` stands behind the payload.
    Index("ix_profile_segment", "version_id", "segment", "window_start_us", "layout_id", "rows",
          **only("segment <> ''")),
)  # fmt: skip

# The sum of what windows had: ``window.merged_layout_id`` says which of those in the span are in it.
merged_profile = Table(
    "merged_profile", metadata,
    Column("version_id", BigInteger, ForeignKey("version.id"), primary_key=True, autoincrement=False),
    Column("segment", NAME, primary_key=True),
    Column("start_us", BigInteger, primary_key=True, autoincrement=False),
    Column("end_us", BigInteger, primary_key=True, autoincrement=False),
    Column("layout_id", BigInteger, primary_key=True, autoincrement=False),
    Column("windows", BigInteger, nullable=False),  # how many had a profile of the segment
    Column("rows", BigInteger, nullable=False),
    Column("last_received_us", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
)  # fmt: skip
