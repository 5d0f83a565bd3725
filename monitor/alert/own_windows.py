"""The reference's own windows measured as production's are, each held against the reference less its fold.

They are kept as judged counts (``History``): deciles, nine categories and the rest, shares. So what needs finer cells
cannot be said of them, and neither can the PSI of a column with more categories.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from monitor.alert.bench import judge_all
from monitor.alert.cells import SHARES, Cells, Counts, Flags, Floats
from monitor.alert.history import History
from monitor.drift.hellinger import hellinger
from monitor.drift.js import js
from monitor.drift.l_infinity import l_infinity
from monitor.drift.measurement import Measurement
from monitor.drift.psi import psi
from monitor.model.checks import Check
from monitor.model.results import CheckVerdict, ResultRow
from monitor.model.schema import Schema
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile, empty

_NO_LAYOUT = Layout(columns=())
_ON_BINS: Mapping[str, Callable[..., Floats]] = {
    "psi": psi, "js": js, "hellinger": hellinger, "l_infinity": l_infinity,
}  # fmt: skip
MEASURED = (*_ON_BINS, *SHARES, "rows")  # what can be said of these windows


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnWindow:
    """One window of the reference's own: its start (µs), rows and measurements."""

    start_us: int
    rows: int
    measurements: tuple[Measurement, ...]


def own_windows(history: History, *, metrics: Collection[str], most: int) -> Iterator[OwnWindow]:
    """The newest so many of the reference's own windows in time order, measured against the reference less their fold.

    Of the ``metrics`` those of ``MEASURED``.
    """
    exact, folds = exact_columns(history.layout_cells), history.fold
    baselines = {int(fold): history.baseline(fold=int(fold)) for fold in np.unique(folds[: history.own])}
    for k in range(max(history.own - most, 0), history.own):
        now = Counts(rows=int(history.rows[k]), cells=history.cells[k], hits=history.hits[k])
        baseline = baselines[int(folds[k])]
        found = _measured(history, now=now, baseline=baseline, exact=exact, metrics=metrics)
        yield OwnWindow(start_us=int(history.starts_us[k]), rows=now.rows, measurements=tuple(found))


def judge_own(
    window: OwnWindow, *, checks: tuple[Check, ...], schema: Schema, expected_rows: float
) -> list[tuple[CheckVerdict, list[ResultRow]]]:
    """The verdict and the rows of each check with a fixed threshold, by the code that judges every window."""
    current: Profile = replace(empty(_NO_LAYOUT), rows=window.rows)
    found = judge_all(
        checks, schema=schema, layout=_NO_LAYOUT, reference=current, current=current,
        measurements=window.measurements, held=lambda check: None, expected_rows=expected_rows,
    )  # fmt: skip
    fixed = {check.name for check in checks if check.threshold is not None}
    return [
        (verdict, [row for row in found.rows if row.check == verdict.check])
        for verdict in found.verdicts
        if verdict.check in fixed
    ]


def exact_columns(cells: Cells) -> Flags:
    """bool[D]: columns whose groups are their bins: every number, and categories that each have their own group."""
    exact = cells.numeric.copy()
    for d in np.flatnonzero(~cells.numeric).tolist():
        begin, end = int(cells.offsets[d]), int(cells.offsets[d + 1])
        other_is_unseen = end - begin > 1 and cells.group[end - 2] == cells.group[end - 1]  # as in the bins, if empty
        exact[d] = int(cells.width[d]) == end - begin - int(other_is_unseen)
    return exact


def _measured(
    history: History, *, now: Counts, baseline: Counts, exact: Flags, metrics: Collection[str]
) -> Iterator[Measurement]:
    yield from _of_distributions(history.layout_cells, now=now, baseline=baseline, exact=exact, metrics=metrics)
    cells, able = history.layout_cells, history.tests
    for test, metric in enumerate(SHARES, start=1):
        if metric not in metrics:
            continue
        for d in np.flatnonzero(able[test]).tolist():
            n, m = float(now.sizes[test, d]), float(baseline.sizes[test, d])
            usual = float(baseline.hits[test - 1, d]) / m if m else None
            yield Measurement(
                column=cells.columns[d], metric=metric, value=float(now.hits[test - 1, d]) / n if n else None,
                reason=None if n else "all_missing", rows=int(n), reference_rows=int(m),
                method={"of": "rows" if metric in ("missing", "invalid") else "valid values", "reference": usual},
            )  # fmt: skip


def _of_distributions(
    cells: Cells, *, now: Counts, baseline: Counts, exact: Flags, metrics: Collection[str]
) -> Iterator[Measurement]:
    chosen = np.flatnonzero(exact & (cells.width > 0))
    wanted = [metric for metric in _ON_BINS if metric in metrics]
    if not len(chosen) or not wanted:
        return
    width = cells.width[chosen]
    offsets = np.concatenate([[0], np.cumsum(width)])
    inside = np.arange(now.cells.shape[1]) < width[:, None]
    current, reference = (counts.cells[chosen][inside].astype(np.int64) for counts in (now, baseline))
    filled = np.add.reduceat(current + reference > 0, offsets[:-1], dtype=np.int64)
    for metric in wanted:
        values = _ON_BINS[metric](current, reference, offsets=offsets)
        for position, d in enumerate(chosen.tolist()):
            if metric == "l_infinity" and cells.numeric[d]:
                continue
            n, m = int(now.cells[d].sum()), int(baseline.cells[d].sum())
            reason = "all_missing" if not n or not m else "constant" if filled[position] < 2 else None
            yield Measurement(
                column=cells.columns[d], metric=metric, value=None if reason else float(values[position]),
                reason=reason, rows=n, reference_rows=m, method={"bins": int(width[position])},
            )  # fmt: skip
