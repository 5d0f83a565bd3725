"""How the server's processes log: one line a message on standard error, as text or as JSON."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

from monitor.api.request_log import REQUEST_ID
from monitor.model.time import rfc3339
from monitor.tracing import TRACE_ID

_QUIET = ("apscheduler", "alembic", "httpx", "httpcore", "uvicorn")


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        shape: dict[str, Any] = {
            "time": rfc3339(int(record.created * 1_000_000)), "level": record.levelname.lower(),
            "logger": record.name, "message": record.getMessage(),
        }  # fmt: skip
        if REQUEST_ID.get():
            shape["request_id"] = REQUEST_ID.get()
        if TRACE_ID.get():
            shape["trace_id"] = TRACE_ID.get()
        shape |= getattr(record, "request", {})
        if record.exc_info:
            shape["error"] = self.formatException(record.exc_info)
        return json.dumps(shape)


class TextLines(logging.Formatter):
    """A readable line, with the request's id and its trace's at its end where there are such."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The first line, before any traceback."""
        line = super().formatMessage(record)
        ids = [REQUEST_ID.get(), f"trace={TRACE_ID.get()}" if TRACE_ID.get() else ""]
        return f"{line} [{' '.join(filter(None, ids))}]" if any(ids) else line


def configure_logs(*, level: str, form: str) -> None:
    """Sends every logger's messages of that level and above to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
