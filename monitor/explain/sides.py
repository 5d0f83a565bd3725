"""The two sides of a comparison, and how a column's windows score along the ways it can go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from monitor.alert.calibrate import Calibration
from monitor.alert.cells import SHARES, Cells, Counts, Floats, Integers, reduce_profile
from monitor.alert.evidence import Evidence, gather
from monitor.alert.roots import noise
from monitor.alert.scoring import Usual, looked_at
from monitor.alert.surprise import focused_scores
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile


@dataclass(frozen=True, kw_only=True)
class Sides:
    """A window (or the sum of several) and its reference in one layout, with the usual movement of the columns."""

    layout: Layout
    reference: Profile
    current: Profile
    calibration: Calibration

    @property
    def judged(self) -> Cells:
        """How layout cells are grouped for judging."""
        return self.calibration.layout_cells

    @property
    def usual(self) -> Usual:
        """The usual movement of single windows."""
        return self.calibration.scales[0].usual

    @cached_property
    def baseline(self) -> Counts:
        """The judged counts of the reference."""
        return reduce_profile(self.judged, profile=self.reference)

    @cached_property
    def now(self) -> Counts:
        """The judged counts of the window."""
        return reduce_profile(self.judged, profile=self.current)

    @cached_property
    def evidence(self) -> Evidence:
        """How surprising each test of each column is, by the calibration."""
        return gather(self.calibration, reference=self.reference, current=self.current)

    def counts(self, column: int) -> tuple[Integers, Integers]:
        """The counts int64[cells] of a column, of the reference and of the window."""
        cells = slice(*self.layout.offsets[column : column + 2].tolist())
        return self.reference.counts[cells], self.current.counts[cells]

    def values(self, column: int) -> tuple[int, int]:
        """How many valid values a column has, of the reference and of the window."""
        reference, current = self.counts(column)
        return int(reference.sum()), int(current.sum())

    def level(self, column: int) -> int:
        """The pooling level at which the window's column is judged."""
        rows = np.full(len(self.judged.columns), self.now.sizes[0][column])
        return int(self.usual.pooling.level(rows)[column])

    def pooled_cells(self, column: int) -> int:
        """How many cells the window's column is judged by."""
        return int(self.usual.pooling.width[self.level(column), column])

    def groups(self, column: int, *, cell: int, pooled: bool) -> list[int]:
        """The group of cells that a layout cell of the column is in; ``pooled``: all that are judged as one with it."""
        own = int(self.judged.group[int(self.layout.offsets[column]) + cell])
        if not pooled:
            return [own]
        member = self.usual.pooling.member[self.level(column), column]
        width = int(self.judged.width[column])
        return [group for group in range(width) if member[group] == member[own]]

    def pooled_cell(self, column: int, *, cell: int) -> int:
        """The judged cell that a layout cell of the column goes to."""
        group = int(self.judged.group[int(self.layout.offsets[column]) + cell])
        return int(self.usual.pooling.member[self.level(column), column, group])


def cell_scores(sides: Sides, windows: Sequence[Counts], *, column: int) -> Floats:
    """z float64[B + 2, W] of windows along each single cell, location and spread; nan where there are no rows."""
    at = np.array([column])
    cells = np.array([counts.cells[column] for counts in windows])[None]
    level = sides.level(column)
    roots, spread, shares, movement = looked_at(
        level, columns=at, cells=cells, baseline=sides.baseline.cells[at], usual=sides.usual
    )
    counted = cells.sum(axis=2)[0] > 0
    z = focused_scores(
        roots, noise=np.where(np.isfinite(spread), spread, 1.0), movement=movement, shares=shares,
        width=sides.usual.pooling.width[level, at], ordered=sides.judged.numeric[at],
    )[0]  # fmt: skip
    return np.where(counted, z, np.nan)


def group_scores(sides: Sides, windows: Sequence[Counts], *, column: int, groups: Sequence[int]) -> Floats:
    """z float64[W] of windows along the share of some groups of cells: its step over √(q (1 − q) ν + q S).

    S is the usual variance of the root of the cell that they are judged in, q as in ``share_scores``.
    """
    at = list(groups)
    hits = np.array([counts.cells[column, at].sum() for counts in windows])
    sizes = np.array([counts.cells[column].sum() for counts in windows])
    baseline = sides.baseline.cells[column]
    return _steps(hits, sizes, r=float(baseline[at].sum()), m=float(baseline.sum()),
                  usual=usual_variance(sides, column=column, group=at[0]))  # fmt: skip


def usual_variance(sides: Sides, *, column: int, group: int) -> float:
    """S, the usual variance of the root of the finest judged cell that a group of cells is in."""
    usual, cell = sides.usual, int(sides.usual.pooling.member[0, column, group])
    directions, variance = usual.movement.directions[column], usual.movement.variance[column]
    return float((directions[cell] ** 2 * variance).sum())


def share_scores(sides: Sides, windows: Sequence[Counts], *, column: int, test: str) -> Floats:
    """z float64[W] of windows along a two-cell test: the step of its share over √(q (1 − q) ν + q λ).

    q is the share of reference and windows together. (The signed root, which judges, adds half a hit to each side,
    so that windows without a hit lie a little above a reference without one.) nan where there are no rows.
    """
    row = SHARES.index(test)
    hits = np.array([counts.hits[row, column] for counts in windows])
    sizes = np.array([counts.sizes[row + 1, column] for counts in windows])
    r, m = float(sides.baseline.hits[row, column]), float(sides.baseline.sizes[row + 1, column])
    return _steps(hits, sizes, r=r, m=m, usual=float(sides.usual.share_variance[row, column]))


def _steps(hits: Floats, sizes: Floats, *, r: float, m: float, usual: float) -> Floats:
    """z float64[W]: the step from the reference's share r/m in units of what sampling and usual movement bring."""
    share = (r + hits.sum() + 0.5) / (m + sizes.sum() + 1.0)
    spread = share * ((1.0 - share) * noise(np.maximum(sizes, 1.0), np.array(max(m, 1.0))) + usual)
    step = hits / np.maximum(sizes, 1.0) - r / max(m, 1.0)
    scores: Floats = np.where(sizes > 0, step / np.sqrt(spread), np.nan)
    return scores
