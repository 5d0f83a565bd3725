"""Two profiles of one layout held against each other: every metric asked for, all columns at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from monitor.drift.bins import Bins, Floats, Integers, column_maxima, column_sums, decile_groups
from monitor.drift.chi2 import chi2
from monitor.drift.hellinger import hellinger
from monitor.drift.js import js
from monitor.drift.ks import ks
from monitor.drift.l_infinity import l_infinity
from monitor.drift.measurement import Measurement
from monitor.drift.psi import psi
from monitor.drift.wasserstein import wasserstein
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile
from monitor.profile.summary import mean_and_sd

DEFAULT = ("psi", "ks", "l_infinity")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What the metrics work on: both profiles, their layout and the reference's bins."""

    layout: Layout
    reference: Profile
    current: Profile
    bins: Bins

    @cached_property
    def binned(self) -> Integers:
        """int64[b]: the current counts in the reference's bins."""
        return self.bins.count(self.current)

    @cached_property
    def sizes(self) -> tuple[Integers, Integers]:
        """int64[C] twice: the valid values of current and reference by column."""
        offsets = self.bins.offsets
        return (
            column_sums(self.binned, offsets=offsets).astype(np.int64),
            column_sums(self.bins.reference, offsets=offsets).astype(np.int64),
        )

    @cached_property
    def bin_reasons(self) -> list[str | None]:
        """Why a column cannot be compared on its bins, or None; a constant reference has one bin only."""
        return self._reasons(self.binned, self.bins.reference, offsets=self.bins.offsets)

    @cached_property
    def cell_reasons(self) -> list[str | None]:
        """Why a column cannot be compared on its layout cells, or None: constant is the same value on both sides."""
        return self._reasons(self.current.counts, self.reference.counts, offsets=self.layout.offsets)

    def _reasons(self, current: Integers, reference: Integers, *, offsets: Integers) -> list[str | None]:
        """By the counts of both sides: constant where one cell has all of either."""
        n, m = self.sizes
        found: list[str | None] = [None] * len(n)
        single = (column_maxima(current, offsets=offsets) == n) & (column_maxima(reference, offsets=offsets) == m)
        for d in np.flatnonzero(single | (n == 0) | (m == 0)).tolist():
            part = slice(int(offsets[d]), int(offsets[d + 1]))
            if n[d] == 0 or m[d] == 0:
                found[d] = "all_missing"
            elif current[part].argmax() == reference[part].argmax():
                found[d] = "constant"
        return found

    def reference_sd(self, column: int) -> float:
        """The reference's standard deviation of a number column (population), 0 for a constant."""
        m = int(self.sizes[1][column])
        return mean_and_sd(self.layout, self.reference, column=column, values=m)[1] or 0.0


Measured = dict[int, dict[str, Any]]  # column position → value, bounds, p-value, method
Metric = Callable[[Comparison, Sequence[int]], Measured]  # of the columns at these positions


def _on_bins(metric: Callable[..., Floats], *, smoothing: float | None) -> Metric:
    def measure(c: Comparison, chosen: Sequence[int]) -> Measured:
        values = metric(c.binned, c.bins.reference, offsets=c.bins.offsets).tolist()
        kinds = list(zip(np.diff(c.bins.offsets).tolist(), c.bins.numeric.tolist(), strict=True))
        methods = {
            (w, numeric): {
                "bins": w,
                "binning": "reference deciles" if numeric else "categories",
                "smoothing": smoothing,
            }
            for w, numeric in set(kinds)
        }
        return {d: {"value": values[d], "method": methods[kinds[d]]} for d in chosen}

    return measure


def _measure_ks(c: Comparison, chosen: Sequence[int]) -> Measured:
    found = ks(c.current.counts, c.reference.counts, offsets=c.layout.offsets, atoms=c.layout.atoms)
    distance, upper, p = found.distance.tolist(), found.upper.tolist(), found.p_value.tolist()
    method = {"cells": "layout edges", "p_value": "asymptotic two-sample"}
    return {
        d: {"value": distance[d], "lower": distance[d], "upper": upper[d], "p_value": p[d], "method": method}
        for d in chosen
    }


def _measure_chi2(c: Comparison, chosen: Sequence[int]) -> Measured:
    measured: Measured = {}
    for d in chosen:
        part = slice(int(c.bins.offsets[d]), int(c.bins.offsets[d + 1]))
        found = chi2(c.binned[part], c.bins.reference[part])
        if found is None:
            measured[d] = {"value": None, "reason": "few_rows"}
        else:
            method = {"bins": found.freedom + 1, "pooled": found.pooled, "correction": None}
            measured[d] = {"value": found.statistic, "p_value": found.p_value, "method": method}
    return measured


def _wasserstein_in(unit: str) -> Metric:
    def measure(c: Comparison, chosen: Sequence[int]) -> Measured:
        measured: Measured = {}
        for d in chosen:
            cells, edges = slice(*c.layout.offsets[d : d + 2].tolist()), c.layout.columns[d].edges
            scale = 1.0 if unit == "column" else c.reference_sd(d)
            if edges is None or not len(edges) or scale == 0:
                measured[d] = {"value": None, "reason": "constant"}
                continue
            low, high = (float(np.fmin(c.reference.minimum[d], c.current.minimum[d])),
                         float(np.fmax(c.reference.maximum[d], c.current.maximum[d])))  # fmt: skip
            found = wasserstein(c.current.counts[cells], c.reference.counts[cells], edges=edges, low=low, high=high)
            value, error = found.distance / scale, found.error / scale
            method = {"cells": "layout edges", "unit": unit, "error": error}
            measured[d] = {"value": value, "lower": max(value - error, 0.0), "upper": value + error, "method": method}
        return measured

    return measure


METRICS: Mapping[str, Metric] = {
    "psi": _on_bins(psi, smoothing=0.5),
    "ks": _measure_ks,
    "js": _on_bins(js, smoothing=None),
    "hellinger": _on_bins(hellinger, smoothing=None),
    "l_infinity": _on_bins(l_infinity, smoothing=None),
    "chi2": _measure_chi2,
    "wasserstein": _wasserstein_in("column"),
    "wasserstein_normalised": _wasserstein_in("reference standard deviation"),
}
NUMERIC_ONLY = frozenset({"ks", "wasserstein", "wasserstein_normalised"})
CATEGORICAL_ONLY = frozenset({"l_infinity", "chi2"})


def compare(
    layout: Layout, reference: Profile, current: Profile, *, bins: Bins | None = None, metrics: Iterable[str] = DEFAULT
) -> tuple[Measurement, ...]:
    """Every metric of every column it is defined for, in the order of the metrics, then of the layout.

    A column without values on one side, or constant on both, has value None and the reason. Unknown metric: KeyError.
    """
    comparison = Comparison(
        layout=layout, reference=reference, current=current, bins=bins or decile_groups(layout, reference)
    )
    if not layout.columns:
        return ()
    n, m = (sizes.tolist() for sizes in comparison.sizes)
    names = [column.name for column in layout.columns]
    found: list[Measurement] = []
    for metric in metrics:
        reasons = comparison.cell_reasons if metric in NUMERIC_ONLY else comparison.bin_reasons
        defined = [d for d, column in enumerate(layout.columns) if column.kind in _kinds(metric)]
        measured = METRICS[metric](comparison, [d for d in defined if reasons[d] is None])
        found += [
            Measurement(column=names[d], metric=metric, rows=n[d], reference_rows=m[d], **measured[d])
            if d in measured
            else Measurement(
                column=names[d], metric=metric, rows=n[d], reference_rows=m[d], value=None, reason=reasons[d]
            )
            for d in defined
        ]
    return tuple(found)


def _kinds(metric: str) -> tuple[str, ...]:
    if metric in NUMERIC_ONLY:
        return ("numeric",)
    return ("categorical",) if metric in CATEGORICAL_ONLY else ("numeric", "categorical")
