"""What needs no statistics: columns that are gone, shares up by half of the rows, no rows at all."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

import numpy as np

from monitor.alert.cells import Floats
from monitor.alert.findings import Finding, undecided, verdict_of
from monitor.model.checks import Check
from monitor.model.results import CheckVerdict, ResultRow, Status
from monitor.model.schema import Column
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile

HALF = 0.5  # of the rows
_Share = TypeVar("_Share", float, Floats)


def share_limit(reference_share: _Share) -> _Share:
    """The share of missing or invalid values from which a column counts as broken, or each: half of the rows more."""
    return reference_share + HALF


def judge_schema(
    check: Check,
    *,
    columns: tuple[Column, ...],
    layout: Layout,
    reference: Profile | None,
    current: Profile,
    absent: Collection[str],
) -> tuple[list[ResultRow], CheckVerdict]:
    """Which of the reference's columns are gone or unreadable: a row for each of them, and one for the model.

    Gone is a column that the caller names ``absent``, or that is missing in every row and was not in the
    reference; unreadable one whose invalid values are up by half of the rows.
    """
    broken = [c.name for c in columns if c.name in absent]
    judged = current.rows >= check.min_rows and reference is not None
    if reference is not None and judged:
        those = _broken_columns(layout, reference=reference, current=current)
        broken += [c.name for c in columns if c.name in those and c.name not in absent]
    if not broken and not judged:
        reason = "no_reference" if reference is None else "few_rows"
        needs = None if reference is None else check.min_rows
        return [], undecided(check, reason=reason, rows=current.rows, needs=needs)
    findings = [_broken(name, rows=current.rows) for name in broken] or [
        Finding(column="", metric="columns", value=0.0, threshold=1.0, status="ok", rows=current.rows)
    ]
    reference_rows = 0 if reference is None else reference.rows
    verdict = verdict_of(check, findings, rows=current.rows)
    rows = [_row(check, f.column, 1.0, f.status, current, reference_rows) for f in findings if f.column]
    rows.append(_row(check, "", float(len(broken)), "alert" if broken else "ok", current, reference_rows))
    return rows, verdict


def judge_volume(
    check: Check, *, current: Profile, reference_rows: int, expected_rows: float | None
) -> tuple[list[ResultRow], CheckVerdict]:
    """The window's rows against a fixed bound, or, by ``auto``, against none at all."""
    status: Status | None
    if check.threshold is None:
        status, limit = ("ok" if current.rows else "alert"), 1.0
    else:
        status = check.threshold.status(current.rows, reference=expected_rows)
        limit = check.threshold.limit(reference=expected_rows) or 0.0
    finding = Finding(
        column="", metric="rows", value=float(current.rows), threshold=limit, rows=current.rows,
        status=status or "unknown", reason=None if status else "baseline_too_short",
    )  # fmt: skip
    row = ResultRow(
        column="", metric="rows", check=check.name, kind=check.kind, value=float(current.rows), threshold=limit,
        rows=current.rows, reference_rows=reference_rows, status=finding.status, reason=finding.reason,
    )  # fmt: skip
    verdict = verdict_of(check, [finding], rows=current.rows)
    return [row], verdict


def _broken_columns(layout: Layout, *, reference: Profile, current: Profile) -> frozenset[str]:
    """The names of the columns that are missing in every row and were not, or as good as unreadable."""
    was_missing, was_invalid = (hits / max(reference.rows, 1) for hits in (reference.missing, reference.invalid))
    gone = (current.missing == current.rows) & (was_missing < 1.0 - HALF)
    unreadable = current.invalid / max(current.rows, 1) >= share_limit(was_invalid)
    return frozenset(layout.columns[position].name for position in np.flatnonzero(gone | unreadable).tolist())


def _broken(name: str, *, rows: int) -> Finding:
    return Finding(column=name, metric="columns", value=1.0, threshold=1.0, status="alert", rows=rows, weight=1.0)


def _row(check: Check, column: str, value: float, status: Status, current: Profile, reference_rows: int) -> ResultRow:
    return ResultRow(
        column=column, metric="columns", check=check.name, kind=check.kind, value=value, threshold=1.0,
        rows=current.rows, reference_rows=reference_rows, status=status,
    )  # fmt: skip
