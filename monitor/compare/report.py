"""The report of one comparison: its status, its rows in the shape of the API, and a plain table of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from monitor.model.errors import DriftlineError, InvalidInput, NotAvailableYet
from monitor.model.names import nearest
from monitor.model.results import CheckVerdict, ResultRow, Status
from monitor.model.segments import ALL_TRAFFIC
from monitor.model.time import rfc3339

if TYPE_CHECKING:
    import pandas as pd

RANK: dict[str, int] = {"ok": 0, "unknown": 1, "warning": 2, "alert": 3}
FAIL_ON = ("alert", "warning", "unknown")
_SHOWN = ("window_start", "segment", "column", "metric", "value", "threshold", "status", "reason")
_OF_THE_WHOLE = ("volume", "schema")  # decided by counting: they say nothing of the values
_MOST_SHOWN = 500


class CheckFailed(DriftlineError):
    """The comparison reached the status that ``raise_for_status`` was to raise on."""

    title = "Check failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedWindow:
    """The rows and verdicts of one window; start and end are None where the whole side was judged at once."""

    start_us: int | None
    end_us: int | None
    rows: tuple[ResultRow, ...]
    verdicts: tuple[CheckVerdict, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What ``monitor.check`` found.

    ``windows`` in time order, the rows of all traffic before those of each of the ``segments``; ``notes`` say in words
    what a reader must know before trusting the numbers, ``swapped`` that current ends before reference begins;
    ``computed_us`` when. ``report["age"]`` are one column's rows.
    """

    windows: tuple[JudgedWindow, ...]
    rows: int
    reference_rows: int
    computed_us: int
    notes: tuple[str, ...] = ()
    swapped: bool = False
    segments: tuple[str, ...] = ()

    @property
    def status(self) -> Status:
        """The worst verdict: alert, then warning, then unknown, then ok; unknown where nothing could be decided.

        That a slice had too few rows does not make the whole unknown, where all traffic was decided.
        """
        if not self.decided:
            return "unknown" if not self._has("alert") else "alert"
        verdicts = list(self._verdicts())
        told = [v for v in verdicts if v.status != "unknown" or v.segment == ALL_TRAFFIC]
        return max((v.status for v in told or verdicts), key=RANK.__getitem__, default="unknown")

    @property
    def decided(self) -> bool:
        """Whether any check on values was decided (volume and schema count where there are no others, or in alarm)."""
        verdicts = list(self._verdicts())
        on_values = [v for v in verdicts if v.kind not in _OF_THE_WHOLE] or verdicts
        return any(v.status != "unknown" for v in on_values) or self._has("alert") or self._has("warning")

    def reached(self, level: str) -> bool:
        """Whether a verdict is as bad as ``level``: alert; warning, or alert; unknown, or either of them."""
        known_level(level)
        return self._has("alert") or (level != "alert" and self._has("warning")) or (
            level == "unknown" and (self._has("unknown") or not self.decided)
        )  # fmt: skip

    def raise_for_status(self, *, fail_on: str = "alert") -> Report:
        """The report itself; ``CheckFailed`` with the columns behind it if it reached ``fail_on``."""
        if self.reached(fail_on):
            columns = self._columns_at(("alert",)) or self._columns_at(("warning",))
            behind = f": {_listed(columns)}" if columns else ""
            where = f" (in {_listed(self.segments_in_alert)})" if self.segments_in_alert else ""
            raise CheckFailed(f"status {self.status}{behind}{where}")
        return self

    def __getitem__(self, column: str) -> tuple[dict[str, Any], ...]:
        """The rows of one column, newest window last; ``KeyError`` with the nearest name for an unknown one."""
        rows = tuple(row for row in self.to_rows() if row["column"] == column)
        if not rows:
            raise KeyError(f"no column {column!r}{nearest(column, self.columns)}")
        return rows

    @property
    def columns(self) -> tuple[str, ...]:
        """The judged columns, in their order."""
        return tuple(dict.fromkeys(row.column for window in self.windows for row in window.rows if row.column))

    @property
    def segments_in_alert(self) -> tuple[str, ...]:
        """The segments in which a check has failed, in their order."""
        failing = {verdict.segment for verdict in self._verdicts() if verdict.status == "alert"}
        return tuple(name for name in self.segments if name in failing)

    def window_title(self, window: JudgedWindow) -> str:
        """``[start, end)`` of a window, or an empty text where there are none."""
        if window.start_us is None or window.end_us is None:
            return ""
        return f"[{rfc3339(window.start_us)}, {rfc3339(window.end_us)})"

    def to_rows(self) -> Iterator[dict[str, Any]]:
        """The result rows of the API; what has no meaning without a server is None."""
        computed_at = rfc3339(self.computed_us)
        for window in self.windows:
            start = None if window.start_us is None else rfc3339(window.start_us)
            end = None if window.end_us is None else rfc3339(window.end_us)
            for row in window.rows:
                yield {
                    "model": None, "version": None, "reference": None, "window_start": start, "window_end": end,
                    "partial": None, "segment": row.segment, "column": row.column, "metric": row.metric,
                    "check": row.check, "kind": row.kind, "value": row.value, "lower": row.lower, "upper": row.upper,
                    "threshold": row.threshold, "p_value": row.p_value, "rows": row.rows,
                    "reference_rows": row.reference_rows, "status": row.status, "reason": row.reason,
                    "needs": row.needs, "method": row.method, "computed_at": computed_at, "revision": None,
                }  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """``{"results": [row, …], "summary": {…}}``: what ``driftline check --json`` prints."""
        summary = {
            "status": self.status,
            "columns": len(self.columns),
            "columns_in_alert": len(self._columns_at(("alert",))),
            "rows": self.rows,
            "reference_rows": self.reference_rows,
        }
        cut = {"segments": len(self.segments), "segments_in_alert": len(self.segments_in_alert)}
        return {"results": list(self.to_rows()), "summary": summary | (cut if self.segments else {})}

    def to_pandas(self) -> pd.DataFrame:
        """The result rows as a frame, times as timestamps in UTC."""
        import pandas as pd

        frame = pd.DataFrame(self.to_rows())
        for name in ("window_start", "window_end", "computed_at"):
            if name in frame:
                frame[name] = pd.to_datetime(frame[name], utc=True, format="ISO8601")
        return frame

    def to_html(self) -> str:
        """The page of a comparison, which a later release brings."""
        raise NotAvailableYet("the HTML report is not available yet: use to_pandas() or to_dict()")

    def _repr_html_(self) -> str:
        """A plain table for notebooks: what is not ok first, the notes above it."""
        ordered = sorted(self.to_rows(), key=lambda row: -RANK[row["status"]])
        left_out = {"window_start"} if not any(row["window_start"] for row in ordered[:1]) else set()
        left_out |= set() if self.segments else {"segment"}
        names = [name for name in _SHOWN if name not in left_out]
        head = "".join(f"<th>{name}</th>" for name in names)
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(_shown(row[name]))}</td>' for name in names)}</tr>"
            for row in ordered[:_MOST_SHOWN]
        )
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        left = len(ordered) - _MOST_SHOWN
        more = f"<p>{left:,} more rows: to_pandas()</p>" if left > 0 else ""
        return (
            f"<p><b>{escape(self.status)}</b>: {self.rows:,} rows against {self.reference_rows:,}</p>{notes}"
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"
        )

    def _verdicts(self) -> Iterable[CheckVerdict]:
        return (verdict for window in self.windows for verdict in window.verdicts)

    def _has(self, status: str) -> bool:
        return any(verdict.status == status for verdict in self._verdicts())

    def _columns_at(self, statuses: tuple[str, ...]) -> list[str]:
        found = (row.column for window in self.windows for row in window.rows if row.column and row.status in statuses)
        return list(dict.fromkeys(found))


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:20])}{' …' if len(names) > 20 else ''}"


def known_level(level: str) -> str:
    """The level itself, or ``InvalidInput``: alert, warning or unknown."""
    if level not in FAIL_ON:
        raise InvalidInput(f"fail_on {level!r} is not one of {', '.join(FAIL_ON)}{nearest(level, FAIL_ON)}")
    return level


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
