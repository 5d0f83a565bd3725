"""``GET …/results``: what judged windows were found to be, newest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, groupby, islice
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import Response

from monitor.api.answer_shapes import page_of
from monitor.api.params import ModelName, Page, Span, TimeRange, VersionName
from monitor.api.render import accepted, encode_cursor, next_link, page
from monitor.api.result_rows import ARROW, CSV, JSON, RowFilter, WindowRows, as_arrow, as_csv, as_json, as_row
from monitor.api.routing import Operation, V
from monitor.api.services import Parts, Services
from monitor.model.entities import Version
from monitor.model.results import ResultRow
from monitor.store import results, versions
from monitor.store.window_segments import results_of_window

_TOGETHER = 16  # windows read in one transaction
_MOST_WINDOWS = 4_000  # looked at for one page: a rare filter gives a short page and a cursor, not a long wait
_ALL_SEEN = 2**31

Window = list[WindowRows]  # of all traffic and of segments


def list_results(
    model: ModelName,
    version: VersionName,
    span: Span,
    asked: Page,
    request: Request,
    services: Parts,
    metric: Annotated[str | None, Query(max_length=64)] = None,
    column: Annotated[str | None, Query(max_length=1_000, description="empty: the whole model")] = None,
    segment: Annotated[
        str | None, Query(max_length=256, description="one segment, empty: all traffic; every segment unless said")
    ] = None,
    kind: Annotated[str | None, Query(max_length=64)] = None,
    latest: Annotated[bool, Query(description="only the newest judged window")] = False,
    partial: Annotated[bool, Query(description="compute the open window now, first in the list")] = False,
) -> Response:
    """Result rows of the windows that start in ``[from, to)``, newest window first."""
    with services.store.read() as conn:
        owner, found = versions.get_version(conn, model=model, version=version)
    wanted = RowFilter(metric=metric, column=column, kind=kind)
    key = asked.after(int, int)
    stored = _Stored(services, found, segment=segment)
    windows = stored.windows(span, before_us=None if key is None else key[0] + 1, latest=latest)
    if partial:
        windows = chain(_open_window(services, found, span=span, segment=segment), windows)
    rows, following = _collect(windows, wanted=wanted, behind=key, limit=asked.limit)
    return _render([as_row(w, row, model=owner.name, version=found.name) for w, row in rows],
                   following=following, request=request)  # fmt: skip


class _Stored:
    """The judged windows of a version: of one segment, or (None) of all traffic and every segment."""

    def __init__(self, services: Services, version: Version, *, segment: str | None) -> None:
        self._store = services.store
        self._version_id = version.id
        self._segment = segment

    def windows(self, span: TimeRange, *, before_us: int | None, latest: bool) -> Iterator[Window | int]:
        """Windows, newest first, a few a transaction; a number at the end if there is more behind that start."""
        looked = 0
        while True:
            page, more = self._page(span, before_us=before_us, most=1 if latest else _TOGETHER)
            yield from page
            if latest or not more:
                return
            before_us = page[-1][0].start_us
            looked += len(page)
            if looked >= _MOST_WINDOWS:
                yield before_us
                return

    def _page(self, span: TimeRange, *, before_us: int | None, most: int) -> tuple[list[Window], bool]:
        """Whole windows, and whether there may be more behind them."""
        with self._store.read() as conn:
            found = results.list_results(
                conn, version_id=self._version_id, from_us=span.from_us, to_us=span.to_us, segment=self._segment,
                before_us=before_us, limit=most,
            )  # fmt: skip
            more = len(found) == most
            if more and self._segment is None:  # the last window may have more segments than were read
                oldest_us = found[-1].window_start_us
                found = [one for one in found if one.window_start_us != oldest_us]
                if not found:
                    whole = results_of_window(conn, version_id=self._version_id, start_us=oldest_us)
                    found = [whole[name] for name in sorted(whole)]
        of_window = groupby(found, key=lambda result: result.window_start_us)
        return [
            [WindowRows.of(one, rows=results.unpack_rows(one.payload)) for one in own] for _, own in of_window
        ], more


def _open_window(
    services: Services, version: Version, *, span: TimeRange, segment: str | None
) -> Iterator[Window]:  # fmt: skip
    """The open window, computed now (at most once a minute), if it starts in the span and has rows."""
    found = services.open_windows.partial(version_id=version.id, now_us=services.now_us())
    if found is None:
        return
    after = span.from_us is None or found.window.start_us >= span.from_us
    if after and (span.to_us is None or found.window.start_us < span.to_us):
        yield [
            WindowRows.of(one, rows=results.unpack_rows(one.payload), partial=True)
            for one in found.results if segment in (None, one.segment)
        ]  # fmt: skip


def _collect(
    windows: Iterable[Window | int], *, wanted: RowFilter, behind: list[int] | None, limit: int
) -> tuple[list[tuple[WindowRows, ResultRow]], list[int] | None]:
    """The first ``limit`` wanted rows behind the position (window start, rows seen), and the position after them."""
    found: list[tuple[WindowRows, ResultRow]] = []
    for window in windows:
        if isinstance(window, int):
            return found, [window, _ALL_SEEN]
        start_us = window[0].start_us if window else None
        if start_us is None or (behind is not None and start_us > behind[0]):
            continue
        seen = behind[1] if behind is not None and start_us == behind[0] else 0
        rows = ((part, row) for part in window for row in part.rows)
        for index, (part, row) in enumerate(islice(rows, seen, None), start=seen):
            if not wanted.keeps(row):
                continue
            if len(found) == limit:
                return found, [start_us, index]
            found.append((part, row))
    return found, None


def _render(rows: list[dict[str, Any]], *, following: list[int] | None, request: Request) -> Response:
    """The page as JSON, or as CSV or Arrow with the next page in ``Link`` (RFC 8288)."""
    media_type = accepted(request, offered=(JSON, CSV, ARROW))
    if media_type == JSON:
        return page(as_json(rows), following=following)
    headers = {} if following is None else next_link(request, cursor=encode_cursor(following))
    return Response(as_csv(rows) if media_type == CSV else as_arrow(rows), 200, headers, media_type)


OPERATIONS = (
    Operation(method="GET", path=f"{V}/results", endpoint=list_results, rows=True, tag="results",
              summary="What judged windows were found to be", answers={200: "JSON, text/csv or an Arrow stream"},
              gives=(JSON, CSV, ARROW), shape=page_of("ResultRow")),
)  # fmt: skip
