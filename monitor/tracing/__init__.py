"""Traces: what a request, a group commit or a run of a step did, as spans that hold no name, id or value of a client.

Off unless the standard ``OTEL_*`` settings of the environment turn them on; off, a stage costs a look at a context
variable. The SDK of OpenTelemetry is imported by ``otlp`` alone, and only when they are on.
"""

from __future__ import annotations

from monitor.tracing.spans import CURRENT, TRACE_ID, Link, Span, Tracer, spanned, stage, staged
from monitor.tracing.traceparent import TraceParent, read_traceparent

__all__ = [
    "CURRENT", "TRACE_ID", "Link", "Span", "TraceParent", "Tracer", "read_traceparent", "spanned", "stage", "staged",
]  # fmt: skip
