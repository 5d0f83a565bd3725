"""PostgreSQL engines: psycopg 3, durability asserted on every connection, every wait bounded."""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import URL, Connection, Engine, LargeBinary, create_engine, event, text
from sqlalchemy.engine import ExceptionContext

from monitor.model.errors import ConfigurationError
from monitor.store.pool import TrimmedPool

_log = logging.getLogger(__name__)

STATEMENT_SECONDS = 30
LOCK_SECONDS = 10
IDLE_IN_TRANSACTION_SECONDS = 60
POOL_SIZE, POOL_OVERFLOW, POOL_SECONDS = 8, 16, 10.0
# A network that drops everything, without an end of the connection: what was sent is not acknowledged for so long, or a
# connection that waits for its answer is silent and does not acknowledge probes. By default it is a quarter of an hour.
CONNECT_SECONDS, UNACKNOWLEDGED_SECONDS = 5, 10
SILENT_SECONDS, PROBE_SECONDS, PROBES = 10, 3, 3
# Of a connection that is always in use, for its buffers: see ``pool``.
RECYCLE_SECONDS = 300
_FLUSHED = ("on", "remote_apply")  # 'local', 'remote_write' and 'off' promise less than the standard setting
_ASSERTED = "SELECT current_setting('synchronous_commit'), current_setting('fsync'), current_setting('server_encoding')"
_BINARY = 1  # https://www.postgresql.org/docs/current/protocol-overview.html#PROTOCOL-FORMAT-CODES
_READ_ONLY = "25006"  # read_only_sql_transaction
_told: set[str] = set()


def make_engines(url: URL) -> tuple[Engine, Engine]:
    """(reading, writing) engines over one pool. A read is one snapshot and cannot write; no extra round trip."""
    try:
        engine = create_engine(
            url,
            poolclass=TrimmedPool,
            isolation_level="READ COMMITTED",
            pool_size=POOL_SIZE,
            max_overflow=POOL_OVERFLOW,
            pool_timeout=POOL_SECONDS,
            pool_pre_ping=True,
            pool_recycle=RECYCLE_SECONDS,
            pool_use_lifo=True,
            hide_parameters=True,  # an error's text is logged, and they are what clients sent
            connect_args=_bounds(url) | {"application_name": "driftline", "client_encoding": "utf8"},
        )
    except ImportError as error:
        raise ConfigurationError(
            f"DATABASE_URL names PostgreSQL, but its driver cannot be imported ({error}): install driftline[postgres]"
        ) from error
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "checkin", _as_new)
    event.listen(engine, "before_cursor_execute", _take_bytes_as_bytes)
    event.listen(engine, "handle_error", _leave_read_only)
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True), engine


def _bounds(url: URL) -> dict[str, int]:
    """How long libpq waits for the network; what the URL itself says of one of them stays.

    https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
    """
    bounds = {
        "connect_timeout": CONNECT_SECONDS, "tcp_user_timeout": UNACKNOWLEDGED_SECONDS * 1_000, "keepalives": 1,
        "keepalives_idle": SILENT_SECONDS, "keepalives_interval": PROBE_SECONDS, "keepalives_count": PROBES,
    }  # fmt: skip
    return {name: value for name, value in bounds.items() if name not in url.query}


def take_the_time(conn: Connection) -> None:
    """Lets the statements of this transaction take as long as they take: a large table is migrated or sent."""
    conn.execute(text("SET LOCAL statement_timeout = 0"))
    conn.connection.driver_connection.answer_seconds = None  # type: ignore[union-attr]


def _connect(dialect: Any, record: Any, arguments: Any, parameters: Any) -> Any:
    from monitor.store import answering

    connection = answering.AnsweringConnection.connect(*arguments, **parameters)
    connection.answer_seconds = answering.ANSWER_SECONDS
    return connection


def _as_new(connection: Any, record: Any) -> None:
    """Has a connection that comes back wait, and begin its transactions, as a new one does.

    From a read it comes back with ``read_only = False``, of which psycopg makes ``BEGIN READ WRITE``: that writes
    although ``default_transaction_read_only`` is on, and a standby refuses it in other words than a write.
    """
    if connection is None or connection.closed:
        return
    from monitor.store import answering

    connection.answer_seconds = answering.ANSWER_SECONDS
    if connection.read_only is not None:
        connection.read_only = None


def _take_bytes_as_bytes(
    conn: Connection, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> None:
    """Asks in binary for what has payloads: they come in hexadecimal otherwise, twice as long.

    Measured on loopback: 4 MB of them in 6 ms instead of 22, and libpq keeps 8 MiB after a row of 5 MB instead of 16.
    """
    selected = () if context.compiled is None else getattr(context.compiled.statement, "selected_columns", ())
    if any(isinstance(column.type, LargeBinary) for column in selected):
        cursor.format = _BINARY


def _leave_read_only(context: ExceptionContext) -> None:
    """Connections to a server that has become read-only are closed: the next ones may lead to the new primary."""
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True


def _set_up(connection: Any, record: Any) -> None:
    """Time-outs, and synchronous_commit on: a 2xx is sent only after the flush."""
    previous, connection.autocommit = connection.autocommit, True
    with connection.cursor() as cursor:
        cursor.execute(f"SET statement_timeout = '{STATEMENT_SECONDS}s'")
        cursor.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_SECONDS}s'")
        commit, fsync, encoding = cursor.execute(_ASSERTED).fetchone()
        if commit not in _FLUSHED:
            cursor.execute("SET synchronous_commit = on")
            commit = cursor.execute("SHOW synchronous_commit").fetchone()[0]
    connection.autocommit = previous
    if commit not in _FLUSHED:
        raise ConfigurationError(f"PostgreSQL keeps synchronous_commit at {commit!r}: expected 'on'")
    if encoding != "UTF8":
        raise ConfigurationError(f"the database's encoding is {encoding}: create it with ENCODING 'UTF8'")
    if fsync != "on" and "fsync" not in _told:
        _told.add("fsync")
        _log.warning("PostgreSQL runs with fsync = off: what is acknowledged is lost when its host crashes")
