"""Rows that arrive in one window: which are new, the profile and the id runs with them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import pyarrow as pa

from monitor.columns.batch import ID
from monitor.evaluate.context import VersionContext
from monitor.evaluate.id_runs import RunChange, change_runs, decode_run, known
from monitor.evaluate.keyed_ids import Hashes, first_rows, hash_ids, hash_key
from monitor.evaluate.reprofile import reprofile, take_rows
from monitor.evaluate.slices import instants_of, received_of
from monitor.profile import codec
from monitor.profile.profile import merge, profile_batch
from monitor.store.engine import Store
from monitor.store.ids import id_runs, run_payload
from monitor.store.profiles import get_profile
from monitor.store.windows import WindowRow, get_window

_CACHED_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What a fold adds to one window: ``rows`` new ones; ``profile`` is the window's whole profile with them.

    ``profile`` is None while the version has no layout. ``late_rows`` of the new ones were received after the
    window had closed.
    """

    start_us: int
    end_us: int
    rows: int
    deduplicated: int
    late_rows: int
    watermark_us: int
    first_received_us: int
    last_received_us: int
    runs: RunChange
    profile: bytes | None


class RunCache:
    """Id runs read lately, at most 64 MiB of them: a run never changes once it has an id."""

    def __init__(self, store: Store, *, size: int = _CACHED_BYTES) -> None:
        self._store = store
        self._left = size
        self._runs: OrderedDict[int, Hashes] = OrderedDict()
        self._lock = Lock()
        self.key = hash_key(store.secret)

    def read(self, id: int) -> Hashes:
        """The ascending hashes of the run."""
        with self._lock:
            if id in self._runs:
                self._runs.move_to_end(id)
                return self._runs[id]
        with self._store.read() as conn:
            run = decode_run(run_payload(conn, id=id))
        with self._lock:
            if id not in self._runs:
                self._runs[id] = run
                self._left -= run.nbytes
            while self._left < 0 and self._runs:
                self._left += self._runs.popitem(last=False)[1].nbytes
        return run


def arrive(store: Store, *, context: VersionContext, runs: RunCache, start_us: int, rows: pa.RecordBatch) -> Arrival:
    """What the rows (of one window, in fold order) add to it: the first of each id that the window has not yet."""
    version_id, end_us = context.version.id, context.model.window.end_of(start_us)
    with store.read() as conn:
        window = get_window(conn, version_id=version_id, start_us=start_us)
        stored = get_profile(conn, version_id=version_id, window_start_us=start_us)
        present = id_runs(conn, version_id=version_id, window_start_us=start_us) if window is not None else []
    distinct, first = first_rows(hash_ids(rows.column(ID), key=runs.key))
    repeated = known(distinct, present, read=runs.read)
    fresh = distinct[~repeated]
    kept = take_rows(rows, first[~repeated])
    received, closes_us = received_of(kept), end_us + context.model.lateness_us
    return Arrival(
        start_us=start_us,
        end_us=end_us,
        rows=kept.num_rows,
        deduplicated=rows.num_rows - kept.num_rows,
        late_rows=int((received > closes_us).sum()),
        watermark_us=int(instants_of(rows).max()),
        first_received_us=int(received_of(rows).min()),
        last_received_us=int(received_of(rows).max()),
        runs=change_runs(fresh, present, read=runs.read) if len(fresh) else RunChange(absorbed=(), added=()),
        profile=_profile(store, context=context, window=window, stored=stored, end_us=end_us, kept=kept),
    )


def _profile(
    store: Store,
    *,
    context: VersionContext,
    window: WindowRow | None,
    stored: tuple[int, bytes] | None,
    end_us: int,
    kept: pa.RecordBatch,
) -> bytes | None:
    """The window's encoded profile with the kept rows; None without a layout, or when nothing is new."""
    layout, schema, version = context.layout, context.schema, context.version
    if layout is None or schema is None or not kept.num_rows:
        return None
    added = profile_batch(layout, kept)
    if window is None or window.rows == 0:
        return codec.encode(added)
    if stored is not None and stored[0] == version.layout_id:
        before = codec.decode(stored[1], layout)
    else:  # folded before this layout was there
        before = reprofile(
            store, version_id=version.id, schema=schema, layout=layout, start_us=window.start_us, end_us=end_us
        ).profile
    return codec.encode(merge(before, added))
