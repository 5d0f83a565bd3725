"""The schema of a version that nobody described, once enough of its records are there."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from monitor.columns.batch import decode_batch
from monitor.columns.infer import infer_schema
from monitor.columns.roles import Roles
from monitor.evaluate.catchup import closes_us
from monitor.model.entities import Model, Version
from monitor.model.schema import Schema
from monitor.store.batches import BatchInfo, count_rows, overlapping, payloads, time_range
from monitor.store.engine import Store
from monitor.store.schemas import save_schema
from monitor.store.versions import lock_version

ENOUGH_ROWS = 1_000
MOST_ROWS = 20_000  # more would not change what a column is
_PAGE = 100


def infer_if_due(store: Store, *, model: Model, version: Version, schema: Schema | None, now_us: int) -> bool:
    """Whether a schema was inferred and saved now: after 1,000 records, or the first closed window.

    ``schema`` is the version's own; one that is open takes up the columns that it leaves out, unless there is a
    reference: that is read again and says what they are.
    """
    if schema is not None and (not schema.open or version.reference_id is not None):
        return False
    with store.read() as conn:
        rows = sum(count_rows(conn, version_id=version.id))
        span = time_range(conn, version_id=version.id)
    if span is None or (rows < ENOUGH_ROWS and closes_us(model, span[0]) > now_us):
        return False
    found = infer_schema(_first_rows(store, version_id=version.id, span=span), roles=Roles())
    with store.write() as conn:
        if lock_version(conn, id=version.id).schema_id != version.schema_id:
            return False
        save_schema(conn, version_id=version.id, schema=found if schema is None else schema.completed(found))
    return True


def _first_rows(store: Store, *, version_id: int, span: tuple[int, int]) -> Iterator[pa.RecordBatch]:
    """Stored batches in fold order, the waiting ones last, until they hold enough rows."""
    after: BatchInfo | None = None
    rows = 0
    while rows < MOST_ROWS:
        with store.read() as conn:
            page = overlapping(
                conn, version_id=version_id, start_us=span[0], end_us=span[1] + 1, after=after, limit=_PAGE
            )
            stored = payloads(conn, ids=[info.id for info in page])
        if not page:
            return
        for info in page:
            yield decode_batch(*stored[info.id])
            rows += info.rows
        after = page[-1]
