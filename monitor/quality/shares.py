"""Data quality: what share of a window's values was missing, invalid, unseen or outside the reference's range."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.drift.measurement import Measurement
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile

METRICS = ("missing", "invalid", "unseen", "out_of_range", "off_support")
_OF_ROWS = ("missing", "invalid")


def measure(layout: Layout, reference: Profile, current: Profile) -> tuple[Measurement, ...]:
    """The shares of every column it is defined for, 0 to 1, the reference's own share in ``method``.

    ``missing`` and ``invalid`` are shares of all rows; of the valid values, ``unseen`` is the share of categories the
    reference does not have, ``out_of_range`` the share of numbers beyond the reference's minimum and maximum, and
    ``off_support`` the share in cells that the reference never filled. None with a reason where n is 0, or
    where the reference had too many categories to know them all.
    """
    now, then = _counts(layout, reference, current), _counts(layout, reference, reference)
    found = []
    for metric in METRICS:
        hits, sizes, before, totals = (a.tolist() for a in (*now[metric], *then[metric]))
        for d, column in enumerate(layout.columns):
            if metric not in _defined(column.kind):
                continue
            reason = _reason(metric, size=sizes[d], known=column.kind == "numeric" or column.known_hashes is not None)
            found.append(
                Measurement(
                    column=column.name, metric=metric, value=None if reason else hits[d] / sizes[d], reason=reason,
                    rows=sizes[d], reference_rows=totals[d],
                    method={
                        "of": "rows" if metric in _OF_ROWS else "valid values",
                        "reference": before[d] / totals[d] if totals[d] else None,
                    },
                )
            )  # fmt: skip
    return tuple(found)


def _reason(metric: str, *, size: int, known: bool) -> str | None:
    if metric == "unseen" and not known:
        return "too_many_categories"
    return None if size else ("few_rows" if metric in _OF_ROWS else "all_missing")


def _defined(kind: str) -> tuple[str, ...]:
    return (
        ("missing", "invalid", "out_of_range", "off_support") if kind == "numeric" else ("missing", "invalid", "unseen")
    )


Counted = tuple[NDArray[np.int64], NDArray[np.int64]]


def _counts(layout: Layout, reference: Profile, profile: Profile) -> dict[str, Counted]:
    """Hits int64[C] and the n they are a share of int64[C], by metric."""
    offsets, counts = layout.offsets, profile.counts
    numeric = np.array([c.edges is not None and len(c.edges) > 0 for c in layout.columns], dtype=bool)
    first, last = offsets[:-1], offsets[1:] - 1
    rows = np.full(len(layout.columns), profile.rows, np.int64)
    if not len(layout.columns):
        return dict.fromkeys(METRICS, (rows, rows))
    valid = np.add.reduceat(counts, first)
    beyond = np.where(numeric, counts[first] + counts[last], 0)
    off = np.add.reduceat(np.where(reference.counts > 0, 0, counts), first)
    return {
        "missing": (profile.missing, rows),
        "invalid": (profile.invalid, rows),
        "unseen": (counts[last], valid),
        "out_of_range": (beyond, valid),
        "off_support": (off, valid),
    }
