"""What the windows of a history are held against where that is not the reference: sums of other windows of it."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.alert.cells import Counts, Floats, Integers


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """The baseline of each of K windows: ``rows`` float64[K], ``cells`` float64[K, D, GROUPS], ``hits`` [K, 4, D].

    Windows of the same ``part`` int64[K] have the same. ``moving`` says that every window has one of its own.
    """

    part: Integers
    moving: bool
    rows: Floats
    cells: Floats
    hits: Floats

    def of(self, position: int) -> Counts:
        """The baseline of one window."""
        return Counts(rows=int(self.rows[position]), cells=self.cells[position], hits=self.hits[position])

    @property
    def total(self) -> Counts:
        """All of them together: what is usual to be held against."""
        return Counts(rows=int(self.rows.sum()), cells=self.cells.sum(axis=0), hits=self.hits.sum(axis=0))
