"""Answers that are large and that nobody reads: few are held at a time, and not for long."""

from __future__ import annotations

import asyncio
import inspect
import socket
import threading
import time

import pytest

from monitor.api import large_answers, records, routing
from monitor.api.application import OPERATIONS
from monitor.api.params import Page
from tests.api.conftest import VERSION

RECORDS = f"{VERSION}/records"


@pytest.fixture
def large(churn):
    """The client, with a version whose first page of records is of some 12 MB."""
    for n in range(4):
        rows = [{"id": f"r{n}{k}", "features": {"a": "x" * 10**6}} for k in range(3)]
        assert churn.post(f"{VERSION}/predictions", json={"records": rows}).status_code == 200
    return churn


@pytest.fixture
def answers(application):
    return application._edge._answers


def asking(client, path=RECORDS):
    """A connection on which a page was asked for, and nothing is read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((client.base_url.host, client.base_url.port))
    connection.settimeout(30)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return connection


def until(condition, *, seconds=20):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


@pytest.mark.limit("monitor.api.large_answers.MAX_ANSWER_BYTES")
def test_beyond_the_bound_a_large_answer_is_503_and_what_is_small_and_metrics_are_not(large, answers):
    assert answers.limit == 64 * 1024**2
    answers.limit = 25_000_000  # two pages of 12 MB
    with asking(large), asking(large):
        assert until(lambda: answers.used > 20_000_000)
        third = large.get(RECORDS)
        assert (third.status_code, third.json()["code"]) == (503, "unavailable")
        assert int(third.headers["retry-after"]) >= 1
        assert "MAX_ANSWER_BYTES" in third.text
        for path in (f"{RECORDS}?limit=1&cursor=x", "/api/v1/models", "/metrics", "/livez"):
            assert large.get(path).status_code in (200, 422), path
        stored = large.post(f"{VERSION}/predictions", json={"records": [{"a": 1}]})
        assert stored.status_code == 200
    assert until(lambda: answers.used == 0)
    whole = large.get(RECORDS)
    assert (whole.status_code, len(whole.json()["results"])) == (200, 12 if whole.json()["next"] else 13)
    assert len(whole.content) == int(whole.headers["content-length"])


@pytest.mark.limit("monitor.api.large_answers.READ_BYTES_PER_SECOND")
def test_a_client_that_reads_a_little_now_and_then_is_let_go_in_its_time(large, answers, monkeypatch):
    monkeypatch.setattr(large_answers, "READ_SECONDS", 0.5)
    monkeypatch.setattr(large_answers, "READ_BYTES_PER_SECOND", 12_000_000)
    began = time.monotonic()
    with asking(large) as slow:
        assert until(lambda: answers.used > 10_000_000)
        while answers.used and time.monotonic() < began + 30:
            slow.recv(1_000)
            time.sleep(0.1)
        assert 1.4 < time.monotonic() - began < 20
        assert answers.used == 0


def test_a_large_answer_arrives_as_it_was_made(large):
    first, second = large.get(RECORDS), large.get(RECORDS, headers={"accept": "text/csv"})
    assert [len(r["features"]["a"]) for r in first.json()["results"]] == [10**6] * 12
    assert second.text.count("x") >= 12 * 10**6


@pytest.mark.limit("monitor.api.routing.PAGES_AT_ONCE")
def test_two_pages_are_made_at_a_time_and_others_wait_without_a_thread():
    lock, running, most = threading.Lock(), [], []

    def made(asked: Page) -> None:
        with lock:
            running.append(asked)
            most.append(len(running))
        time.sleep(0.1)
        with lock:
            running.remove(asked)

    async def many(count):
        places = asyncio.Semaphore(routing.PAGES_AT_ONCE)
        endpoint = routing.limited(made, places=places)
        await asyncio.gather(*(endpoint(asked=n) for n in range(count)))

    asyncio.run(many(9))
    assert (max(most), len(most)) == (2, 9)


def test_every_route_that_answers_a_page_is_one_of_the_few():
    paged = [o for o in OPERATIONS if "Page" in str(inspect.signature(o.endpoint))]
    assert len(paged) >= 12
    places = asyncio.Semaphore(1)
    assert all(routing.limited(o.endpoint, places=places) is not o.endpoint for o in paged)
    others = [o.endpoint for o in OPERATIONS if o not in paged]
    assert [routing.limited(endpoint, places=places) for endpoint in others] == others


def test_slow_pages_of_rows_hold_up_no_other_list(churn, application, monkeypatch):
    ended, made = threading.Event(), records.page

    def slow(*asked, **how):
        ended.wait(20)
        return made(*asked, **how)

    monkeypatch.setattr(records, "page", slow)
    with asking(churn), asking(churn), asking(churn):
        for path in ("/api/v1/models", "/api/v1/alerts"):
            assert churn.get(path, timeout=10).status_code == 200
        assert not ended.is_set()
        ended.set()
