"""The tables of labels, of what they are joined to, and of the performance that follows (``monitor.store.tables``)."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, Table, Text

from monitor.store.declared import AUTO, NAME, ROW_ID, ForeignText, metadata, model_column, version_column

# What folded records are held against their labels with: id hash, prediction, scores. It outlives their features.
outcome = Table(
    "outcome", metadata,
    Column("id", ROW_ID, primary_key=True),
    version_column(),
    Column("window_start_us", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("schema_id", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Index(None, "version_id", "window_start_us"),
    **AUTO,
)  # fmt: skip

# Labels as they came, until the next join takes them up.
label_batch = Table(
    "label_batch", metadata,
    Column("id", ROW_ID, primary_key=True),
    model_column(),
    Column("received_us", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    # All but the payload: what waits is counted at every tick, and a small payload stands in the row itself.
    Index("ix_label_batch_waiting", "model_id", "id", "rows", "bytes", "received_us"),
    **AUTO,
)  # fmt: skip

# All labels of a model that have been looked for, whether they were found or not: one of them may fit a later record.
label_segment = Table(
    "label_segment", metadata,
    Column("id", ROW_ID, primary_key=True),
    model_column(),
    Column("first_received_us", BigInteger, nullable=False),
    Column("last_received_us", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("unmatched", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("found", LargeBinary, nullable=False),  # a bit a label: whether it is in some record
    Index(None, "model_id"),
    **AUTO,
)  # fmt: skip

# Apart from its segment: SQLite rewrites a whole row to change one bit of it, and bits change with every join.
label_payload = Table(
    "label_payload", metadata,
    Column("segment_id", BigInteger, ForeignKey("label_segment.id", ondelete="CASCADE"), primary_key=True,
           autoincrement=False),
    Column("payload", LargeBinary, nullable=False),
)  # fmt: skip

label_quarantine = Table(
    "label_quarantine", metadata,
    Column("id", ROW_ID, primary_key=True),
    model_column(),
    Column("received_us", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("code", Text, nullable=False),
    Column("message", ForeignText, nullable=False),
    Column("roles", Text, nullable=False),
    Column("replayed_us", BigInteger),
    Column("raw", ForeignText, nullable=False),
    Index(None, "model_id", "id"),
    **AUTO,
)  # fmt: skip

# Labels that were found, by the window of their record.
window_label = Table(
    "window_label", metadata,
    Column("id", ROW_ID, primary_key=True),
    version_column(),
    Column("window_start_us", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Index(None, "version_id", "window_start_us"),
    **AUTO,
)  # fmt: skip

scorecard = Table(
    "scorecard", metadata,
    Column("version_id", BigInteger, ForeignKey("version.id"), primary_key=True, autoincrement=False),
    Column("window_start_us", BigInteger, primary_key=True, autoincrement=False),
    Column("segment", NAME, primary_key=True),
    Column("outline", Text, nullable=False),  # the digest of what it was counted in
    Column("label_rows", BigInteger, nullable=False),  # how many of the window's joined labels are in it
    Column("payload", LargeBinary, nullable=False),
)  # fmt: skip

# What a reference says of the model's performance: its own scorecard, calibration of scores, model of the loss.
performance = Table(
    "performance", metadata,
    Column("version_id", BigInteger, ForeignKey("version.id"), primary_key=True, autoincrement=False),
    Column("reference_id", BigInteger, primary_key=True, autoincrement=False),
    Column("made_us", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
)  # fmt: skip
