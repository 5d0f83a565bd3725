"""Two profiles of what should be the same rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.profile.layout import Layout
from monitor.profile.profile import Profile

CLOSE = 1e-9  # of sums, which depend on the order of addition


def difference(made: Profile, stored: Profile, *, layout: Layout) -> str | None:
    """Where they differ, in words: counts, minimum and maximum exactly, sums within ``CLOSE``; None where nowhere."""
    if made.rows != stored.rows:
        return f"{made.rows} rows, expected {stored.rows}"
    cells = np.repeat(np.arange(len(layout.columns)), np.diff(layout.offsets))
    parts = (
        ("count of a cell", made.counts != stored.counts, cells),
        ("missing values", made.missing != stored.missing, None),
        ("invalid values", made.invalid != stored.invalid, None),
        ("minimum", ~_same(made.minimum, stored.minimum), None),
        ("maximum", ~_same(made.maximum, stored.maximum), None),
        ("sum", ~np.isclose(made.total, stored.total, rtol=CLOSE, atol=0.0, equal_nan=True), None),
        ("sum of squares", ~np.isclose(made.total_squares, stored.total_squares, rtol=CLOSE, atol=0.0, equal_nan=True),
         None),
    )  # fmt: skip
    for what, differs, columns in parts:
        at = np.flatnonzero(differs)
        if len(at):
            column = int(at[0]) if columns is None else int(columns[at[0]])
            return f"the {what} of column {layout.columns[column].name!r}"
    if made.unseen != stored.unseen:
        return "the names that the reference has not"
    return None


def _same(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray((a == b) | (np.isnan(a) & np.isnan(b)))
