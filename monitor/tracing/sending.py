"""How spans leave: counted, and with a log that a receiver which is away for a day does not fill."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

_LOGGERS = ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry.sdk._shared_internal")
_OF_HEADERS = "opentelemetry.util.re"
_EVERY_SECONDS = 60.0


class Counted(SpanExporter):
    """An exporter that tells how many spans were ``sent`` and how many ``failed`` to be."""

    def __init__(self, exporter: SpanExporter, *, count: Callable[[str, int], None]) -> None:
        self._exporter = exporter
        self._count = count

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends them, in the thread that does nothing else."""
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            self._count("sent" if result is SpanExportResult.SUCCESS else "failed", len(spans))
        return result

    def shutdown(self) -> None:
        """Sends nothing any more."""
        self._exporter.shutdown()


class Seldom(logging.Filter):
    """Lets each kind of message through once a minute.

    >>> seldom = Seldom()
    >>> line = logging.makeLogRecord({"msg": "Failed to export"})
    >>> seldom.filter(line), seldom.filter(line)
    (True, False)
    """

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        now, last = time.monotonic(), self._last.get(str(record.msg))
        if last is not None and now - last < _EVERY_SECONDS:
            return False
        self._last[str(record.msg)] = now
        return True


class Unsaid(logging.Filter):
    """Says that a header cannot be read and not what it is: headers are where the keys of receivers are."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrites the line; it is written."""
        record.msg, record.args = "a header of OTEL_EXPORTER_OTLP_HEADERS is left out: expected name=value", ()
        return True


def otlp_exporter(count: Callable[[str, int], None]) -> SpanExporter:
    """What sends by OTLP over HTTP, as the environment says."""
    for name in _LOGGERS:
        _filter_once(logging.getLogger(name), Seldom())
    _filter_once(logging.getLogger(_OF_HEADERS), Unsaid())
    return Counted(OTLPSpanExporter(), count=count)


def _filter_once(logger: logging.Logger, wanted: logging.Filter) -> None:
    if not any(isinstance(one, type(wanted)) for one in logger.filters):
        logger.addFilter(wanted)
