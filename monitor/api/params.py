"""What routes take from the path and the query: names, time ranges, pages. One rule each, one message each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Path, Query
from pydantic import AfterValidator, WithJsonSchema

from monitor.api.render import decode_cursor
from monitor.model.errors import InvalidInput
from monitor.model.names import NAME_PATTERN, valid_name
from monitor.model.time import parse_instant

MAX_LIMIT = 10_000
DEFAULT_LIMIT = 1_000
# "+02:00" in a query that nobody percent-encoded arrives as " 02:00" (the form encoding of a space)
_LOST_PLUS = re.compile(r"(T\d\d:\d\d(?::\d\d(?:\.\d+)?)?) (\d\d:?\d\d)$")
_NAME_SCHEMA = WithJsonSchema({"type": "string", "pattern": f"^{NAME_PATTERN}$"})

ModelName = Annotated[str, AfterValidator(partial(valid_name, kind="model")), _NAME_SCHEMA, Path()]
VersionName = Annotated[str, AfterValidator(partial(valid_name, kind="version")), _NAME_SCHEMA, Path()]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRange:
    """``[from_us, to_us)``; None where the query left a side open."""

    from_us: int | None
    to_us: int | None


def instant(text: str, *, name: str) -> int:
    """Microseconds of a time in a query; a ``+`` that became a space is understood.

    >>> instant("1970-01-01T01:00:00 01:00", name="from")
    0
    """
    return parse_instant(_LOST_PLUS.sub(r"\1+\2", text), name=name)


_RFC3339: dict[str, Any] = {"type": "string", "format": "date-time"}


async def _time_range(
    from_: Annotated[str | None, Query(alias="from", description="at or after (RFC 3339)", json_schema_extra=_RFC3339)]
    = None,
    to: Annotated[str | None, Query(description="before (RFC 3339)", json_schema_extra=_RFC3339)] = None,
) -> TimeRange:  # fmt: skip
    span = TimeRange(
        from_us=None if from_ is None else instant(from_, name="from"),
        to_us=None if to is None else instant(to, name="to"),
    )
    if span.from_us is not None and span.to_us is not None and span.to_us < span.from_us:
        raise InvalidInput(
            f"to {to!r} is before from {from_!r}: expected from <= to, half-open [from, to)", code="time"
        )
    return span


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """How many results, and after which cursor."""

    limit: int
    cursor: str | None

    def after(self, *kinds: type) -> list[Any] | None:
        """The keyset position to go on after, or None on the first page."""
        return None if self.cursor is None else decode_cursor(self.cursor, kinds=kinds)


async def _page_request(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="results in one page")] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, Query(max_length=2_000, description="the `next` of the page before")] = None,
) -> PageRequest:
    return PageRequest(limit=limit, cursor=cursor)


Span = Annotated[TimeRange, Depends(_time_range)]
Page = Annotated[PageRequest, Depends(_page_request)]
