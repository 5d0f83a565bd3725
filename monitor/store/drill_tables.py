"""The table of fire drills: test checks that were raised, and when Alertmanager told of them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Table, Text

from monitor.store.declared import AUTO, ROW_ID, ForeignText, metadata, model_column, version_column

drill = Table(
    "drill", metadata,
    Column("id", ROW_ID, primary_key=True),
    model_column(),
    version_column(),
    Column("severity", Text, nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Column("ends_us", BigInteger, nullable=False),  # by itself, where nothing comes back
    Column("seen_us", BigInteger),  # when Alertmanager called here of it: then it is raised no more
    Column("seen_by", ForeignText),  # the receiver that was called
    Column("resolved_us", BigInteger),
    Index(None, "model_id", "id"),
    **AUTO,
)  # fmt: skip
