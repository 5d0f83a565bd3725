"""What healthy windows look like: their judged counts, stacked, and what the reference holds of each fold."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

import numpy as np

from monitor.alert.against import Against
from monitor.alert.cells import (
    GROUPS,
    Cells,
    Counts,
    Flags,
    Floats,
    Integers,
    build_cells,
    reduce_profile,
)
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile

FOLDS = 5
LEAST_ROWS = 50  # a window with fewer is not judged, so it is no example of a healthy one either


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The judged counts of K healthy windows in time order, and of the reference they are held against.

    ``cells`` float64[K, D, GROUPS], ``hits`` float64[K, 4, D] (out of range, missing, invalid, unseen),
    ``rows`` float64[K], ``starts_us`` int64[K]. The first ``own`` windows are the reference's own: one is held against
    the reference less its fold, and its hits out of range and unseen are those that no other fold has. The others
    came after the reference and are held against all of it. ``reference`` are the counts of the whole reference.
    Where there is ``against``, every window is held against a baseline of its own instead.
    """

    layout_cells: Cells
    reference: Counts
    own: int
    starts_us: Integers
    rows: Floats
    cells: Floats
    hits: Floats
    against: Against | None = None

    @property
    def windows(self) -> int:
        """K."""
        return len(self.rows)

    @property
    def tests(self) -> Flags:
        """bool[5, D]: the tests this history can replay; unseen only where every category has its own cell."""
        tests = self.layout_cells.tests
        if self.own:
            tests[4] &= self.layout_cells.listed
        return tests

    @property
    def fold(self) -> Integers:
        """int64[K]: which of five folds each window is in, contiguous in the reference's own and in those after it."""
        return np.concatenate([fold_of(self.own), fold_of(self.windows - self.own)])

    @property
    def sizes(self) -> Floats:
        """float64[K, 5, D]: the n of each test."""
        valid = self.cells.sum(axis=2)
        rows = np.broadcast_to(self.rows[:, None], valid.shape)
        return np.stack([valid, valid, rows, rows, valid], axis=1)

    def parts(self) -> Iterator[tuple[int, Flags, Counts]]:
        """(fold, bool[K], baseline): the windows of a fold that are held against the same baseline; none is empty."""
        fold, own = self.fold, np.arange(self.windows) < self.own
        if self.against is not None:
            for part, first in zip(*np.unique(self.against.part, return_index=True), strict=True):
                yield int(fold[first]), self.against.part == part, self.against.of(int(first))
            return
        for each in range(FOLDS):
            for inside, baseline in ((own, self.baseline(fold=each)), (~own, self.reference)):
                if (inside & (fold == each)).any():
                    yield each, inside & (fold == each), baseline

    def joined(self, later: History) -> History:
        """This history and windows after it, which the same reference does not contain."""
        return replace(
            self,
            starts_us=np.concatenate([self.starts_us, later.starts_us]),
            rows=np.concatenate([self.rows, later.rows]),
            cells=np.concatenate([self.cells, later.cells]),
            hits=np.concatenate([self.hits, later.hits]),
        )

    def baseline(self, *, fold: int) -> Counts:
        """What the reference's own windows of the fold are held against: the reference less the fold."""
        if not self.own:
            return self.reference
        inside = (self.fold == fold) & (np.arange(self.windows) < self.own)
        hits = self.reference.hits - self.hits[inside].sum(axis=0)
        hits[[0, 3]] = 0.0  # by definition nothing of the others lies outside what the others fill
        return Counts(
            rows=self.reference.rows - int(self.rows[inside].sum()),
            cells=np.maximum(self.reference.cells - self.cells[inside].sum(axis=0), 0.0),
            hits=np.maximum(hits, 0.0),
        )


def fold_of(windows: int) -> Integers:
    """int64[K]: five contiguous folds as even as can be.

    >>> fold_of(7).tolist()
    [0, 0, 1, 2, 2, 3, 4]
    """
    return np.arange(windows, dtype=np.int64) * FOLDS // max(windows, 1)


def build_history(
    layout: Layout, *, reference: Profile, windows: Collection[tuple[int, Profile]] = (), contained: bool = True
) -> History:
    """The history of windows ``(start_us, profile)`` in time order; they are gone through twice.

    Windows of fewer than 50 rows are left out. ``contained`` false is for windows that came after the
    reference was made: they are held against all of it.
    """
    cells = build_cells(layout, reference=reference)
    used = [start for start, profile in windows if profile.rows >= LEAST_ROWS]
    folds = fold_of(len(used))
    outside = _outside(cells, reference=reference, windows=windows, folds=folds) if contained else None
    columns = len(cells.columns)
    counted = np.zeros((len(used), columns, GROUPS))
    hits, rows = np.zeros((len(used), 4, columns)), np.zeros(len(used))
    full = (profile for _, profile in windows if profile.rows >= LEAST_ROWS)
    for position, profile in enumerate(full):
        beyond = None if outside is None else outside[folds[position]]
        counts = reduce_profile(cells, profile=profile, outside=beyond)
        counted[position], hits[position], rows[position] = counts.cells, counts.hits, counts.rows
    return History(
        layout_cells=cells,
        reference=reduce_profile(cells, profile=reference),
        own=len(used) if contained else 0,
        starts_us=np.array(used, dtype=np.int64),
        rows=rows,
        cells=counted,
        hits=hits,
    )


def _outside(cells: Cells, *, reference: Profile, windows: Collection[tuple[int, Profile]], folds: Integers) -> Flags:
    """bool[FOLDS, cells]: for windows of each fold, the layout cells that the rest of the reference does not reach.

    Of numbers what is beyond the outermost cells the others fill, of categories what the others do not have;
    the cell of unlisted categories counts as known.
    """
    inside = np.zeros((FOLDS, len(cells.group)), dtype=np.int64)
    full = (profile for _, profile in windows if profile.rows >= LEAST_ROWS)
    for fold, profile in zip(folds, full, strict=True):
        inside[fold] += profile.counts
    return np.array([cells.outside | _beyond(reference.counts > counts, cells=cells) for counts in inside])


def _beyond(others: Flags, *, cells: Cells) -> Flags:
    lengths = np.diff(cells.offsets)
    before = np.concatenate([[0], np.cumsum(others)])
    seen_up_to = before[1:] - np.repeat(before[cells.offsets[:-1]], lengths)
    total = np.repeat(before[cells.offsets[1:]] - before[cells.offsets[:-1]], lengths)
    numeric = cells.numeric[cells.column]
    beyond_range = (seen_up_to == 0) | ((seen_up_to == total) & ~others)
    unlisted = np.zeros_like(others)
    unlisted[np.maximum(cells.offsets[1:][~cells.numeric] - 2, cells.offsets[:-1][~cells.numeric])] = True
    return np.where(numeric, beyond_range, ~others & ~unlisted)
