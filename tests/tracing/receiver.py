"""A receiver of OTLP on a free loopback port, as a collector is one: keeps what it is sent, decoded and as it came."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.faults.cluster import until
from tests.service import Service


@dataclass(slots=True)
class Received:
    """What came: paths, headers, bodies, and the spans in them with the scopes and resources they are of."""

    url: str
    paths: set[str] = field(default_factory=set)
    raw: list[bytes] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    scopes: set[str] = field(default_factory=set)
    services: set[str] = field(default_factory=set)
    hanging: threading.Event = field(default_factory=threading.Event)  # set: nothing is answered until it is cleared
    asked: int = 0

    def take(self, path: str, head: bytes, body: bytes) -> None:
        self.paths.add(path)
        self.raw += [head, body]
        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.services |= {a.value.string_value for a in resource.resource.attributes if a.key == "service.name"}
                for scoped in resource.scope_spans:
                    self.scopes.add(scoped.scope.name)
                    self.spans += scoped.spans

    def wait(self, wanted: Callable[[Span], bool], *, within_seconds: float = 30.0) -> Span:
        """The first span of that kind, once it is there."""
        until(lambda: any(map(wanted, list(self.spans))), within_seconds=within_seconds, what="a span")
        return next(span for span in self.spans if wanted(span))


def said(span: Span) -> dict[str, str | int]:
    """A span's attributes."""
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}


@contextmanager
def serving(service: Service) -> Iterator[Service]:
    """The service started, and gone after the block whatever happens in it."""
    try:
        service.start()
        yield service
    finally:
        if service.process is not None and service.process.poll() is None:
            service.kill()


@contextmanager
def receiving(*, keeping: bool = True) -> Iterator[Received]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # connections are kept, as a collector keeps them

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.asked += 1
            while received.hanging.is_set() and not over.wait(0.05):
                pass
            if keeping:
                received.take(self.path, str(self.headers).encode(), body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # who sent has gone away, as it is meant to

    over = threading.Event()
    server = Server(("127.0.0.1", 0), Handler)
    received = Received(url=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield received
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()
