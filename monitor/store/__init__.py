"""The only package that knows SQL: SQLAlchemy Core over SQLite or PostgreSQL, plain functions over a connection.

Every function takes the connection first, then keywords; the caller owns the transaction
(``with store.write() as conn``). Profiles, layouts and answers are opaque bytes here.
"""

from __future__ import annotations

from monitor.store.engine import Store, open_store

__all__ = ["Store", "open_store"]
