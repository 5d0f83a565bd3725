"""Histories drawn at random: counts straight into the judged cells, no layout and no rows needed."""

from dataclasses import dataclass, field

import numpy as np

from benchmarks.alarms import windows
from benchmarks.alarms.measure import episodes
from benchmarks.alarms.windows import Windows, calibrated, cells_of
from monitor.alert.cells import GROUPS

__all__ = ["DECILES", "Traffic", "alarms", "calibrated", "cells_of", "history_of", "scores"]

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


def history_of(cells, hits, rows, **more):
    """A history of these windows; ``more`` as in the harness."""
    return windows.history_of(Windows(cells=cells, hits=hits, rows=rows), **more)


def scores(calibration, history, drawn):
    """The model scores of windows (cells, hits, rows) judged by the calibration, −∞ where nothing was judged."""
    cells, hits, rows = drawn
    return windows.scores(calibration, history, Windows(cells=cells, hits=hits, rows=rows))


def alarms(over, *, apart):
    """How many episodes: windows over the threshold, merged when at most ``apart`` windows lie between their starts."""
    return len(episodes(over, apart=apart))
