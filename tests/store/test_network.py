"""A PostgreSQL behind a network that drops what is sent: libpq gives up after seconds, or after what the URL says."""

from __future__ import annotations

import socket
import threading
import time

import pytest
import sqlalchemy as sa

from monitor.model.errors import Unavailable
from monitor.store import answering, open_store, postgres
from tests.faults.relay import Relay

# TCP_USER_TIMEOUT and TCP_KEEPIDLE are Linux's
pytestmark = pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system has no TCP_USER_TIMEOUT")


@pytest.fixture
def relay(postgresql_server):
    with Relay(postgresql_server, buffer_bytes=65_536) as opened:
        yield opened


@pytest.fixture
def url(relay, postgresql_reused):
    """A database's URL that leads through the relay."""
    return relay.url(postgresql_reused)


def test_what_nobody_acknowledges_is_given_up_and_a_new_connection_goes_on(relay, url, tmp_path, monkeypatch):
    monkeypatch.setattr(postgres, "UNACKNOWLEDGED_SECONDS", 2)
    store = open_store(url, data_dir=tmp_path)
    statement = sa.text("SELECT length(:long)")
    long = {"long": "x" * 4_000_000}  # more than the buffers take

    def ask_twice():
        with store.read() as conn:
            assert conn.execute(statement, long).scalar_one() == 4_000_000
            relay.stall()
            conn.execute(statement, long)

    began = time.monotonic()
    with pytest.raises(Unavailable, match="connection to the database failed"):
        ask_twice()
    assert time.monotonic() - began < 20, "as long as TCP tries"
    relay.resume()
    with store.read() as conn:
        assert conn.execute(statement, long).scalar_one() == 4_000_000
    store.close()


def options_of(store) -> dict[str, int]:
    """What the system was told of the connection."""
    with store.read() as conn:
        end = socket.socket(fileno=socket.dup(conn.connection.driver_connection.fileno()))
    with end:
        return {
            name: end.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
            for name in ("TCP_USER_TIMEOUT", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
        }


def test_every_connection_has_the_bounds_and_what_its_url_says_of_them_is_in_force(url, tmp_path):
    store = open_store(url, data_dir=tmp_path)
    ours = options_of(store)
    store.close()
    assert ours == {"TCP_USER_TIMEOUT": 10_000, "TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 3, "TCP_KEEPCNT": 3}
    theirs = "tcp_user_timeout=70000&keepalives_idle=71&keepalives_count=7"
    store = open_store(f"{url}?{theirs}", data_dir=tmp_path)
    assert options_of(store) == {
        "TCP_USER_TIMEOUT": 70_000, "TCP_KEEPIDLE": 71, "TCP_KEEPINTVL": 3, "TCP_KEEPCNT": 7,
    }  # fmt: skip
    store.close()


def asked_while_nothing_answers(store, relay, *, prepare=lambda conn: None):
    """Asks what is kept back until it is answered or given up."""
    with store.read() as conn:
        prepare(conn)
        relay.stall()
        return conn.exec_driver_sql("SELECT 7").scalar_one()


@pytest.fixture
def impatient(url, tmp_path, monkeypatch):
    """A store whose connections wait two seconds for an answer."""
    monkeypatch.setattr(answering, "ANSWER_SECONDS", 2.0)
    opened = open_store(url, data_dir=tmp_path)
    yield opened
    opened.close()


def test_what_is_taken_and_never_answered_is_given_up_and_a_new_connection_goes_on(relay, impatient):
    began = time.monotonic()
    with pytest.raises(Unavailable, match="connection to the database failed"):
        asked_while_nothing_answers(impatient, relay)
    assert 2 < time.monotonic() - began < 20
    relay.resume()
    with impatient.read() as conn:
        assert conn.exec_driver_sql("SELECT 8").scalar_one() == 8


def test_a_transaction_that_takes_its_time_waits_longer_and_the_next_one_does_not(relay, impatient):
    began = []

    def prepare(conn):
        postgres.take_the_time(conn)
        threading.Timer(4.0, relay.resume).start()
        began.append(time.monotonic())

    assert asked_while_nothing_answers(impatient, relay, prepare=prepare) == 7
    assert time.monotonic() - began[0] > 2
    with pytest.raises(Unavailable, match="connection to the database failed"):
        asked_while_nothing_answers(impatient, relay)
