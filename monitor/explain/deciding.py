"""Which result rows decided a check, by which test, and how much of the evidence each column gave."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from monitor.alert.cells import TESTS
from monitor.model.results import SEVERITY_ORDER, ResultRow

HALF_OF_THE_ROWS = "half of the rows"
_OFF_RANGE = ("out_of_range", "off_support")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A column's deciding row: its surprise (−log10 p) where it has one, with the threshold of that."""

    row: ResultRow
    surprise: float | None
    threshold: float | None

    @property
    def test(self) -> str:
        """What found it: psi (any distance of distributions), out_of_range, missing, invalid, unseen or columns."""
        named = self.row.method.get("test") or self.row.metric
        if named in _OFF_RANGE:
            return "out_of_range"
        return named if named in (*TESTS, "columns") else "psi"

    @property
    def windows(self) -> int:
        """How many windows were looked at together."""
        return int(self.row.method.get("scale", 1))

    @property
    def fails(self) -> bool:
        """Whether the column is at warning or in alert."""
        return self.row.status in ("warning", "alert")

    @property
    def broken(self) -> bool:
        """Whether half of the rows decided it, without statistics."""
        return self.row.method.get("decided_by") == HALF_OF_THE_ROWS

    @property
    def size(self) -> float:
        """How much: the surprise, else the value in units of its threshold."""
        if self.surprise is not None:
            return self.surprise
        value = abs(self.row.value or 0.0)
        return value / self.row.threshold if self.row.threshold and self.row.threshold > 0 else value


def decided_rows(rows: Iterable[ResultRow]) -> list[Decided]:
    """The row of each column that the check's verdict rests on, the worst first."""
    by_column: dict[str, list[ResultRow]] = {}
    for row in rows:
        if row.column:
            by_column.setdefault(row.column, []).append(row)
    found = [_decided(next((row for row in those if _decides(row)), those[0])) for those in by_column.values()]
    known = [one for one in found if one.row.status != "unknown"]
    return sorted(known, key=lambda one: (-SEVERITY_ORDER[one.row.status], -one.size))


def shares_of_evidence(failing: Sequence[Decided]) -> dict[str, float]:
    """Each failing column's part of the evidence, by name; they add up to 1.

    Surprises are logarithms of probabilities, so those of independent columns add. Where a column has none (it
    broke, or its threshold is fixed), values in units of their thresholds are taken instead; of columns that are
    gone each counts the same.
    """
    if not failing:
        return {}
    alike = all(one.surprise is None for one in failing) or all(one.surprise is not None for one in failing)
    sizes = [one.size if alike else 1.0 for one in failing]
    total = sum(sizes)
    return {
        one.row.column: size / total if total > 0 else 1.0 / len(failing)
        for one, size in zip(failing, sizes, strict=True)
    }  # fmt: skip


def _decides(row: ResultRow) -> bool:
    return row.metric == "surprise" or row.threshold is not None or "decided_by" in row.method


def _decided(row: ResultRow) -> Decided:
    if row.metric == "surprise":
        return Decided(row=row, surprise=row.value, threshold=row.threshold)
    surprise = row.method.get("surprise")
    if surprise is None:
        return Decided(row=row, surprise=None, threshold=row.threshold)
    return Decided(row=row, surprise=float(surprise), threshold=row.method.get("surprise_threshold"))
