"""What people look at: mean, spread, quantiles and categories of one column of a profile."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from monitor.profile.layout import Layout
from monitor.profile.profile import Profile

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
TOP_CATEGORIES = 20


def summarise_column(layout: Layout, profile: Profile, *, column: str) -> dict[str, Any]:
    """Rows, missing, invalid and, by kind, min, max, mean, sd and quantiles, or the 20 most frequent categories.

    Quantiles are those of the cells: exact at edges, within a cell on the line between its edges. JSON values
    only: what cannot be said is None. ``KeyError`` for a column that the layout does not have.
    """
    d = layout.index(column)
    base = {
        "rows": profile.rows,
        "missing": int(profile.missing[d]),
        "invalid": int(profile.invalid[d]),
        "type": layout.columns[d].kind,
    }
    return base | (
        _numbers(layout, profile, d) if layout.columns[d].edges is not None else _categories(layout, profile, d)
    )


def side(layout: Layout, profile: Profile, *, column: str) -> dict[str, Any]:
    """The whole of one column: its summary with every cell (``edges``, ``counts``) or category, and unseen names."""
    d = layout.index(column)
    described = layout.columns[d]
    counts = _counts(layout, profile, d).tolist()
    shown = {"edges": [], "counts": counts, "quantiles": {}, "categories": {}, "unseen": profile.unseen.get(column, {})}
    shown |= summarise_column(layout, profile, column=column)
    if described.edges is not None:
        return shown | {"edges": described.edges.tolist()}
    names = dict(zip(described.categories, counts, strict=False))
    other, unseen = counts[described.other_cell], counts[described.unseen_cell]
    return shown | {"categories": names | ({"(other)": other} if other else {}), "unseen_rows": unseen}


def mean_and_sd(
    layout: Layout, profile: Profile, *, column: int, values: int
) -> tuple[float | None, float | None]:  # fmt: skip
    """The mean and the population standard deviation of a number column with that many valid values.

    The variance is taken about the layout's centre, by the shift of König and Huygens: squares about zero lose
    every digit of it for values such as timestamps. None where a sum is beyond every float.
    """
    if values == 0:
        return None, None
    mean = float(profile.total[column]) / values
    away = mean - float(layout.centres[column])
    square = away * away  # Python's floats: too large is inf, without a warning
    variance = float(profile.total_squares[column]) / values - square
    return _finite(mean), _finite(math.sqrt(max(variance, 0.0)) if math.isfinite(variance) else math.inf)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def quantiles(layout: Layout, profile: Profile, *, column: int) -> dict[str, float | None]:
    """The value below which each share of ``QUANTILES`` lies, by its share as text.

    A share is reached in the first cell whose cumulated count is at least it; within it the value lies on the line
    between the edges (the outer cells end at minimum and maximum).
    """
    counts, edges = _counts(layout, profile, column), layout.columns[column].edges
    total = int(counts.sum())
    if total == 0 or edges is None:
        return {str(q): None for q in QUANTILES}
    low, high = float(profile.minimum[column]), float(profile.maximum[column])
    bounds = np.clip(np.concatenate(([low], edges, [high])), low, high)
    cumulated = np.cumsum(counts)
    wanted = np.array(QUANTILES) * total
    cell = np.searchsorted(cumulated, wanted)
    within = (wanted - (cumulated[cell] - counts[cell])) / counts[cell]
    found = (1 - within) * bounds[cell] + within * bounds[cell + 1]
    return dict(zip(map(str, QUANTILES), found.tolist(), strict=True))


def _counts(layout: Layout, profile: Profile, d: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return profile.counts[int(layout.offsets[d]) : int(layout.offsets[d + 1])]


def _numbers(layout: Layout, profile: Profile, d: int) -> dict[str, Any]:
    values = int(_counts(layout, profile, d).sum())
    mean, sd = mean_and_sd(layout, profile, column=d, values=values)
    return {
        "min": float(profile.minimum[d]) if values else None,
        "max": float(profile.maximum[d]) if values else None,
        "mean": mean,
        "sd": sd,
        "quantiles": quantiles(layout, profile, column=d),
    }


def _categories(layout: Layout, profile: Profile, d: int) -> dict[str, Any]:
    counts = _counts(layout, profile, d)
    described = layout.columns[d]
    order = np.argsort(-counts[: described.other_cell], kind="stable")[:TOP_CATEGORIES]
    top = {described.categories[i]: int(counts[i]) for i in order.tolist() if counts[i]}
    return {"min": None, "max": None, "mean": None, "top": top}
