"""Records decoded by a plan's structs, as one canonical slice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from monitor.columns.sent import as_sent
from monitor.columns.table import Canonical, canonical_columns
from monitor.columns.who_and_when import Sealed
from monitor.ingest.plan import RecordPlan


def typed_canonical(
    records: Sequence[Any], *, plan: RecordPlan, received_us: int, latest_us: int,
    sealed: Sealed | None, make_ids: Callable[[int], pa.Array],
) -> Canonical:  # fmt: skip
    """The canonical form of a slice of structs."""
    rows = [plan.row(r) for r in records]
    sent = {
        column.stored_name: plan.sent(position, values)
        for position, (column, values) in enumerate(zip(plan.columns, zip(*rows, strict=True), strict=True))
    }
    identities = [identity(r, plan) for r in records]
    sent["id"] = as_sent([i for i, _ in identities])
    sent["timestamp"] = as_sent([t for _, t in identities])
    return canonical_columns(
        sent, rows=len(records), schema=plan.schema, received_us=received_us, latest_us=latest_us, sealed=sealed,
        make_ids=make_ids,
    )  # fmt: skip


def identity(record: Any, plan: RecordPlan) -> tuple[Any, Any]:
    """``(id, timestamp)`` as sent."""
    if type(record) is plan.flat:
        return record.v0, record.v1
    return record.id, record.timestamp
