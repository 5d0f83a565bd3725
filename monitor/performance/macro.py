"""Macro averages: the mean of a metric over the classes for which it is defined."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np

from monitor.performance.measured import Measured, unknown
from monitor.performance.outline import Floats, Integers


def macro(metric: str, each: Sequence[Measured], *, n: int, spread: float | None = 1.0) -> Measured:
    """The mean over the classes of ``each`` that have a value; how many have none is ``classes_left_out``.

    As scikit-learn's with ``zero_division=numpy.nan``. The interval is put together of the classes' own: half a width
    is the root of the summed squares of theirs, over their number, times ``spread``: the standard error of the mean
    over what it would be, were the classes independent. ``spread`` None: how they hang together is not known, so it is
    the widest, with the mean of their widths. Unknown where every class is, for the reason of the first.
    Source: Zou and Donner (2008), Statistics in Medicine 27(10), recovery of variances from confidence limits.
    """
    known = [m for m in each if m.value is not None]
    if not known:
        return unknown(metric, (each[0].reason if each else None) or "no_labels", n=n)
    values = np.array([m.value for m in known], dtype=np.float64)
    value = float(values.mean())
    method: dict[str, Any] = {"average": "macro", "classes": len(known), "classes_left_out": len(each) - len(known)}
    if any("bound" in m.method for m in known):
        method["bound"] = sum(m.method.get("bound", 0.0) for m in known) / len(known)
    if any(m.lower is None or m.upper is None or m.se is None for m in known):
        return Measured(metric=metric, value=value, n=n, method=method)
    limits = np.array([(m.lower, m.upper, m.se) for m in known], dtype=np.float64)
    parts = np.column_stack((values - limits[:, 0], limits[:, 1] - values, limits[:, 2]))
    independent = np.sqrt((parts**2).sum(axis=0)) / len(known)
    below, above, se = (parts.mean(axis=0) if spread is None else spread * independent).tolist()
    method["interval"] = "of the classes' own" if spread is not None else "of the classes' own, the widest"
    return Measured(
        metric=metric, value=value, lower=max(value - below, 0.0), upper=min(value + above, 1.0), se=se, n=n,
        method=method,
    )  # fmt: skip


def confusion_spread(metric: str, confusion: Integers) -> float:
    """The standard error of a macro average of confusion metrics over that of independent classes; 1 where both are 0.

    Each class's metric is a ratio of sums over cells (i, j) of the table int64[C + 1, C + 1], so the influence of a row
    on their mean is base + row_i + column_j + diagonal_i [i = j], and the variance its mean square (delta method).
    """
    base, row, column, diagonal = (part[:-1] for part in _INFLUENCES[metric](confusion.astype(np.float64)))
    rows, columns, right = confusion[:-1].sum(axis=1), confusion[:, :-1].sum(axis=0), np.diag(confusion)[:-1]
    n = confusion.sum()
    whole = np.full(confusion.shape, base.sum())
    whole[:-1] += row[:, None]
    whole[:, :-1] += column
    whole[np.arange(len(base)), np.arange(len(base))] += diagonal
    together = float((confusion * whole**2).sum())
    # the four kinds of rows of one class: of it and told, of it and not told, told and not of it, neither
    alone = (
        right * (base + row + column + diagonal) ** 2
        + (rows - right) * (base + row) ** 2
        + (columns - right) * (base + column) ** 2
        + (n - rows - columns + right) * base**2
    )
    independent = float(alone.sum())
    return sqrt(together / independent) if independent > 0 and together > 0 else 1.0


def _ratio(hits: Floats, n: Floats) -> tuple[Floats, Floats]:
    """The ratio and one over its denominator; 0 where there is none."""
    over = np.divide(1.0, n, out=np.zeros_like(n), where=n > 0)
    return hits * over, over


def _precision(table: Floats) -> tuple[Floats, ...]:
    value, over = _ratio(np.diag(table), table.sum(axis=0))
    return 0 * over, 0 * over, -value * over, over


def _recall(table: Floats) -> tuple[Floats, ...]:
    value, over = _ratio(np.diag(table), table.sum(axis=1))
    return 0 * over, -value * over, 0 * over, over


def _f1(table: Floats) -> tuple[Floats, ...]:
    value, over = _ratio(2 * np.diag(table), table.sum(axis=0) + table.sum(axis=1))
    return 0 * over, -value * over, -value * over, 2 * over


def _specificity(table: Floats) -> tuple[Floats, ...]:
    others = table.sum() - table.sum(axis=1)
    value, over = _ratio(others - table.sum(axis=0) + np.diag(table), others)
    return (1 - value) * over, (value - 1) * over, -over, over


_INFLUENCES = {"precision": _precision, "recall": _recall, "specificity": _specificity, "f1": _f1}
