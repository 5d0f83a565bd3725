"""The header with which a caller says of which trace its request is a part."""

from __future__ import annotations

import re
from dataclasses import dataclass

HEADER = b"traceparent"
# version "-" trace-id "-" parent-id "-" flags; a later version may have more behind: https://www.w3.org/TR/trace-context/
_FORM = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceParent:
    """The caller's trace, its span in it, and whether it records them."""

    trace_id: str
    span_id: str
    sampled: bool


def read_traceparent(sent: bytes) -> TraceParent | None:
    """What the header says; None where it says nothing that the standard knows.

    ``tracestate`` is not read: it is the caller's own text, and nothing is called from here that it could be passed to.
    Source: https://www.w3.org/TR/trace-context/#traceparent-header

    >>> read_traceparent(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").sampled
    True
    >>> read_traceparent(b"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01") is None
    True
    """
    found = _FORM.fullmatch(sent)
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if (
        version == b"ff"
        or (version == b"00" and more is not None)
        or not (trace_id.strip(b"0") and span_id.strip(b"0"))
    ):
        return None
    return TraceParent(trace_id=trace_id.decode(), span_id=span_id.decode(), sampled=bool(int(flags, 16) & 1))
