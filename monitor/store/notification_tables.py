"""The table of what Alertmanager said it notified of."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table, Text

from monitor.store.declared import AUTO, ROW_ID, ForeignText, metadata

notification = Table(
    "notification", metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("key", LargeBinary, nullable=False, unique=True),
    Column("received_us", BigInteger, nullable=False),
    Column("receiver", ForeignText, nullable=False),
    Column("group_key", ForeignText, nullable=False),
    Column("group_labels", Text, nullable=False),
    Column("fingerprint", ForeignText, nullable=False),
    Column("status", Text, nullable=False),
    Column("starts_us", BigInteger, nullable=False),
    Column("ends_us", BigInteger),
    Column("alertname", ForeignText, nullable=False),
    Column("model", ForeignText, nullable=False),
    Column("version", ForeignText, nullable=False),
    Column("segment", ForeignText, nullable=False),
    Column("check_name", ForeignText, nullable=False),
    Column("severity", ForeignText, nullable=False),
    Column("reason", ForeignText, nullable=False),
    Column("transition_id", BigInteger),  # what it tells of; ids are never given twice, so one may be gone
    Index(None, "received_us"),
    Index(None, "fingerprint", "id"),
    Index("ix_notification_transition_id", "transition_id"),
    **AUTO,
)  # fmt: skip
