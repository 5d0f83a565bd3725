"""What the tables are declared with: their metadata, their types, columns that many of them have."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, MetaData, Text, TypeDecorator, text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class ForeignText(TypeDecorator[str]):
    """Text from outside: NUL and lone surrogates, which PostgreSQL refuses, are kept as their ``\\u`` escapes."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """The text as both databases take it."""
        if value is None or (value.isascii() and "\0" not in value):
            return value
        return value.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\u0000")


class NameText(ForeignText):
    """Text that lists are sorted by: by code point on both databases."""

    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text; PostgreSQL's own order is by the server's language."""
        return dialect.type_descriptor(Text(collation="C") if dialect.name == "postgresql" else Text())


NAME = NameText()
ROW_ID = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER PRIMARY KEY counts by itself on SQLite
AUTO: dict[str, Any] = {"sqlite_autoincrement": True}  # an id is never given twice, not even after a delete


def version_column() -> Column[int]:
    """The version that a row belongs to."""
    return Column("version_id", BigInteger, ForeignKey("version.id"), nullable=False)


def model_column() -> Column[int]:
    """The model that a row belongs to."""
    return Column("model_id", BigInteger, ForeignKey("model.id"), nullable=False)


def only(where: str) -> dict[str, Any]:
    """What makes an index one of those rows only, on both databases."""
    return {"sqlite_where": text(where), "postgresql_where": text(where)}
