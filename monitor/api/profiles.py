"""``GET …/profile``: reference and current side by side, cell by cell."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any

from fastapi import Query
from sqlalchemy import Connection
from starlette.responses import Response

from monitor.api.answer_shapes import shape_of
from monitor.api.params import ModelName, Span, TimeRange, VersionName
from monitor.api.render import answer
from monitor.api.routing import Operation, V
from monitor.api.services import Parts
from monitor.model.entities import Version
from monitor.model.errors import NotFound, ProfilesMerged, Unavailable
from monitor.model.names import nearest
from monitor.model.time import rfc3339
from monitor.profile import codec
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile, empty, merge
from monitor.profile.summary import side, summarise_column
from monitor.store import layouts, merged_profiles, profiles, references, versions, windows
from monitor.store.merged_profiles import MergedProfile
from monitor.store.reference_segments import reference_segment, reference_segments

_FOREVER_US = 2**62
_TOGETHER = 50  # stored profiles read in one transaction
_TRIES = 5


def get_profile(
    model: ModelName,
    version: VersionName,
    span: Span,
    services: Parts,
    column: Annotated[str | None, Query(max_length=1_000, description="one column, with every cell")] = None,
    segment: Annotated[str, Query(max_length=256, description="one segment; empty: all traffic")] = "",
) -> Response:
    """The reference's profile and that of the windows in ``[from, to)`` (the newest judged one unless told).

    With ``column`` every cell of it; without, a summary of each.
    """
    with services.store.read() as conn:
        _, found = versions.get_version(conn, model=model, version=version)
        layout = _layout(conn, version=found)
        reference = _reference(conn, version=found, layout=layout, segment=segment)
        span = _span(conn, version=found, span=span)
    current = _current(services, version=found, layout=layout, span=span, segment=segment)
    if column is not None and column not in {c.name for c in layout.columns}:
        names = [c.name for c in layout.columns]
        raise NotFound(f"column {column[:80]!r} is not monitored{nearest(column, names)}: expected one of {names[:20]}")
    return answer({
        "reference": None if reference is None else _shown(layout, reference, column=column),
        "current": None if current is None else _shown(layout, current, column=column),
    })  # fmt: skip


def _shown(layout: Layout, profile: Profile, *, column: str | None) -> dict[str, Any]:
    if column is not None:
        return side(layout, profile, column=column)
    names = [c.name for c in layout.columns]
    return {
        "rows": profile.rows, "columns": {name: summarise_column(layout, profile, column=name) for name in names}
    }  # fmt: skip


def _layout(conn: Connection, *, version: Version) -> Layout:
    if version.layout_id is None:
        raise NotFound(
            "nothing is profiled yet: a reference makes the cells; set one with PUT …/reference, or make one of stored "
            "rows with POST …/reference?from=&to="
        )
    return Layout.decode(layouts.get_layout(conn, id=version.layout_id))


def _reference(conn: Connection, *, version: Version, layout: Layout, segment: str) -> Profile | None:
    """The reference's side of the segment; ``NotFound`` where the reference is not cut by one of that name."""
    id = version.reference_id
    if segment:
        known = [] if id is None else [one.segment for one in reference_segments(conn, reference_id=id)]
        if segment not in known:
            told = f"expected one of {', '.join(known[:20])}" if known else "the version has no segments"
            raise NotFound(f"segment {segment[:80]!r} does not exist{nearest(segment, known)}: {told}")
    if id is None:
        return None
    reference = references.get_reference_by_id(conn, id=id)
    if reference.layout_id != version.layout_id:  # a relayout is on its way
        return None
    side = reference_segment(conn, reference_id=id, segment=segment) if segment else None
    if side is not None:
        return codec.decode(side.profile, layout) if side.layout_id == version.layout_id else None
    return codec.decode(references.reference_profile(conn, reference_id=id), layout)


def _span(conn: Connection, *, version: Version, span: TimeRange) -> TimeRange:
    """The asked span, or the newest judged window (else the newest one) where nothing was asked."""
    if span.from_us is not None or span.to_us is not None:
        return span
    newest = windows.newest_judged(conn, version_id=version.id) or windows.newest_window(conn, version_id=version.id)
    if newest is None:
        return TimeRange(from_us=0, to_us=0)
    return TimeRange(from_us=newest.start_us, to_us=newest.end_us)


def _current(services: Parts, *, version: Version, layout: Layout, span: TimeRange, segment: str) -> Profile | None:
    """The sum of the windows' profiles and of longer spans' in the range; None if there are none on this layout."""
    for _ in range(_TRIES):
        before, total = _merged_so_far(services, version=version), None
        for payload in chain(
            _of_windows(services, version=version, span=span, segment=segment),
            _of_longer(services, version=version, span=span, segment=segment),
        ):
            total = merge(total or empty(layout), codec.decode(payload, layout))
        if _merged_so_far(services, version=version) == before:  # else a window may be in it twice
            return total
    raise Unavailable("profiles of this version are being merged: ask again", retry_after_seconds=5)


def _merged_so_far(services: Parts, *, version: Version) -> tuple[int, int]:
    with services.store.read() as conn:
        return merged_profiles.merged_so_far(conn, version_id=version.id)


def _of_windows(services: Parts, *, version: Version, span: TimeRange, segment: str) -> Iterator[bytes]:
    """The encoded profiles of windows on the version's layout, read a few a transaction."""
    after: int | None = None
    from_us, to_us = _bounds(span)
    while True:
        with services.store.read() as conn:
            stored = profiles.list_profiles(
                conn, version_id=version.id, from_us=from_us, to_us=to_us, after=after, limit=_TOGETHER,
                segment=segment,
            )  # fmt: skip
        yield from (row.payload for row in stored if row.layout_id == version.layout_id)
        if len(stored) < _TOGETHER:
            return
        after = stored[-1].window_start_us


def _of_longer(services: Parts, *, version: Version, span: TimeRange, segment: str) -> Iterator[bytes]:
    """The same of days and weeks that windows were merged into; ``Conflict`` where the range cuts one in two."""
    assert version.layout_id is not None  # noqa: S101 - ``_layout`` has refused it
    after: tuple[int, int] | None = None
    from_us, to_us = _bounds(span)
    while True:
        with services.store.read() as conn:
            page = merged_profiles.overlapping(
                conn, version_id=version.id, layout_id=version.layout_id, segment=segment, from_us=from_us,
                to_us=to_us, after=after, limit=_TOGETHER,
            )  # fmt: skip
            whole = [one for one in page if not _cut(conn, one, from_us=from_us, to_us=to_us)]
        yield from (one.payload for one in whole)
        if len(page) < _TOGETHER:
            return
        after = page[-1].start_us, page[-1].end_us


def _cut(conn: Connection, one: MergedProfile, *, from_us: int, to_us: int) -> bool:
    """Whether the range has a part of the span only, and none of the windows that are merged in it."""
    if from_us <= one.start_us and one.end_us <= to_us:
        return False
    if merged_profiles.has_merged_windows(
        conn, version_id=one.version_id, layout_id=one.layout_id, from_us=max(from_us, one.start_us),
        to_us=min(to_us, one.end_us),
    ):  # fmt: skip
        start, end = rfc3339(one.start_us), rfc3339(one.end_us)
        raise ProfilesMerged(
            f"the profiles from {start} to {end} are merged into one by their age, and the range from … to … has a "
            f"part of it only: ask for all of it (from={start}&to={end} or more) or for none of it"
        )
    return True


def _bounds(span: TimeRange) -> tuple[int, int]:
    return (-_FOREVER_US if span.from_us is None else span.from_us), _FOREVER_US if span.to_us is None else span.to_us


_SIDES = {
    "type": "object",
    "required": ["reference", "current"],
    "properties": {side: {"anyOf": [shape_of("ProfileSide"), {"type": "null"}]} for side in ("reference", "current")},
}
OPERATIONS = (
    Operation(method="GET", path=f"{V}/profile", endpoint=get_profile, summary="Reference and current side by side",
              tag="results", answers={200: "counts, quantiles, categories"}, shape=_SIDES),
)  # fmt: skip
