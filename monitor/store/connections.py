"""Whether PostgreSQL has room for the connections that a process may take."""

from __future__ import annotations

from sqlalchemy import Connection, text

from monitor.store.postgres import POOL_OVERFLOW, POOL_SIZE

MOST = POOL_SIZE + POOL_OVERFLOW
_ROOM = text("""
SELECT least(
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true)::int, 0),  -- from PostgreSQL 16 on
    (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database()),
    (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user)
), (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid())
""")


def room(conn: Connection) -> tuple[int, int]:
    """(connections that PostgreSQL allows this user, those of clients that are open beside this one)."""
    allowed, used = conn.execute(_ROOM).one()
    return int(allowed), int(used)


def crowding(conn: Connection) -> str | None:
    """What is wrong where fewer than ``MOST`` connections are free; None where they are, and on SQLite."""
    if conn.dialect.name != "postgresql":
        return None
    allowed, used = room(conn)
    if allowed - used >= MOST:
        return None
    return (
        f"PostgreSQL allows this user {allowed} connections and {used} are in use: each process of Driftline may take "
        f"{MOST}. Raise max_connections (or the limit of the role or the database), or run fewer processes"
    )
