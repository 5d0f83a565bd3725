"""Windows drawn from a stream, healthy or shifted, and judged by the code that judges the service's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.alert.calibrate import calibrate
from monitor.alert.cells import GROUPS, Cells, Counts
from monitor.alert.history import History
from monitor.alert.scales import sums_of, until_next_look
from monitor.alert.scoring import surprises
from monitor.alert.threshold import model_score
from monitor.model.time import HOUR_US

MISSING = 0.01


@dataclass(frozen=True, kw_only=True)
class Windows:
    """``cells`` float64[W, D, 10], ``hits`` float64[W, 4, D] (out of range, missing, invalid, unseen), ``rows`` [W]."""

    cells: np.ndarray
    hits: np.ndarray
    rows: np.ndarray

    def __len__(self):
        return len(self.rows)

    def followed_by(self, later):
        """These windows and the later ones."""
        both = {name: np.concatenate([getattr(self, name), getattr(later, name)]) for name in ("cells", "hits", "rows")}
        return Windows(**both)

    def part(self, begin, end=None):
        """The windows from ``begin`` to ``end``."""
        return Windows(cells=self.cells[begin:end], hits=self.hits[begin:end], rows=self.rows[begin:end])


def counted(rng, stream, *, shares, rows, shift=None, onset=0):
    """Windows drawn from shares float64[W, D, 10] and rows int64[W]; from ``onset`` on shifted in the first column."""
    windows = len(rows)
    extra = np.zeros((windows, 4))
    if shift is not None:
        strength = shift.strength(np.arange(windows) - onset)
        shares = shares.copy()
        shares[:, 0] = shift.moved(shares[:, 0], strength=strength)
        extra = shift.extra(strength)
    cells = rng.multinomial(rows[:, None], shares).astype(float)
    hits = np.zeros((windows, 4, stream.columns))
    hits[:, 1] = rng.binomial(rows[:, None], MISSING, (windows, stream.columns))
    hits[:, :, 0] += rng.binomial(rows[:, None], extra)
    return Windows(cells=cells, hits=hits, rows=rows.astype(float))


def history_of(windows, *, ordered=True, contained=True, reference=None):
    """The windows as healthy history; the reference is their sum unless given."""
    rows = windows.rows
    whole = reference or Counts(rows=int(rows.sum()), cells=windows.cells.sum(axis=0), hits=windows.hits.sum(axis=0))
    return History(
        layout_cells=cells_of(windows.cells.shape[1], ordered=ordered), reference=whole,
        own=len(rows) if contained else 0, starts_us=np.arange(len(rows)) * HOUR_US, rows=rows, cells=windows.cells,
        hits=windows.hits,
    )  # fmt: skip


def cells_of(columns, *, ordered=True, width=GROUPS):
    """Cells of so many columns that no layout stands behind."""
    flags = np.full(columns, not ordered)
    return Cells(
        columns=tuple(f"c{i}" for i in range(columns)), offsets=np.arange(columns + 1) * 3,
        group=np.zeros(3 * columns, np.uint8), width=np.full(columns, width), numeric=~flags, known=flags, listed=flags,
    )  # fmt: skip


def calibrated(history, *, windows_per_month=720.0, per_month=1.0):
    """The calibration of a history."""
    return calibrate(history, windows_per_month=windows_per_month, per_month=per_month)


def scores(calibration, history, windows, *, per_month=None):
    """The model scores of windows in time order judged by the calibration at every scale, −∞ where nothing was.

    A window that alarms alone is left out of later sums, as in the service; so many do a month (default the budget).
    """
    alone, *longer = calibration.scales
    log_p = _at(alone, calibration, history, windows, known=np.ones(len(windows)))
    known = (_score(log_p, calibration) <= calibration.threshold(per_month=per_month)).astype(float)
    for scale in longer:
        log_p = np.fmax(log_p, _at(scale, calibration, history, windows, known=known))
    return _score(log_p, calibration)


def _at(scale, calibration, history, windows, *, known):
    sums = sums_of(
        windows.cells * known[:, None, None], windows.hits * known[:, None, None], windows.rows * known,
        scale=scale.windows,
    )  # fmt: skip
    x = surprises(
        cells=sums.cells, hits=sums.hits, sizes=sums.sizes, baseline=history.reference, usual=scale.usual,
        ordered=history.layout_cells.numeric,
    )  # fmt: skip
    there = np.array([known[end + 1 - scale.windows : end + 1].sum() for end in sums.ends.tolist()])
    found = np.where(2 * there[:, None, None] >= scale.windows, scale.credited(scale.tails.surprise(x)), np.nan)
    return until_next_look(found, ends=sums.ends, windows=len(windows))


def _score(log_p, calibration):
    judged = np.where(calibration.judged, log_p, np.nan).reshape(len(log_p), -1)
    return model_score(judged, tests=calibration.tests, looks_per_month=calibration.windows_per_month)
