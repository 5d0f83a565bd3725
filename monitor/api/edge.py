"""The outermost layer: counts bytes, sets deadlines, turns strangers away, counts requests, answers every error.

uvicorn has neither a body limit nor a read deadline. Pure ASGI, one small object a request.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from prometheus_client import Counter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor.api.doorkeeper import Doorkeeper
from monitor.api.large_answers import PIECE_BYTES, answer_budget, held_answer, send_in_pieces
from monitor.api.problem import answer_error
from monitor.api.request_log import HEADER, REQUEST_ID, REQUESTS, level_of, log_request, request_id
from monitor.ingest.budget import ByteBudget, Lease
from monitor.model.errors import Malformed, TooLarge, TooSlow, Unavailable
from monitor.tracing import CURRENT, TRACE_ID, Span, Tracer, read_traceparent

UNROUTED = ""
REFERENCE_BYTES_PER_SECOND = 65_536  # the least rate of an upload
_CLOSE = (b"connection", b"close")
_UNTRACED = ("/livez", "/readyz", "/metrics")  # what comes every second and says nothing
_METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"})


@dataclass(frozen=True, kw_only=True)  # without slots, so that what it allows is made once
class EdgeLimits:
    """What one request may take: bytes, and seconds; a reference's grow with the bytes of it that have arrived."""

    body_bytes: int
    reference_bytes: int
    body_seconds: float = 60.0
    reference_bytes_per_second: float = REFERENCE_BYTES_PER_SECOND
    drain_bytes: int = 256 * 1024**2
    drain_seconds: float = 10.0

    def of(self, *, method: str, path: str) -> Allowance:
        """What a request to this path may take."""
        return self._reference if method == "PUT" and path.endswith("/reference") else self._body

    @cached_property
    def _reference(self) -> Allowance:
        return Allowance(
            bytes=self.reference_bytes, setting="DRIFTLINE_MAX_REFERENCE_BYTES", seconds=self.body_seconds,
            bytes_per_second=self.reference_bytes_per_second,
        )  # fmt: skip

    @cached_property
    def _body(self) -> Allowance:
        return Allowance(bytes=self.body_bytes, setting="DRIFTLINE_MAX_BODY_BYTES", seconds=self.body_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """The most bytes of one request, the setting that says so, and in what time they must come."""

    bytes: int
    setting: str
    seconds: float
    bytes_per_second: float | None = None

    def seconds_for(self, arrived: int) -> float:
        """How long after the first of it was waited for the body must be whole, now that so many bytes are there.

        >>> Allowance(bytes=8, setting="", seconds=60, bytes_per_second=10).seconds_for(50)
        65.0
        """
        return self.seconds if self.bytes_per_second is None else self.seconds + arrived / self.bytes_per_second

    @property
    def pace(self) -> str:
        """What was expected of whoever was too slow."""
        within = f"the whole within {self.seconds:g} s (DRIFTLINE_MAX_BODY_SECONDS)"
        return within if self.bytes_per_second is None else f"{within}, and a second more for {self.bytes_per_second:g}"


class Edge:
    """The application behind its limits."""

    def __init__(
        self, app: ASGIApp, *, limits: EdgeLimits, doorkeeper: Doorkeeper, requests: Counter,
        tracer: Tracer | None = None,
    ) -> None:  # fmt: skip
        self._app = app
        self._tracer = tracer
        self._limits = limits
        self._doorkeeper = doorkeeper
        self._requests = requests
        self._answers = answer_budget()
        self._kinds: dict[tuple[str, int], _Kind] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the lifespan, passed on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        began = time.perf_counter()
        exchange = Exchange(scope, receive=receive, send=send, limits=self._limits, answers=self._answers)
        try:
            exchange.open(self._doorkeeper, tracer=self._tracer)
            await self._app(scope, exchange.receive, exchange.send)
        except Exception as error:
            if not exchange.answered:
                await answer_error(error)(scope, exchange.receive, exchange.send)
            elif exchange.status < 500:  # the answer broke off in its middle: the server hangs up
                raise
        finally:
            if exchange.held is not None:
                exchange.held.close()
            route = getattr(scope.get("route"), "path", UNROUTED)
            if exchange.span is not None:
                _end(exchange.span, scope, route=route, exchange=exchange)
            if exchange.status:  # else cancelled before there was an answer
                kind = self._kinds.get((route, exchange.status)) or self._kind(route, status=exchange.status)
                kind.counter.inc()
                if REQUESTS.isEnabledFor(kind.level):
                    seconds = time.perf_counter() - began
                    log_request(scope, route=route, status=exchange.status, level=kind.level, seconds=seconds)

    def _kind(self, route: str, *, status: int) -> _Kind:
        counter = self._requests.labels(route=route, code=str(status))
        kind = self._kinds[route, status] = _Kind(counter, level_of(route, status=status))
        return kind


@dataclass(frozen=True, slots=True)
class _Kind:
    """What requests of one route and status have in common: what counts them, and the level of their lines."""

    counter: Any
    level: int


def _end(span: Span, scope: Scope, *, route: str, exchange: Exchange) -> None:
    """Ends the span of a request: its route's template and never its path, which has names in it."""
    method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
    status = exchange.status
    span.note({"http.request.method": method, "driftline.request_id": exchange.id})
    if route:
        span.note({"http.route": route})
    if status:
        span.note({"http.response.status_code": status})
    failed = "cancelled" if not status else str(status) if status >= 500 and status != 501 else ""
    span.end(name=f"{method} {route}".rstrip(), failed=failed)


class Exchange:
    """One request and its answer: its ``receive`` counts and hurries, its ``send`` notes the status."""

    __slots__ = (
        "_allowed", "_answers", "_arrived", "_began", "_declared", "_expects", "_late", "_limits", "_receive",
        "_refused", "_scope", "_send", "answered", "complete", "held", "id", "span", "status",
    )  # fmt: skip

    def __init__(
        self, scope: Scope, *, receive: Receive, send: Send, limits: EdgeLimits, answers: ByteBudget
    ) -> None:  # fmt: skip
        self._scope = scope
        self._receive = receive
        self._send = send
        self._limits = limits
        self._answers = answers
        self.held: Lease | None = None  # what a large answer takes
        self._refused = False
        self._allowed = limits.of(method=scope["method"], path=scope["path"])
        self._arrived = 0
        self._declared = 0
        self._began = 0.0
        self._late = False
        self._expects = False
        self.id = ""
        self.span: Span | None = None
        self.complete = True  # the whole body has arrived
        self.answered = False
        self.status = 0

    def open(self, doorkeeper: Doorkeeper, *, tracer: Tracer | None) -> None:
        """Nothing, or the error that the head of the request already deserves."""
        head: dict[bytes, bytes] = dict(self._scope["headers"])  # of a name that came twice, the last
        length = head.get(b"content-length", b"0")
        self.complete = length == b"0" and b"transfer-encoding" not in head
        self._expects = b"expect" in head
        self.id = request_id(head.get(HEADER, b""))
        REQUEST_ID.set(self.id)
        traceparent = head.get(b"traceparent", b"")
        if traceparent or tracer is not None:
            self._trace(traceparent, tracer=tracer)
        server = self._scope.get("server")
        self._scope["caller"] = doorkeeper.admit(
            method=self._scope["method"], host=head.get(b"host", b""), origin=head.get(b"origin", b""),
            fetch_site=head.get(b"sec-fetch-site", b""), authorization=head.get(b"authorization", b""),
            server=server[0] if server is not None and server[1] is not None else None,
        )  # fmt: skip
        if b"%00" in self._scope["query_string"]:
            raise Malformed("the query has a NUL character (%00): expected text without it")
        self._declared = int(length[:18]) if length.isdigit() else 0  # 18 digits pass every limit

    def _trace(self, sent: bytes, *, tracer: Tracer | None) -> None:
        """Makes the request part of its caller's trace, in the log also where nothing is recorded."""
        parent = read_traceparent(sent)
        if parent is not None:
            TRACE_ID.set(parent.trace_id)
        if tracer is not None and self._scope["path"] not in _UNTRACED:
            self.span = span = tracer.request(parent=parent)
            TRACE_ID.set(span.trace_id)
            if span.recording:
                CURRENT.set(span)

    async def receive(self) -> Message:
        """The next piece of the body, within the limits of bytes and time."""
        if self.complete:
            return await self._receive()
        if self._declared > self._allowed.bytes:  # told where the body is asked for, so that the route can count it
            raise self._too_large(f"the body has {self._declared} bytes")
        message = await self._receive_in_time()
        if message["type"] == "http.request":
            self._arrived += len(message.get("body", b""))
            self.complete = not message.get("more_body", False)
            if self._arrived > self._allowed.bytes:
                raise self._too_large("the body is larger")
        else:
            self.complete = True
        return message

    async def _receive_in_time(self) -> Message:
        """One message, or ``TooSlow``. By hand what ``asyncio.timeout`` does, at a third of its cost a request."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if self._began == 0.0:
            self._began = loop.time()
        alarm = loop.call_at(self._began + self._allowed.seconds_for(self._arrived), self._give_up, task)
        try:
            return await self._receive()
        except asyncio.CancelledError:
            if not self._late or task is None:
                raise
            task.uncancel()
            raise TooSlow(
                f"{self._arrived} bytes of the body arrived in time: expected {self._allowed.pace}; "
                "send smaller or compressed ones"
            ) from None
        finally:
            alarm.cancel()

    def _give_up(self, task: asyncio.Task[Any] | None) -> None:
        self._late = True
        if task is not None:
            task.cancel()

    async def send(self, message: Message) -> None:
        """Passes the answer on; a client that stops reading is given up by the connection (``protocol.py``)."""
        if self._refused:
            return
        if message["type"] == "http.response.start":
            if self._scope["method"] == "GET":
                try:
                    self.held = held_answer(message, path=self._scope["path"], budget=self._answers)
                except Unavailable as none_left:
                    await answer_error(none_left)(self._scope, self.receive, self.send)
                    self._refused = True
                    return
            self.answered = True
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), (HEADER, self.id.encode("ascii"))]
            if not self.complete:
                await self._leave_politely(message)
        elif len(message.get("body", b"")) > PIECE_BYTES:
            self._refused = not await send_in_pieces(message, send=self._send, hurried=self.held is not None)
            return
        await self._send(message)

    async def _leave_politely(self, message: Message) -> None:
        """Reads what the client still sends (within bounds), so that it sees the answer and not a broken pipe."""
        waits_for_leave = self._expects and self._arrived == 0
        if not waits_for_leave and not self._late:
            await self._drain()
        if not self.complete:
            message["headers"] = [*message.get("headers", []), _CLOSE]

    async def _drain(self) -> None:
        drained = 0
        try:
            async with asyncio.timeout(self._limits.drain_seconds):
                while drained < self._limits.drain_bytes:
                    piece = await self._receive()
                    drained += len(piece.get("body", b""))
                    if not piece.get("more_body", False):
                        self.complete = True
                        return
        except TimeoutError:
            return

    def _too_large(self, found: str) -> TooLarge:
        allowed = self._allowed
        return TooLarge(f"{found}: expected at most {allowed.bytes} bytes ({allowed.setting}); send it in parts")
