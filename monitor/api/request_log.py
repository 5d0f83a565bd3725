"""One line of the log for a request, and the id that ties together all that was logged while it was served."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from monitor.noise import NOISE

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")  # empty: no request is being served
HEADER = b"x-request-id"
_WELL_FORMED = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SECRET = b"dl_"  # how a token begins: one that was put into the wrong header stays out of the log
# What comes every second and succeeds; at debug, so that the log is not about it.
_EXPECTED = ("/livez", "/readyz", "/metrics")
_OFTEN = ("/predictions", "/labels")
REQUESTS = logging.getLogger(__name__)


class Failures:
    """Which answers of 5xx are written: of each route and status one a second, with how many came in between.

    While a disk is full every request of every client is refused, and the log is on a disk too.
    """

    def __init__(self, *, every_seconds: float = 1.0) -> None:
        self._every_seconds = every_seconds
        self._last: dict[tuple[str, int], tuple[float, int]] = {}  # when one was written, and how many since

    def since(self, route: str, *, status: int, now: float) -> int | None:
        """How many were left out before this one; None where this one is left out too.

        >>> failures = Failures()
        >>> [failures.since("/x", status=503, now=now) for now in (0.0, 0.1, 0.2, 1.0, 1.1)]
        [0, None, None, 2, None]
        """
        before = self._last.get((route, status))
        if before is not None and now - before[0] < self._every_seconds:
            self._last[route, status] = (before[0], before[1] + 1)
            return None
        self._last[route, status] = (now, 0)
        return 0 if before is None else before[1]


_failures = Failures()


def request_id(sent: bytes) -> str:
    """The id that the client sent, if it is one, or a new one.

    >>> request_id(b"trace-7"), len(request_id(b"no\\nid"))
    ('trace-7', 16)
    """
    if sent and not sent.startswith(_SECRET) and _WELL_FORMED.fullmatch(sent) is not None:
        return sent.decode("ascii")
    return NOISE.take(8).hex()


def log_request(scope: Mapping[str, Any], *, route: str, status: int, level: int, seconds: float) -> None:
    """Writes the line: the route's template and never the path or the query, which hold names and ids."""
    more = ""
    if level == logging.WARNING:
        left_out = _failures.since(route, status=status, now=time.monotonic())
        level = logging.DEBUG if left_out is None else level
        more = f", after {left_out} more like it" if left_out else ""
    if REQUESTS.isEnabledFor(level):
        fields = {
            "method": scope["method"] if scope["method"].isalpha() else "?", "route": route, "status": status,
            "duration_ms": round(seconds * 1_000, 3),
        }  # fmt: skip
        REQUESTS.log(
            level, "%s %s %d in %.1f ms%s", fields["method"], route or "(no route)", status, seconds * 1_000, more,
            extra={"request": fields},
        )  # fmt: skip


def level_of(route: str, *, status: int) -> int:
    """The level of the line."""
    if status >= 500 and status != 501:
        return logging.WARNING
    usual = status < 400 and (route in _EXPECTED or route.endswith(_OFTEN))
    return logging.DEBUG if usual else logging.INFO
