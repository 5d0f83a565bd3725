"""Gaps: windows that could not be computed, shown as such with the reason and never as healthy.

A sealed window becomes none: its rows are gone, and what was found of it stands.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from monitor.evaluate.context import checks_of
from monitor.evaluate.verdicts import failed_rows, failed_verdicts, move_verdicts
from monitor.model.checks import checks_of as checks_in
from monitor.model.entities import Model, Version
from monitor.store.batches import unfolded
from monitor.store.models import get_version_by_id
from monitor.store.reference_segments import reference_segments
from monitor.store.results import StoredResult, pack_rows, put_results
from monitor.store.versions import lock_version
from monitor.store.windows import WindowRow, get_window, upsert_window

_LISTED_ROWS = 1_000_000


def gap_window(conn: Connection, *, window: WindowRow, reason: str, now_us: int) -> None:
    """Makes the window a gap: its checks are unknown, the verdicts decided before stay in force."""
    lock_version(conn, id=window.version_id)
    model, version = get_version_by_id(conn, id=window.version_id)
    stored = get_window(conn, version_id=window.version_id, start_us=window.start_us) or window
    _gap(conn, model=model, version=version, window=stored, reason=reason, now_us=now_us)


def gap_waiting(conn: Connection, *, version_id: int, reason: str, now_us: int) -> None:
    """Makes gaps of the closed windows whose rows wait because they cannot be folded; the rows stay."""
    lock_version(conn, id=version_id)
    model, version = get_version_by_id(conn, id=version_id)
    starts: set[int] = set()
    for batch in unfolded(conn, version_id=version_id, max_rows=_LISTED_ROWS):
        starts |= {start for start, _ in model.window.between(batch.t_min_us, batch.t_max_us + 1)}
    for start_us in sorted(starts):
        end_us = model.window.end_of(start_us)
        window = get_window(conn, version_id=version_id, start_us=start_us)
        if end_us + model.lateness_us <= now_us:
            window = window or WindowRow(version_id=version_id, start_us=start_us, end_us=end_us)
            _gap(conn, model=model, version=version, window=window, reason=reason, now_us=now_us)


def _gap(conn: Connection, *, model: Model, version: Version, window: WindowRow, reason: str, now_us: int) -> None:
    revision = window.revision + 1
    if window.is_sealed:  # what was found of it stands: nobody can compute it again
        upsert_window(conn, replace(window, reason=reason, revision=revision, dirty=False))
        return
    upsert_window(
        conn,
        replace(window, state="gap", reason=reason, revision=revision, dirty=False, computed_us=now_us),
    )
    checks, id = checks_of(model), version.reference_id
    segments = [] if id is None else [one.segment for one in reference_segments(conn, reference_id=id)]
    failed = {segment: checks_in(checks, segment=segment) for segment in ("", *segments)}
    failed = {segment: own for segment, own in failed.items() if own or not segment}
    put_results(
        conn,
        [
            StoredResult(
                version_id=version.id, window_start_us=window.start_us, window_end_us=window.end_us, segment=segment,
                revision=revision, reference_number=None, status="unknown", rows=_rows(window, segment=segment),
                reference_rows=0, computed_us=now_us,
                payload=pack_rows(failed_rows(own, rows=_rows(window, segment=segment), segment=segment)),
            )
            for segment, own in failed.items()
        ],
    )  # fmt: skip
    verdicts = [
        verdict
        for segment, own in failed.items()
        for verdict in failed_verdicts(own, rows=_rows(window, segment=segment), segment=segment)
    ]
    move_verdicts(
        conn, model=model, version=version, verdicts=verdicts, segments=segments, window_start_us=window.start_us,
        window_end_us=window.end_us, now_us=now_us,
    )  # fmt: skip


def _rows(window: WindowRow, *, segment: str) -> int:
    """The rows there are; of a segment they are not known where the window could not be computed."""
    return 0 if segment else window.rows
