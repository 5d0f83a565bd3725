"""``GET …/results``: what judged windows were found to be, newest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import Response

from monitor.api.params import ModelName, Page, Span, TimeRange, VersionName
from monitor.api.render import accepted, encode_cursor, next_link, page
from monitor.api.result_rows import ARROW, CSV, JSON, RowFilter, WindowRows, as_arrow, as_csv, as_json, as_row
from monitor.api.routing import Operation, V
from monitor.api.services import Parts, Services
from monitor.model.entities import Version
from monitor.model.errors import NotAvailableYet
from monitor.model.results import ResultRow
from monitor.store import results, versions

_TOGETHER = 16  # windows read in one transaction
_MOST_WINDOWS = 4_000  # looked at for one page: a rare filter gives a short page and a cursor, not a long wait
_ALL_SEEN = 2**31


def list_results(
    model: ModelName,
    version: VersionName,
    span: Span,
    asked: Page,
    request: Request,
    services: Parts,
    metric: Annotated[str | None, Query(max_length=64)] = None,
    column: Annotated[str | None, Query(max_length=1_000, description="empty: the whole model")] = None,
    segment: Annotated[str | None, Query(description="empty: all traffic")] = None,
    kind: Annotated[str | None, Query(max_length=64)] = None,
    latest: Annotated[bool, Query(description="only the newest judged window")] = False,
    partial: Annotated[bool, Query(description="compute the open window now, first in the list")] = False,
) -> Response:
    """Result rows of the windows that start in ``[from, to)``, newest window first."""
    refuse_segment(segment)
    with services.store.read() as conn:
        owner, found = versions.get_version(conn, model=model, version=version)
    wanted = RowFilter(metric=metric, column=column, kind=kind)
    key = asked.after(int, int)
    windows = _windows(services, found, span=span, before_us=None if key is None else key[0] + 1, latest=latest)
    if partial:
        windows = chain(_open_window(services, found, span=span), windows)
    rows, following = _collect(windows, wanted=wanted, behind=key, limit=asked.limit)
    return _render([as_row(w, row, model=owner.name, version=found.name) for w, row in rows],
                   following=following, request=request)  # fmt: skip


def refuse_segment(segment: str | None) -> None:
    """Nothing for all traffic; segments are of a later release."""
    if segment:
        raise NotAvailableYet(f"segment {segment[:40]!r}: segments are not available yet; leave the parameter out")


def _windows(
    services: Services, version: Version, *, span: TimeRange, before_us: int | None, latest: bool
) -> Iterator[WindowRows | int]:
    """Stored windows, newest first, a few a transaction; a number at the end if there is more behind that start."""
    looked = 0
    while True:
        with services.store.read() as conn:
            stored = results.list_results(
                conn, version_id=version.id, from_us=span.from_us, to_us=span.to_us, before_us=before_us,
                limit=1 if latest else _TOGETHER,
            )  # fmt: skip
        for result in stored:
            yield WindowRows.of(result, rows=results.unpack_rows(result.payload))
        if latest or len(stored) < _TOGETHER:
            return
        before_us = stored[-1].window_start_us
        looked += len(stored)
        if looked >= _MOST_WINDOWS:
            yield before_us
            return


def _open_window(services: Services, version: Version, *, span: TimeRange) -> Iterator[WindowRows]:
    """The open window, computed now (at most once a minute), if it starts in the span and has rows."""
    found = services.open_windows.partial(version_id=version.id, now_us=services.now_us())
    if found is None:
        return
    result = found.result
    after = span.from_us is None or result.window_start_us >= span.from_us
    if after and (span.to_us is None or result.window_start_us < span.to_us):
        yield WindowRows.of(result, rows=results.unpack_rows(result.payload), partial=True)


def _collect(
    windows: Iterable[WindowRows | int], *, wanted: RowFilter, behind: list[int] | None, limit: int
) -> tuple[list[tuple[WindowRows, ResultRow]], list[int] | None]:
    """The first ``limit`` wanted rows behind the position (window start, rows seen), and the position after them."""
    found: list[tuple[WindowRows, ResultRow]] = []
    for window in windows:
        if isinstance(window, int):
            return found, [window, _ALL_SEEN]
        if behind is not None and window.start_us > behind[0]:
            continue
        seen = behind[1] if behind is not None and window.start_us == behind[0] else 0
        for index, row in enumerate(window.rows[seen:], start=seen):
            if not wanted.keeps(row):
                continue
            if len(found) == limit:
                return found, [window.start_us, index]
            found.append((window, row))
    return found, None


def _render(rows: list[dict[str, Any]], *, following: list[int] | None, request: Request) -> Response:
    """The page as JSON, or as CSV or Arrow with the next page in ``Link`` (RFC 8288)."""
    media_type = accepted(request, offered=(JSON, CSV, ARROW))
    if media_type == JSON:
        return page(as_json(rows), following=following)
    headers = {} if following is None else next_link(request, cursor=encode_cursor(following))
    return Response(as_csv(rows) if media_type == CSV else as_arrow(rows), 200, headers, media_type)


OPERATIONS = (
    Operation(method="GET", path=f"{V}/results", endpoint=list_results, tag="results",
              summary="What judged windows were found to be", answers={200: "JSON, text/csv or an Arrow stream"}),
)  # fmt: skip
