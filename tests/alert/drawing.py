"""Histories drawn at random: counts straight into the judged cells, no layout and no rows needed."""

from dataclasses import dataclass, field

import numpy as np

from monitor.alert.calibrate import Calibration, calibrate
from monitor.alert.cells import GROUPS, Cells, Counts
from monitor.alert.history import History
from monitor.alert.scoring import surprises
from monitor.alert.threshold import model_score

DECILES = np.full(GROUPS, 0.1)


@dataclass
class Traffic:
    """Windows of ``rows`` rows and ``columns`` columns; 1 % are missing.

    ``shares`` are those of the cells, drawn anew for each window where there is a ``concentration``; ``volumes`` are
    rows to draw from instead of always the same.
    """

    rng: np.random.Generator
    columns: int = 20
    rows: int = 1_000
    ordered: bool = True
    missing: float = 0.01
    shares: np.ndarray = field(default_factory=lambda: DECILES)
    concentration: float | None = None
    volumes: tuple[int, ...] = ()

    def windows(self, count, *, shares=None, column=0):
        """(cells [W, D, G], hits [W, 4, D], rows [W]); ``shares`` are those of one ``column`` instead."""
        p = np.broadcast_to(self.shares, (count, self.columns, GROUPS))
        if self.concentration is not None:
            p = self.rng.dirichlet(self.shares * self.concentration, (count, self.columns))
        if shares is not None:
            p = p.copy()
            p[:, column] = shares
        rows = self.rng.choice(self.volumes or (self.rows,), count)
        cells = self.rng.multinomial(rows[:, None], p).astype(float)
        hits = np.zeros((count, 4, self.columns))
        hits[:, 1] = self.rng.binomial(rows[:, None], self.missing, (count, self.columns))
        return cells, hits, rows.astype(float)

    def history(self, count):
        """A history of so many healthy windows, the reference being their sum."""
        return history_of(*self.windows(count), ordered=self.ordered)


def cells_of(columns, *, ordered=True, width=GROUPS):
    """Cells of so many columns that no layout stands behind."""
    flags = np.full(columns, not ordered)
    return Cells(
        columns=tuple(f"c{i}" for i in range(columns)), offsets=np.arange(columns + 1) * 3,
        group=np.zeros(3 * columns, np.uint8), width=np.full(columns, width), numeric=~flags, known=flags, listed=flags,
    )  # fmt: skip


def history_of(cells, hits, rows, *, ordered=True, contained=True, reference=None):
    """A history of these windows."""
    whole = reference or Counts(rows=int(rows.sum()), cells=cells.sum(axis=0), hits=hits.sum(axis=0))
    return History(
        layout_cells=cells_of(cells.shape[1], ordered=ordered), reference=whole,
        own=len(rows) if contained else 0, starts_us=np.arange(len(rows)), rows=rows, cells=cells, hits=hits,
    )  # fmt: skip


def scores(calibration: Calibration, history: History, windows):
    """The model scores of windows judged by the calibration, −∞ where nothing was judged."""
    cells, hits, rows = windows
    valid = cells.sum(axis=2)
    every = np.broadcast_to(rows[:, None], valid.shape)
    scale = calibration.scales[0]
    x = surprises(
        cells=cells, hits=hits, sizes=np.stack([valid, valid, every, every, valid], axis=1),
        baseline=history.reference, usual=scale.usual, ordered=history.layout_cells.numeric,
    )  # fmt: skip
    log_p = np.where(calibration.judged, scale.tails.surprise(x), np.nan).reshape(len(x), -1)
    return model_score(log_p, tests=calibration.tests, looks_per_month=calibration.windows_per_month)


def calibrated(history, *, windows_per_month=720.0, per_month=1.0):
    """The calibration of a history."""
    return calibrate(history, windows_per_month=windows_per_month, per_month=per_month)


def alarms(over, *, apart):
    """Episodes: windows over the threshold, merged when at most ``apart`` windows lie between their starts."""
    positions = np.flatnonzero(over)
    return 0 if len(positions) == 0 else 1 + int((np.diff(positions) > apart).sum())
