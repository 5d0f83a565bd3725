"""Spans by the SDK of OpenTelemetry, sent by OTLP over HTTP as the standard ``OTEL_*`` variables say.

The provider is ours alone and never the global one: what other libraries would trace by themselves has paths and
queries in it. A span's error is the name of its type: a message has what clients sent.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import cast

from opentelemetry import trace as api
from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from monitor.tracing.sending import otlp_exporter
from monitor.tracing.spans import Attribute, Link
from monitor.tracing.traceparent import TraceParent

_log = logging.getLogger(__name__)
CLOSE_SECONDS = 2.0
_NOT_RECORDED: AbstractContextManager[None] = nullcontext()
_ROOT = Context()  # whatever else is current, a span of ours begins with nothing above it but what it is given


class OtlpTracer:
    """Begins spans from ``start`` on, in the process that called it; a child that is forked from it records nothing.

    ``exporter`` makes what sends them, in the process that sends: connections are not shared across a fork. ``count``
    is told how many spans were ``recorded``, ``sent`` and ``failed`` to be sent.
    """

    def __init__(
        self, *, version: str, count: Callable[[str, int], None],
        exporter: Callable[[Callable[[str, int], None]], SpanExporter] = otlp_exporter,
    ) -> None:  # fmt: skip
        self._make = exporter
        self._count = count
        self._version = version
        self._tracer: api.Tracer = api.NoOpTracer()
        self._provider: TracerProvider | None = None
        self._pid = 0
        os.register_at_fork(after_in_child=self._forked)

    def start(self) -> None:
        """Sends from now on, in a thread of this process; says in the log where the environment makes that impossible.

        A setting of traces that cannot be used is no reason for a service not to start.
        """
        try:
            provider = TracerProvider(resource=_resource(self._version), shutdown_on_exit=False)
            provider.add_span_processor(BatchSpanProcessor(self._make(self._count)))
        except Exception as error:
            _log.warning("no traces are sent: correct what OTEL_* says (%s: %s)", type(error).__name__, error)
            return
        self._provider = provider
        self._tracer = provider.get_tracer("driftline", self._version)
        self._pid = os.getpid()

    def request(self, *, parent: TraceParent | None) -> OtlpSpan:
        """A request comes in."""
        context = _ROOT if parent is None else api.set_span_in_context(_remote(parent), _ROOT)
        return self._begun(self._tracer.start_span("request", context=context, kind=api.SpanKind.SERVER))

    def work(self, name: str, *, links: Sequence[Link]) -> OtlpSpan:
        """Work begins that no request waits in."""
        linked = [api.Link(cast(api.SpanContext, link)) for link in links]
        return self._begun(self._tracer.start_span(name, context=_ROOT, links=linked))

    def close(self) -> None:
        """Sends what waits, for two seconds at most: a receiver that hangs holds up no end."""
        provider, self._tracer, self._provider = self._provider, api.NoOpTracer(), None
        if provider is None or self._pid != os.getpid():
            return
        ending = threading.Thread(target=provider.shutdown, name="driftline-traces-end", daemon=True)
        ending.start()
        ending.join(CLOSE_SECONDS)

    def _begun(self, span: api.Span) -> OtlpSpan:
        return OtlpSpan(span, tracer=self._tracer, count=self._count)

    def _forked(self) -> None:
        self._tracer, self._provider = api.NoOpTracer(), None


class OtlpSpan:
    """One span."""

    __slots__ = ("_context", "_count", "_span", "_tracer", "recording", "trace_id")

    def __init__(self, span: api.Span, *, tracer: api.Tracer, count: Callable[[str, int], None]) -> None:
        self._tracer = tracer
        self._count = count
        self._span = span
        self._context: Context | None = None
        self.recording = span.is_recording()
        trace_id = span.get_span_context().trace_id
        self.trace_id = f"{trace_id:032x}" if trace_id else ""

    @property
    def link(self) -> Link:
        """What names it to another span."""
        return cast(Link, self._span.get_span_context())

    def note(self, attributes: Mapping[str, Attribute]) -> None:
        """Adds attributes."""
        if self.recording:
            self._span.set_attributes(attributes)

    def stage(self, name: str) -> AbstractContextManager[None]:
        """A part of it, timed."""
        return self._stage(name) if self.recording else _NOT_RECORDED

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        span = self.child(name)
        failed = ""
        try:
            yield
        except BaseException as error:
            failed = type(error).__name__
            raise
        finally:
            span.end(failed=failed)

    def child(self, name: str) -> OtlpSpan:
        """A part of it that has attributes and parts of its own."""
        if self._context is None:
            self._context = api.set_span_in_context(self._span, _ROOT)
        begun = self._tracer.start_span(name, context=self._context)
        return OtlpSpan(begun, tracer=self._tracer, count=self._count)

    def end(self, *, name: str | None = None, failed: str = "") -> None:
        """It is over; ``failed`` is the kind of error, never its message."""
        if self.recording:
            if name is not None:
                self._span.update_name(name)
            if failed:
                self._span.set_attribute("error.type", failed)
                self._span.set_status(api.StatusCode.ERROR)
            self._count("recorded", 1)
        self._span.end()


def _resource(version: str) -> Resource:
    """Whose spans these are; what the environment says of it counts, a service of another name say."""
    said = Resource.create({SERVICE_VERSION: version})
    named = str(said.attributes.get(SERVICE_NAME, ""))
    return said.merge(Resource({SERVICE_NAME: "driftline"})) if named.startswith("unknown_service") else said


def _remote(parent: TraceParent) -> api.Span:
    flags = api.TraceFlags(api.TraceFlags.SAMPLED if parent.sampled else api.TraceFlags.DEFAULT)
    return api.NonRecordingSpan(
        api.SpanContext(int(parent.trace_id, 16), int(parent.span_id, 16), is_remote=True, trace_flags=flags)
    )
