"""The table of tokens: what each allows, and the hash it is recognised by."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary, Table, Text

from monitor.store.declared import AUTO, ROW_ID, metadata

token = Table(
    "token", metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("models", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger),
    Column("revoked_us", BigInteger),
    Column("last_used_us", BigInteger),  # to the hour
    Column("quota", Text),  # NULL: none
    **AUTO,
)  # fmt: skip
