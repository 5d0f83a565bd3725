"""A window's profile from its stored rows: what folding would have made of them, in the same order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from monitor.columns.batch import ID
from monitor.columns.keyed_ids import Hashes, among, first_rows, hash_ids, hash_key
from monitor.evaluate.cutting import CutProfiles
from monitor.evaluate.slices import BatchesMoved, between, read_rows, within_budget
from monitor.model.errors import Unavailable
from monitor.model.schema import Schema
from monitor.model.segments import Segment
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile, ProfileAccumulator, empty
from monitor.store.batches import BatchInfo, overlapping
from monitor.store.engine import Store
from monitor.store.erased import erased_of_windows
from monitor.store.windows import WindowRow, get_window

_TRIES = 5
_LISTED = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reprofiled:
    """A profile made again: of ``rows`` rows, after ``deduplicated`` repeats were dropped; ``segments`` has that of
    every segment asked for, also of one without a row. ``erased`` rows of the window are not there to be counted."""

    profile: Profile
    rows: int
    deduplicated: int
    erased: int = 0
    segments: Mapping[str, Profile] = field(default_factory=dict)

    def is_all_of(self, window: WindowRow) -> bool:
        """Whether it was made of all rows that are left of those that the window counts."""
        if not self.erased:
            return self.rows == window.rows
        return self.rows + self.deduplicated + self.erased == window.rows + window.deduplicated


def reprofile(
    store: Store, *, version_id: int, schema: Schema, layout: Layout, start_us: int, end_us: int,
    segments: Sequence[Segment] = (),
) -> Reprofiled:  # fmt: skip
    """The profile of the folded rows in ``[start, end)``: in fold order, the first of each id; and by segment.

    Memory holds one slice and, where the window has repeats, eight bytes an id.
    """
    for _ in range(_TRIES):
        with store.read() as conn:
            window = get_window(conn, version_id=version_id, start_us=start_us)
            erased = erased_of_windows(conn, version_id=version_id, starts_us=[start_us]).get(start_us, 0)
        if window is None:
            nothing = CutProfiles(segments, schema=schema, layout=layout)
            return Reprofiled(profile=empty(layout), rows=0, deduplicated=0, segments=nothing)
        profile, parts = ProfileAccumulator(layout), CutProfiles(segments, schema=schema, layout=layout)
        keep = KeepFirst(store.secret)
        try:
            for batch in first_of_window(store, window=window, schema=schema, keep=keep):
                profile.add(batch)
                parts.add(batch)
        except BatchesMoved:
            continue
        whole = profile.profile()
        return Reprofiled(profile=whole, rows=whole.rows, deduplicated=keep.dropped, erased=erased, segments=parts)
    raise Unavailable("the window's batches were compacted again and again while they were read")


def first_of_window(
    store: Store, *, window: WindowRow, schema: Schema, keep: KeepFirst | None = None
) -> Iterator[pa.RecordBatch]:
    """The window's folded rows in fold order, conformed, the first of each id; a bounded slice at a time.

    ``keep`` tells afterwards how many repeats were dropped. Raises ``BatchesMoved``.
    """
    keep = keep or KeepFirst(store.secret)
    with store.read() as conn:
        now = get_window(conn, version_id=window.version_id, start_us=window.start_us)
        infos = folded_batches(conn, version_id=window.version_id, start_us=window.start_us, end_us=window.end_us)
    repeats = now is None or now.deduplicated > 0  # folding counted them: without any there is nothing to drop
    for batch in read_window(store, infos, schema=schema, start_us=window.start_us, end_us=window.end_us):
        kept = keep(batch) if repeats else batch
        if kept.num_rows:
            yield kept


def folded_batches(conn: Connection, *, version_id: int, start_us: int, end_us: int) -> list[BatchInfo]:
    """Every folded batch with a row in ``[start, end)``, in fold order, as one snapshot sees them."""
    found: list[BatchInfo] = []
    while True:
        after = found[-1] if found else None
        page = overlapping(conn, version_id=version_id, start_us=start_us, end_us=end_us, after=after, limit=_LISTED)
        folded = [info for info in page if info.fold is not None]
        found += folded
        if len(folded) < _LISTED:
            return found


def read_window(
    store: Store, infos: Sequence[BatchInfo], *, schema: Schema | None, start_us: int, end_us: int
) -> Iterator[pa.RecordBatch]:
    """The rows of the batches that lie in ``[start, end)``, a bounded slice at a time, in order."""
    rest = list(infos)
    while rest:
        page = within_budget(rest)
        rest = rest[len(page) :]
        batch = between(read_rows(store, page, schema=schema), start_us=start_us, end_us=end_us)
        if batch.num_rows:
            yield batch


class KeepFirst:
    """Drops the rows whose id an earlier row of the same window had."""

    def __init__(self, secret: bytes) -> None:
        self._key = hash_key(secret)
        self._runs: list[Hashes] = []
        self.dropped = 0

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows whose id has not come before, in this batch or an earlier one."""
        distinct, rows = first_rows(hash_ids(batch.column(ID), key=self._key))
        fresh = np.ones(len(distinct), dtype=np.bool_)
        for run in self._runs:
            fresh &= ~among(distinct, run)
        self._add(distinct[fresh])
        self.dropped += batch.num_rows - int(fresh.sum())
        return take_rows(batch, rows[fresh])

    def _add(self, hashes: Hashes) -> None:
        """Keeps runs of falling size, so that n ids are in O(log n) of them."""
        while self._runs and len(self._runs[-1]) <= 2 * len(hashes):
            hashes = np.sort(np.concatenate([self._runs.pop(), hashes]))
        self._runs.append(hashes)


def take_rows(batch: pa.RecordBatch, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.RecordBatch:
    """Those rows, in the batch's order; the batch itself when they are all of them."""
    if len(rows) == batch.num_rows:
        return batch
    return batch.take(pa.array(np.sort(rows)))
