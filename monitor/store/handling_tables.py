"""The tables of what people said: of windows, of alerts, and when nobody is to be told."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Table, Text

from monitor.store.declared import AUTO, NAME, ROW_ID, ForeignText, metadata, model_column, version_column

# A withdrawn mark keeps its row, with who withdrew it and when.
window_mark = Table(
    "window_mark", metadata,
    Column("version_id", BigInteger, ForeignKey("version.id"), primary_key=True, autoincrement=False),
    Column("start_us", BigInteger, primary_key=True, autoincrement=False),
    Column("healthy", Boolean),
    Column("reason", ForeignText, nullable=False),
    Column("by_name", ForeignText, nullable=False),
    Column("at_us", BigInteger, nullable=False),
)  # fmt: skip

# One row for each kind of word about an alert; check, segment and status are the alert's own.
handling = Table(
    "handling", metadata,
    Column("transition_id", BigInteger, ForeignKey("transition.id"), primary_key=True, autoincrement=False),
    Column("kind", NAME, primary_key=True),
    version_column(),
    Column("reason", ForeignText, nullable=False),
    Column("by_name", ForeignText, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("until_us", BigInteger),
    Column("was", Text),  # of a verdict
    Column("from_us", BigInteger),  # the windows that a verdict speaks of: those that start in [from_us, to_us)
    Column("to_us", BigInteger),
    Column("withdrawn_us", BigInteger),
    Index(None, "version_id", "kind"),
    Index("ix_handling_until", "kind", "until_us"),
)  # fmt: skip

silence = Table(
    "silence", metadata,
    Column("id", ROW_ID, primary_key=True),
    model_column(),
    Column("reason", ForeignText, nullable=False),
    Column("start_us", BigInteger, nullable=False),
    Column("end_us", BigInteger, nullable=False),
    Column("versions", Text, nullable=False),
    Column("checks", Text, nullable=False),
    Column("columns", Text, nullable=False),
    Column("segments", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", ForeignText, nullable=False),
    Column("ended_us", BigInteger),  # where somebody ended it before its time
    Column("ended_by", ForeignText),
    Index(None, "model_id", "id"),
    Index(None, "end_us"),
    **AUTO,
)  # fmt: skip
