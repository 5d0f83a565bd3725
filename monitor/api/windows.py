"""``GET …/windows``: where records are, and the empty windows between the first live record and now."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import islice
from typing import Any

from starlette.responses import Response

from monitor.api.answer_shapes import page_of
from monitor.api.marks import mark_shape
from monitor.api.params import ModelName, Page, Span, VersionName
from monitor.api.render import page
from monitor.api.routing import Operation, V
from monitor.api.services import Parts
from monitor.evaluate.catchup import usual_lag_us
from monitor.evaluate.merged import LOOKBACK
from monitor.model.entities import Model
from monitor.model.time import rfc3339
from monitor.store import marks, versions, windows
from monitor.store.windows import WindowRow


def list_windows(model: ModelName, version: VersionName, span: Span, asked: Page, services: Parts) -> Response:
    """Windows that start in ``[from, to)``, oldest first."""
    now_us = services.now_us()
    key = asked.after(int)
    after = None if key is None else key[0]
    with services.store.read() as conn:
        owner, found = versions.get_version(conn, model=model, version=version)
        stored = windows.list_windows(
            conn, version_id=found.id, from_us=span.from_us, to_us=span.to_us, after=after, limit=asked.limit + 1
        )
        # the first window that was open after the version came to be: what lies before is loaded history
        live = windows.list_windows(
            conn, version_id=found.id, from_us=owner.window.start_of(found.created_us), limit=1
        )  # fmt: skip
        recent = windows.recent_windows(conn, version_id=found.id, limit=LOOKBACK)
        marked = marks.marks_of(conn, version_id=found.id, starts=[row.start_us for row in stored])
    waits_us = owner.lateness_us + usual_lag_us(recent, model=owner)
    empty: Iterator[WindowRow] = iter(())
    if live:
        begins = (live[0].start_us, after if after is None else after + 1, span.from_us)
        begin_us = max(begin for begin in begins if begin is not None)
        until_us = now_us if span.to_us is None else min(now_us, span.to_us)
        empty = _empty(owner, known={row.start_us for row in stored}, begin_us=begin_us, until_us=until_us)
    # both are in order, so that nothing behind the page has to be made
    merged = list(islice(heapq.merge(stored, empty, key=lambda row: row.start_us), asked.limit + 1))
    shown = merged[: asked.limit]
    following = [shown[-1].start_us] if len(merged) > asked.limit else None
    return page(
        [
            window_shape(row, now_us=now_us, waits_us=waits_us) | {"mark": mark_shape(marked.get(row.start_us))}
            for row in shown
        ],
        following=following,
    )


def _empty(model: Model, *, known: set[int], begin_us: int, until_us: int) -> Iterator[WindowRow]:
    """The windows that start in ``[begin, until)`` and are not known to hold records."""
    for start_us, end_us in model.window.between(begin_us, until_us):
        if start_us >= begin_us and start_us not in known:
            yield WindowRow(version_id=0, start_us=start_us, end_us=end_us, state="empty", dirty=False)


def window_shape(row: WindowRow, *, now_us: int, waits_us: int) -> dict[str, Any]:
    """A window as the API shows it; ``waits_us`` after its end, one without rows counts as no volume."""
    return {
        "start": rfc3339(row.start_us), "end": rfc3339(row.end_us),
        "state": shown_state(row, now_us=now_us, waits_us=waits_us),
        "rows": row.rows, "deduplicated": row.deduplicated, "late_rows": row.late_rows,
        "watermark": None if row.watermark_us is None else rfc3339(row.watermark_us), "revision": row.revision,
        "reference": row.reference_number, "reason": row.reason,
        "computed_at": None if row.computed_us is None else rfc3339(row.computed_us),
    }  # fmt: skip


def shown_state(row: WindowRow, *, now_us: int, waits_us: int) -> str:
    """The state as of now: an ``empty`` window is open before its end, and pending until the feed's usual lag after."""
    if row.state != "empty":
        return row.state
    if now_us < row.end_us:
        return "open"
    return "pending" if now_us < row.end_us + waits_us else "empty"


OPERATIONS = (
    Operation(method="GET", path=f"{V}/windows", endpoint=list_windows, summary="The version's windows", tag="results",
              answers={200: "a page, oldest first"}, shape=page_of("Window")),
)  # fmt: skip
