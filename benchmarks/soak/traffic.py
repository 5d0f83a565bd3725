"""Clients that send at a stated rate, whether or not the server keeps up, and how long each answer took."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from benchmarks.ingest import ARROW
from benchmarks.soak.bodies import JSON, MODELS, Bodies, path

# An idle connection is closed by the server after five seconds: what is sent more rarely opens one of its own.
KEPT_SECONDS = 2.0
LANES = 20  # of single records: a commit that takes half a second delays none but its own
BEHIND_SECONDS = 30.0  # a client that is so far behind lets what was due meanwhile go
LABELS_LATER = 20  # batches after the one that the labels are of


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request: what it is counted as comes with its sender."""

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """``at``: when it was due, seconds since the start; ``seconds``: from then until it was there; status 0: none."""

    kind: str
    at: float
    seconds: float
    status: int


class Sender(threading.Thread):
    """Sends a request every ``1 / per_second``; one that waits for the one before counts from when it was due.

    ``missed``: those that were not sent since the client was half a minute behind.
    """

    def __init__(
        self, kind: str, *, port: int, per_second: float, make: Callable[[int], Request], began: float, delay: float = 0
    ) -> None:
        super().__init__(daemon=True)
        self.kind, self.halt, self.answers, self.per_second = kind, threading.Event(), list[Answer](), per_second
        self.error: BaseException | None = None
        self.missed = 0
        self._port, self._make, self._began, self._delay = port, make, began, delay
        self._connection: http.client.HTTPConnection | None = None
        self._used = 0.0

    def run(self) -> None:
        """Sends until told to stop."""
        sent = 0
        try:
            while not self.halt.is_set():
                due = self._began + self._delay + (sent + self.missed) / self.per_second
                if self.halt.wait(max(0.0, due - time.monotonic())):
                    break
                if time.monotonic() - due > BEHIND_SECONDS:
                    self.missed += 1
                    continue
                self._send(self._make(sent), due=due)
                sent += 1
        except BaseException as error:  # shown by who waits for the thread
            self.error = error

    def _send(self, request: Request, *, due: float) -> None:
        status = 0
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = self._connected()
            connection.request(request.method, request.path, body=request.body, headers=dict(request.headers))
            answer = connection.getresponse()
            answer.read()
            status = answer.status
        if status == 0 and self._connection is not None:
            self._connection.close()
            self._connection = None
        self._used = time.monotonic()
        self.answers.append(Answer(kind=self.kind, at=due - self._began, seconds=self._used - due, status=status))

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is not None and time.monotonic() - self._used > KEPT_SECONDS:
            self._connection.close()
            self._connection = None
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        return self._connection


READS: tuple[Callable[[int], str], ...] = (
    lambda n: f"{path(n)}/results?latest=true",
    lambda n: f"{path(n)}/status",
    lambda n: f"{path(n)}/windows?limit=100",
    lambda n: f"{path(n)}/records?limit=500",
    lambda n: f"{path(n)}/results?metric=psi&limit=1000",
    lambda n: "/api/v1/models",
    lambda n: "/api/v1/alerts",
)


def senders(bodies: Bodies, *, port: int, noop_port: int, began: float) -> list[Sender]:
    """Every client: 40 single records a second, 500 as JSON and as Arrow, labels, reads, scrapes, and the no-op."""

    def post(make: Callable[[int], bytes], where: str, content_type: str) -> Callable[[int], Request]:
        def request(number: int) -> Request:
            headers = {"Content-Type": content_type, "Idempotency-Key": str(uuid.uuid4())}
            return Request(method="POST", path=path(number) + where, body=make(number), headers=headers)

        return request

    def labels(number: int) -> Request:
        of = max(0, number - LABELS_LATER)
        model = path(of).partition("/versions")[0]
        return Request(method="POST", path=f"{model}/labels", body=bodies.labels(of), headers={"Content-Type": JSON})

    def single(lane: int) -> Callable[[int], Request]:
        return post(lambda n: bodies.single(LANES * n + lane), "/predictions", JSON)

    def read(number: int) -> Request:
        return Request(method="GET", path=READS[number % len(READS)](number // len(READS) % MODELS))

    def sender(kind: str, per_second: float, make: Callable[[int], Request], *, delay: float, to: int = port) -> Sender:
        return Sender(kind, port=to, per_second=per_second, make=make, began=began, delay=delay)

    return [
        *(sender("1 record", 40 / LANES, single(lane), delay=lane / 40) for lane in range(LANES)),
        sender("JSON 500", 1, post(bodies.batch, "/predictions", JSON), delay=0.11),
        sender("Arrow 500", 1, post(bodies.arrow, "/predictions", ARROW), delay=0.36),
        sender("labels 500", 1, labels, delay=0.61),
        sender("reads", 2, read, delay=0.23),
        sender("/metrics", 0.2, lambda n: Request(method="GET", path="/metrics"), delay=0.86),
        sender(
            "no-op", 10, lambda n: Request(method="POST", path="/", body=bodies.single(n)), delay=0.013, to=noop_port
        ),
    ]
