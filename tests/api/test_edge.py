"""The outermost layer around an application of a few lines."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from monitor.api.doorkeeper import Doorkeeper
from monitor.api.edge import Edge, EdgeLimits

LIMITS = EdgeLimits(
    body_bytes=1_000, reference_bytes=5_000, body_seconds=0.2, reference_bytes_per_second=100, drain_seconds=0.2
)


async def echo(scope, receive, send):
    """Answers with the length of the body, or fails as its path says."""
    if scope["path"] == "/boom":
        raise RuntimeError("nobody expected this: sensitive words")
    body = b""
    while scope["path"] != "/deaf":
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": str(len(body)).encode()})


def edge(*, host="127.0.0.1", public_url=None, allow_anonymous=False):
    counter = Counter("requests", "of the test", ["route", "code"], registry=CollectorRegistry())
    doorkeeper = Doorkeeper(host=host, public_url=public_url, allow_anonymous=allow_anonymous)
    return Edge(echo, limits=LIMITS, doorkeeper=doorkeeper, requests=counter), counter


async def call(application, method="GET", path="/", **request):
    transport = httpx.ASGITransport(application, raise_app_exceptions=False)
    base = request.pop("base_url", "http://127.0.0.1:8000")
    async with httpx.AsyncClient(transport=transport, base_url=base) as client:
        return await client.request(method, path, **request)


def ask(*parts, **request):
    return asyncio.run(call(*parts, **request))


async def pieces(*sizes):
    for size in sizes:
        yield b"x" * size


def test_a_body_within_the_limit_arrives_whole():
    application, _ = edge()
    assert ask(application, "POST", content=b"x" * 1_000).text == "1000"


@pytest.mark.parametrize("content", [b"x" * 1_001, pieces(600, 600)], ids=["declared", "chunked"])
def test_a_body_over_the_limit_is_413_and_names_the_setting(content):
    application, _ = edge()
    answer = ask(application, "POST", content=content)
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
    assert "DRIFTLINE_MAX_BODY_BYTES" in answer.json()["detail"]


def test_a_reference_has_a_limit_of_its_own():
    application, _ = edge()
    path = "/api/v1/models/m/versions/v/reference"
    assert ask(application, "PUT", path, content=b"x" * 5_000).text == "5000"
    assert ask(application, "PUT", path, content=b"x" * 5_001).status_code == 413


def dripped(path, *pieces, every=0.05, method="POST"):
    """What the server sends, and after how many seconds, to a body of pieces of which the last never comes."""

    async def drip(application):
        sent = []
        given = iter(pieces)

        async def receive():
            for piece in given:
                await asyncio.sleep(every)
                return {"type": "http.request", "body": piece, "more_body": True}
            await asyncio.sleep(10)

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http", "method": method, "path": path, "query_string": b"", "server": ("127.0.0.1", 8000),
            "headers": [(b"host", b"127.0.0.1:8000"), (b"transfer-encoding", b"chunked")],
        }  # fmt: skip
        began = asyncio.get_running_loop().time()
        await asyncio.wait_for(application(scope, receive, send), timeout=5)
        return sent, asyncio.get_running_loop().time() - began

    return asyncio.run(drip(edge()[0]))


@pytest.mark.parametrize("pieces", [[b"x"], [b"x"] * 100], ids=["stops", "drips on"])
def test_a_body_that_is_not_whole_in_time_is_408_and_the_server_hangs_up(pieces):
    sent, seconds = dripped("/", *pieces)
    assert (sent[0]["status"], (b"connection", b"close") in sent[0]["headers"]) == (408, True)
    assert b"DRIFTLINE_MAX_BODY_SECONDS" in sent[1]["body"]
    assert 0.2 <= seconds < 1


@pytest.mark.limit("monitor.api.edge.REFERENCE_BYTES_PER_SECOND")
def test_a_reference_has_a_second_more_for_what_has_arrived_and_no_more():
    """0.2 s, and with 100 bytes a second another for each 100: 100 bytes in 0.05 s leave 1.2 s."""
    sent, seconds = dripped("/api/v1/models/m/versions/v/reference", b"x" * 100, method="PUT")
    assert sent[0]["status"] == 408
    assert 1.2 <= seconds < 2.5


def test_an_unexpected_error_is_a_500_that_tells_nothing_and_is_counted(caplog):
    application, counter = edge()
    answer = ask(application, path="/boom")
    assert (answer.status_code, answer.json()["title"]) == (500, "Internal error")
    assert "sensitive" not in answer.text
    assert "sensitive words" in caplog.text
    assert counter.labels(route="", code="500")._value.get() == 1


def test_a_nul_in_the_query_is_malformed():
    application, _ = edge()
    assert ask(application, path="/?column=%00").status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "127.9.9.9", "[::1]:8000", "driftline.localhost"])
def test_loopback_by_any_of_its_names_is_served(host):
    application, _ = edge()
    assert ask(application, headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[2001:db8::1]", "x" * 300])
def test_a_rebound_name_of_another_site_is_refused(host):
    application, _ = edge()
    assert ask(application, headers={"host": host}).status_code == 403


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://127.0.0.1:3000", "http://localhost", "null", "http://[", ""]
)
def test_another_origin_is_refused_and_no_origin_is_not(origin):
    application, _ = edge()
    expected = 403 if origin else 200
    assert ask(application, "POST", headers={"origin": origin} if origin else {}).status_code == expected


def test_the_servers_own_pages_may_call_it():
    application, _ = edge()
    assert ask(application, "POST", headers={"origin": "http://127.0.0.1:8000"}).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_form_on_another_site_cannot_change_anything(site):
    application, _ = edge()
    assert ask(application, "POST", headers={"sec-fetch-site": site}).status_code == 403
    assert ask(application, "GET", headers={"sec-fetch-site": site}).status_code == 200


def test_the_public_url_is_a_name_and_an_origin_of_this_server():
    application, _ = edge(public_url="https://drift.example")
    headers = {"host": "drift.example", "origin": "https://drift.example"}
    assert ask(application, "POST", headers=headers).status_code == 200


def test_a_connection_that_came_in_from_elsewhere_is_refused_however_the_server_was_started():
    application, _ = edge()
    answer = ask(application, base_url="http://192.0.2.1:8000", headers={"host": "127.0.0.1:8000"})
    assert answer.status_code == 403
    assert "ALLOW_ANONYMOUS" in answer.json()["detail"]


def test_with_allow_anonymous_any_address_and_name_is_served_but_no_other_origin():
    application, _ = edge(allow_anonymous=True)
    assert ask(application, base_url="http://192.0.2.1:8000").status_code == 200
    assert ask(application, headers={"origin": "https://evil.example"}).status_code == 403


def test_an_answer_before_the_body_was_read_leaves_the_connection_usable():
    application, _ = edge()
    answer = ask(application, "POST", "/deaf", content=pieces(10, 10))
    assert (answer.status_code, answer.headers.get("connection")) == (200, None)


def test_websockets_are_turned_away():
    application, _ = edge()
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(application({"type": "websocket"}, None, send))
    assert sent == [{"type": "websocket.close", "code": 1000}]
