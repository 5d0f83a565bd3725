"""Result rows as the API shows them: JSON, CSV and Arrow from one list of fields."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.csv

from monitor.api.render import encode_json
from monitor.model.results import ResultRow
from monitor.model.time import rfc3339
from monitor.store.results import StoredResult

_TIME = pa.timestamp("us", tz="UTC")
# Field → Arrow type, in the order of API 1.
FIELDS: dict[str, pa.DataType] = {
    "model": pa.string(), "version": pa.string(), "reference": pa.int64(), "window_start": _TIME, "window_end": _TIME,
    "partial": pa.bool_(), "segment": pa.string(), "column": pa.string(), "metric": pa.string(), "check": pa.string(),
    "kind": pa.string(), "value": pa.float64(), "lower": pa.float64(), "upper": pa.float64(),
    "threshold": pa.float64(), "p_value": pa.float64(), "rows": pa.int64(), "reference_rows": pa.int64(),
    "status": pa.string(), "reason": pa.string(), "needs": pa.int64(), "method": pa.string(),
    "computed_at": _TIME, "revision": pa.int64(),
}  # fmt: skip
JSON = "application/json"
CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"
_TIMES = ("window_start", "window_end", "computed_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRows:
    """One judged window of a version with its rows, as stored or as computed for the open window."""

    start_us: int
    end_us: int
    segment: str
    revision: int
    reference_number: int | None
    computed_us: int
    partial: bool
    rows: tuple[ResultRow, ...]

    @classmethod
    def of(cls, stored: StoredResult, *, rows: tuple[ResultRow, ...], partial: bool = False) -> WindowRows:
        """A result, unpacked; ``partial`` says that its window is still open."""
        return cls(
            start_us=stored.window_start_us, end_us=stored.window_end_us, segment=stored.segment,
            revision=stored.revision, reference_number=stored.reference_number, computed_us=stored.computed_us,
            partial=partial, rows=rows,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFilter:
    """Which rows were asked for; None is any."""

    metric: str | None = None
    column: str | None = None
    kind: str | None = None

    def keeps(self, row: ResultRow) -> bool:
        """Whether the row was asked for."""
        return (
            (self.metric is None or row.metric == self.metric)
            and (self.column is None or row.column == self.column)
            and (self.kind is None or row.kind == self.kind)
        )


def as_row(window: WindowRows, row: ResultRow, *, model: str, version: str) -> dict[str, Any]:
    """One row with every field; instants are integers (microseconds), ``method`` is an object."""
    return {
        "model": model, "version": version, "reference": window.reference_number,
        "window_start": window.start_us, "window_end": window.end_us, "partial": window.partial,
        "segment": row.segment or window.segment, "column": row.column, "metric": row.metric, "check": row.check,
        "kind": row.kind, "value": row.value, "lower": row.lower, "upper": row.upper, "threshold": row.threshold,
        "p_value": row.p_value, "rows": row.rows, "reference_rows": row.reference_rows, "status": row.status,
        "reason": row.reason, "needs": row.needs, "method": row.method, "computed_at": window.computed_us,
        "revision": window.revision,
    }  # fmt: skip


def as_json(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with their instants as RFC 3339."""
    return [{**row, **{name: rfc3339(row[name]) for name in _TIMES}} for row in rows]


def as_table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """The rows as an Arrow table; ``method`` is JSON text."""
    flat = [{**row, "method": encode_json(row["method"]).decode()} for row in rows]
    return pa.Table.from_pylist(flat, schema=pa.schema(list(FIELDS.items())))


def as_csv(rows: Sequence[dict[str, Any]]) -> bytes:
    """The rows as CSV with a header; an absent value is an empty field."""
    text = [{**row, "method": encode_json(row["method"]).decode()} for row in as_json(rows)]
    schema = pa.schema([(name, pa.string() if name in _TIMES else kind) for name, kind in FIELDS.items()])
    sink = io.BytesIO()
    pyarrow.csv.write_csv(pa.Table.from_pylist(text, schema=schema), sink)
    return sink.getvalue()


def as_arrow(rows: Sequence[dict[str, Any]]) -> bytes:
    """The rows as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    table = as_table(rows)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())
