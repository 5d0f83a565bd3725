"""Stored records read back by keyset pages: oldest first, each page fetched whole in short reads, then sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.columns.batch import ID, TIMESTAMP, decode_batch
from monitor.columns.infer import SchemaInference
from monitor.columns.instants import LATEST_US
from monitor.columns.roles import Roles
from monitor.ingest.unified import unified, unified_schema
from monitor.model.errors import InvalidInput, Unavailable
from monitor.model.schema import Schema
from monitor.store import Store, batches, models, schemas
from monitor.store.batch_rows import BatchInfo, by_bytes

STREAM_ROWS = 10_000
_LISTED = 200
PAGE_BYTES = 16 << 20
_READ_BYTES = 4 << 20  # payloads of one read transaction: well under 50 ms
_CURSOR = re.compile(r"(\d{1,18}):(\d{1,9})")
_UNFOLDED = 1 << 62
_TRIES = 10
_OWN = 3  # columns behind a table's own by which its records are put in order: fold, place, row
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a page begins: at an instant, behind so many records of exactly that instant."""

    us: int
    skip: int = 0

    @classmethod
    def parse(cls, cursor: str) -> Place:
        """The place a cursor names.

        >>> Place.parse("1700000000000000:2")
        Place(us=1700000000000000, skip=2)
        """
        match = _CURSOR.fullmatch(cursor)
        if match is None:
            raise InvalidInput(f"cursor {cursor[:40]!r} is none of ours: pass the last answer's next", code="cursor")
        return cls(us=int(match[1]), skip=int(match[2]))

    def __str__(self) -> str:
        return f"{self.us}:{self.skip}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which records: timestamps in ``[from_us, to_us)``, and one id if given."""

    version_id: int
    schema: Schema
    from_us: int = 0
    to_us: int = LATEST_US
    id: str | None = None


class _Moved(Exception):
    """A batch was compacted away, or purged, since it was listed."""


def _unmoved(read: Callable[[], _T]) -> _T:
    """What ``read`` makes of batches that stay where they are while it reads them."""
    for _ in range(_TRIES):
        try:
            return read()
        except _Moved:
            continue
    raise Unavailable("the records were compacted again and again while they were read: try again")


def wanted_records(
    store: Store, *, model: str, version: str, from_us: int = 0, to_us: int = LATEST_US, id: str | None = None
) -> Wanted:  # fmt: skip
    """The records asked for, with the schema they are shown in (inferred from them where the version has none)."""
    with store.read() as conn:
        _, found = models.get_version(conn, model=model, version=version)
        schema = schemas.get_schema(conn, id=found.schema_id) if found.schema_id is not None else None
    wanted = Wanted(version_id=found.id, schema=schema or Schema(columns=()), from_us=from_us, to_us=to_us, id=id)
    if schema is not None:
        return wanted
    return replace(wanted, schema=_unmoved(lambda: _inferred(store, wanted)))


def _inferred(store: Store, wanted: Wanted) -> Schema:
    inference = SchemaInference(roles=Roles())
    for _, batch in _stored(store, wanted, Place(us=wanted.from_us)):
        inference.add(batch)
    return inference.finish()


def page(store: Store, wanted: Wanted, *, after: Place | None, limit: int) -> tuple[pa.Table, Place | None]:
    """At most ``limit`` records from ``after`` on by (timestamp, id), and where the next page begins.

    A record that was sent twice over (same id and timestamp) is shown once, as first committed. Of large records
    a page holds fewer, about ``PAGE_BYTES``: 10,000 of a megabyte each would be more memory than a server has.
    """
    return _unmoved(lambda: _page(store, wanted, after=after, limit=limit))


def _page(store: Store, wanted: Wanted, *, after: Place | None, limit: int) -> tuple[pa.Table, Place | None]:
    begin = after if after is not None else Place(us=wanted.from_us)
    need = limit + begin.skip + 1
    held: list[pa.Table] = []
    rows = 0
    for info, batch in _stored(store, wanted, begin):
        if rows >= need:
            held = [_oldest(held, need)]
            rows = held[0].num_rows
            if rows >= need and _last_us(held[0]) < info.t_min_us:
                break
        part = _selected(batch, info, wanted, begin, need=need)
        if part is not None:
            held.append(part)
            rows += part.num_rows
            if rows < need and sum(t.nbytes for t in held) > PAGE_BYTES:
                need = max(rows, begin.skip + 2)
    if not held:
        return unified_schema(wanted.schema).empty_table(), None
    table = _oldest(held, need)
    skipped = _skipped(table, begin)
    shown = _fitting(table.slice(skipped, min(limit, need - begin.skip - 1)))
    more = table.num_rows > skipped + shown.num_rows
    return shown.select(range(shown.num_columns - _OWN)), _next(shown, begin) if more else None


def pages(store: Store, wanted: Wanted, *, limit: int = STREAM_ROWS) -> Iterator[pa.Table]:
    """The whole range, page by page."""
    after: Place | None = None
    while True:
        table, after = page(store, wanted, after=after, limit=limit)
        yield table
        if after is None:
            return


def _stored(store: Store, wanted: Wanted, begin: Place) -> Iterator[tuple[BatchInfo, pa.RecordBatch]]:
    """The batches of the range by their first instant; each group of payloads in a read of its own.

    Raises ``_Moved`` where one that was listed is there no more: the segment that took its place holds others too, and
    may begin before what is listed next.
    """
    after: BatchInfo | None = None
    listed: list[int] = []
    while True:
        with store.read() as conn:
            if not batches.all_there(conn, ids=listed):
                raise _Moved
            infos = batches.by_time(
                conn, version_id=wanted.version_id, start_us=max(begin.us, wanted.from_us), end_us=wanted.to_us,
                after=after, limit=_LISTED,
            )  # fmt: skip
        for group in by_bytes(infos, most=_READ_BYTES):
            with store.read() as conn:
                payloads = batches.payloads(conn, ids=[info.id for info in group])
            if len(payloads) != len(group):
                raise _Moved
            for info in group:
                yield info, decode_batch(*payloads[info.id])
        if len(infos) < _LISTED:
            return
        listed += [info.id for info in infos]
        after = infos[-1]


def _selected(
    batch: pa.RecordBatch, info: BatchInfo, wanted: Wanted, begin: Place, *, need: int
) -> pa.Table | None:  # fmt: skip
    """What is wanted of a batch, as far as the first ``need`` records may be among it: a segment holds many more."""
    us = batch.column(TIMESTAMP).cast(pa.int64()).to_numpy()
    chosen = (us >= max(begin.us, wanted.from_us)) & (us < wanted.to_us)
    if wanted.id is not None:
        chosen &= pc.equal(batch.column(ID), wanted.id).to_numpy(zero_copy_only=False)
    places = np.flatnonzero(chosen)
    if not len(places):
        return None
    places = _first_places(places, us[places], batch.column(ID), need=need)
    if len(places) < batch.num_rows:
        batch = batch.take(pa.array(places))
    table = pa.Table.from_batches([unified(batch, wanted.schema)])
    fold = info.fold if info.fold is not None else _UNFOLDED
    for name, value in (("fold", fold), ("place", info.position)):
        table = table.append_column(name, pa.repeat(pa.scalar(value, pa.int64()), table.num_rows))
    row = pa.array(np.arange(table.num_rows, dtype=np.int64))
    return table.append_column("row", row)


def _first_places(places: NDArray[np.int64], us: NDArray[np.int64], ids: pa.Array, *, need: int) -> NDArray[np.int64]:
    """Those of the places that hold the ``need`` oldest records, repeats not counted, and all of their last instant."""
    most = need
    while most < len(places):
        first = us <= np.partition(us, most - 1)[most - 1]
        records = pa.table([us[first], ids.take(pa.array(places[first]))], names=["us", "id"])
        if records.group_by(["us", "id"]).aggregate([]).num_rows >= need:
            places = places[first]
            break
        most *= 2
    return places


def _oldest(held: list[pa.Table], need: int) -> pa.Table:
    """The first ``need`` records of the tables in order, repeats left out."""
    table = pa.concat_tables(held)
    # by position: features may have any name, also that of what is put behind them here
    keys = pa.table([table.column(place) for place in (1, 0, -3, -2, -1)], names=list("abcde"))
    table = table.take(pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in keys.schema.names]))
    ids, us = table.column(0), table.column(1).cast(pa.int64()).to_numpy()
    again = np.zeros(len(us), np.bool_)
    if len(us) > 1:
        same_id = pc.equal(ids.slice(1), ids.slice(0, len(us) - 1)).to_numpy()
        again[1:] = (us[1:] == us[:-1]) & same_id
    if again.any():
        table = table.take(pa.array(np.flatnonzero(~again)))
    return table.slice(0, need)


def _fitting(table: pa.Table) -> pa.Table:
    """As many of its first rows as make a page, one at least."""
    size = table.nbytes
    return table if size <= PAGE_BYTES else table.slice(0, max(1, table.num_rows * PAGE_BYTES // size))


def _last_us(table: pa.Table) -> int:
    return int(table.column(1).cast(pa.int64())[-1].as_py())


def _skipped(table: pa.Table, begin: Place) -> int:
    us = table.column(1).cast(pa.int64()).to_numpy()
    return min(begin.skip, int((us == begin.us).sum()))


def _next(shown: pa.Table, begin: Place) -> Place:
    us = shown.column(1).cast(pa.int64()).to_numpy()
    last = int(us[-1])
    delivered = int((us == last).sum()) + (begin.skip if last == begin.us else 0)
    return Place(us=last, skip=delivered)
