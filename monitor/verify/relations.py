"""Whether rows name others that are there, and whether counts add up."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from monitor.model.time import rfc3339
from monitor.store.engine import Store
from monitor.store.sealing import FORGOTTEN
from monitor.store.verifying import Link, live_versions, orphans, sums, windows_page
from monitor.store.verifying_merged import (
    MergedSpan,
    MergedWindows,
    merged_spans,
    merged_windows,
    windows_in_no_span,
)
from monitor.store.windows import JUDGED
from monitor.verify.fault import EVALUATE, RESTORE, Fault, standing

_PAGE = 200


def broken_links(store: Store, link: Link) -> list[Fault]:
    """The fault of rows that name something which is not there."""

    def look() -> list[Fault]:
        with store.read() as conn:
            count, key = orphans(conn, link)
        if not count:
            return []
        what = f"{count} rows of {link.child}" if count > 1 else f"a row of {link.child}"
        return [Fault(
            code="orphan", where=f"{link.child}.{'+'.join(link.columns)}", remedy=RESTORE,
            found=f"{what} (one is {key}) without the {link.parent} that it names",
        )]  # fmt: skip

    return standing(look)


def wrong_counts(store: Store) -> Iterator[tuple[str, list[Fault]]]:
    """(version, its faults) of every live version: batches against windows, windows against ids and results."""
    with store.read() as conn:
        versions = live_versions(conn)
    for id, model, version in versions:
        name = f"{model} {version}"
        faults = standing(partial(_of_version, store, version_id=id, name=name))
        after_us = -(2**62)
        while True:
            look = _Page(store, version_id=id, name=name, after_us=after_us)
            faults += standing(look)
            if look.last_us is None:
                break
            after_us = look.last_us
        faults += standing(partial(_of_merged, store, version_id=id, name=name))
        yield name, faults


def _of_version(store: Store, *, version_id: int, name: str) -> list[Fault]:
    with store.read() as conn:
        found = sums(conn, version_id=version_id)
    if found is None:
        return []
    faults = []
    if found.folded + found.erased + found.dropped != found.profiled + found.deduplicated:
        faults.append(_fault(
            "rows", name, f"{found.folded} rows are folded, {found.erased} erased and {found.dropped} gone for their "
            "age, but its windows count "
            f"{found.profiled} profiled and {found.deduplicated} repeats (and {found.unfolded} wait): "
            "records or counts are lost",
        ))  # fmt: skip
    if found.twice:
        faults.append(_fault("fold_twice", name, f"{found.twice} places (fold, position) are held by several batches"))
    if found.highest_fold > found.fold_seq or found.lowest_fold < 1:
        faults.append(_fault(
            "fold_number", name,
            f"batches of folds {found.lowest_fold} to {found.highest_fold}, expected 1 to {found.fold_seq}",
        ))  # fmt: skip
    if found.unplaced:
        faults.append(
            _fault("fold_place", name, f"{found.unplaced} batches are folded without a place, or placed unfolded")
        )
    return faults


def _of_merged(store: Store, *, version_id: int, name: str) -> list[Fault]:
    """The faults of merged profiles: what their windows count is in them, and nothing else."""
    with store.read() as conn:
        spans, lost = merged_spans(conn, version_id=version_id), windows_in_no_span(conn, version_id=version_id)
    faults = []
    if lost:
        faults.append(_fault("merged_lost", name, f"{lost} windows are merged, and no longer span has their profiles"))
    for span in spans:
        with store.read() as conn:
            of_windows = merged_windows(conn, span)
        if not _adds_up(span, of_windows):
            faults.append(_fault(
                "merged_rows", f"{name}, {rfc3339(span.start_us)} to {rfc3339(span.end_us)}",
                f"{span.rows} rows of {span.windows} windows are merged, but {of_windows.windows} windows count "
                f"{of_windows.rows} (and {of_windows.erased} were erased)",
            ))  # fmt: skip
    return faults


def _adds_up(span: MergedSpan, of_windows: MergedWindows) -> bool:
    """Whether the windows that are known can be those merged; a profile may lack rows that were erased."""
    if of_windows.windows > span.windows or span.rows < of_windows.rows - of_windows.erased:
        return False
    return of_windows.windows < span.windows or span.rows <= of_windows.rows


class _Page:
    """The faults of one page of windows; ``last_us`` is where the next begins behind, None after the last."""

    def __init__(self, store: Store, *, version_id: int, name: str, after_us: int) -> None:
        self._store = store
        self._version_id = version_id
        self._name = name
        self._after_us = after_us
        self.last_us: int | None = None

    def __call__(self) -> list[Fault]:
        with self._store.read() as conn:
            page = windows_page(conn, version_id=self._version_id, after_us=self._after_us, limit=_PAGE)
        self.last_us = page[-1]["start_us"] if len(page) == _PAGE else None
        return [fault for window in page for fault in _of_window(window, name=self._name)]


def _of_window(window: dict[str, Any], *, name: str) -> Iterator[Fault]:
    where = f"{name}, window {rfc3339(window['start_us'])}"
    rows = window["rows"]
    if window["keys"] != rows and window["retained"] not in FORGOTTEN:
        yield _fault("ids", where, f"{window['keys']} distinct ids were folded, but {rows} rows are counted")
    layouts = window["profile_layout"], window["merged_layout_id"]
    if None not in layouts:
        yield _fault("profile_twice", where, "its profile is there, and is part of a longer span's too")
    if rows and window["reference_number"] is not None and layouts == (None, None):
        yield _again("profile_missing", where, f"{rows} rows were judged, and their profile is not there")
    if window["result_revision"] is not None:
        yield from _of_result(window, where=where)
    elif window["state"] in JUDGED:
        yield _again("result_missing", where, "it was judged, and its result is not there")


def _of_result(window: dict[str, Any], *, where: str) -> Iterator[Fault]:
    of, revision, rows, now = (window[name] for name in ("result_revision", "revision", "result_rows", "rows"))
    if of > revision:
        yield _again("result_revision", where, f"its result is of revision {of}, the window of {revision}")
    if of == revision and not window["dirty"] and rows != now:
        yield _again("result_rows", where, f"its result is of {rows} rows, the window has {now}")
    ends, expected = rfc3339(window["result_end_us"]), rfc3339(window["end_us"])
    if ends != expected:
        yield _again("result_end", where, f"its result ends at {ends}, the window at {expected}")


def _again(code: str, where: str, found: str) -> Fault:
    return Fault(code=code, where=where, found=found, remedy=EVALUATE)


def _fault(code: str, where: str, found: str) -> Fault:
    return Fault(code=code, where=where, found=found, remedy=RESTORE)
