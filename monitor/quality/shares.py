"""Data quality: what share of a window's values was missing, invalid, unseen or outside the reference's range."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.drift.measurement import Measurement
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile

METRICS = ("missing", "invalid", "unseen", "out_of_range", "off_support")
_OF_ROWS = ("missing", "invalid")
_OF_CATEGORIES = ("unseen",)
Counted = tuple[NDArray[np.int64], NDArray[np.int64]]  # hits and the n they are a share of


def measure(layout: Layout, reference: Profile, current: Profile) -> tuple[Measurement, ...]:
    """The shares of every column it is defined for, 0 to 1, the reference's own share in ``method``.

    ``missing`` and ``invalid`` are shares of all rows; of the valid values, ``unseen`` is the share of categories the
    reference does not have, ``out_of_range`` the share of numbers beyond the reference's minimum and maximum, and
    ``off_support`` the share in cells that the reference never filled. None with a reason where n is 0, or
    where the reference had too many categories to know them all.
    """
    now, then = _counts(layout, reference, current), _counts(layout, reference, reference)
    names = [column.name for column in layout.columns]
    found: list[Measurement] = []
    for metric in METRICS:
        values, usual = _shares(now[metric]), _shares(then[metric])
        sizes, totals = now[metric][1].tolist(), then[metric][1].tolist()
        of = "rows" if metric in _OF_ROWS else "valid values"
        methods = {share: {"of": of, "reference": share} for share in set(usual)}  # columns that say the same share it
        reasons = _reasons(metric, layout=layout, sizes=sizes)
        found += [
            Measurement(
                column=names[d], metric=metric, value=None if reasons[d] else values[d], reason=reasons[d],
                rows=sizes[d], reference_rows=totals[d], method=methods[usual[d]],
            )
            for d in _defined(metric, layout=layout)
        ]  # fmt: skip
    return tuple(found)


def _shares(counted: Counted) -> list[float | None]:
    """Hits over n; None where that is 0."""
    hits, sizes = counted
    found: list[float | None] = (hits / np.maximum(sizes, 1)).tolist()
    for position in np.flatnonzero(sizes == 0).tolist():
        found[position] = None
    return found


def _reasons(metric: str, *, layout: Layout, sizes: list[int]) -> list[str | None]:
    """Why each column's share cannot be said, or None."""
    nothing = "few_rows" if metric in _OF_ROWS else "all_missing"
    reasons = [None if size else nothing for size in sizes]
    if metric not in _OF_CATEGORIES:
        return reasons
    unknown = [column.kind == "categorical" and column.known_hashes is None for column in layout.columns]
    return ["too_many_categories" if u else reason for u, reason in zip(unknown, reasons, strict=True)]


def _defined(metric: str, *, layout: Layout) -> list[int]:
    """The positions of the columns that have the metric."""
    if metric in _OF_ROWS:
        return list(range(len(layout.columns)))
    kind = "categorical" if metric in _OF_CATEGORIES else "numeric"
    return [d for d, column in enumerate(layout.columns) if column.kind == kind]


def _counts(layout: Layout, reference: Profile, profile: Profile) -> dict[str, Counted]:
    """Hits int64[C] and the n they are a share of int64[C], by metric."""
    offsets, counts = layout.offsets, profile.counts
    rows = np.full(len(layout.columns), profile.rows, np.int64)
    if not len(layout.columns):
        return dict.fromkeys(METRICS, (rows, rows))
    first, last = offsets[:-1], offsets[1:] - 1
    valid = np.add.reduceat(counts, first)
    beyond = np.where(layout.numeric & (last > first), counts[first] + counts[last], 0)
    off = np.zeros_like(rows)
    if profile is not reference:  # none of its own values is where it has none
        never = np.flatnonzero(reference.counts == 0)
        running = np.concatenate([[0], np.cumsum(counts[never])])
        off = np.diff(running[np.searchsorted(never, offsets)])
    return {
        "missing": (profile.missing, rows),
        "invalid": (profile.invalid, rows),
        "unseen": (counts[last], valid),
        "out_of_range": (beyond, valid),
        "off_support": (off, valid),
    }
