"""Folding: what waits of a version becomes part of its windows, each batch exactly once.

Read and merge outside the write transaction; then one short transaction takes the version's row, moves its fold
number on (compare and set), marks exactly those batches folded and writes windows, profiles and id runs. Whoever
finds the fold number moved, the layout changed or a batch gone rolls back and has lost nothing but time
(docs/decisions/folding.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
from sqlalchemy import Connection

from monitor.columns.split import by_window
from monitor.evaluate.arrivals import Arrival, arrive
from monitor.evaluate.context import Contexts, VersionContext, is_cut, is_cut_alike
from monitor.evaluate.guard import Guard, Moved
from monitor.evaluate.inference import infer_if_due
from monitor.evaluate.merged import LOOKBACK
from monitor.evaluate.slices import read_rows, within_budget
from monitor.evaluate.too_late import MOST_ROWS, TooLate, late_rows, refuse, sealed_among
from monitor.model.entities import Version
from monitor.model.window import WindowSpec
from monitor.store.batches import BatchInfo, mark_folded, unfolded
from monitor.store.cuts import forget_cuts
from monitor.store.engine import Store
from monitor.store.ids import replace_runs
from monitor.store.outcomes import add_outcomes
from monitor.store.profiles import StoredProfile, put_profiles
from monitor.store.run_cache import RunCache
from monitor.store.scorecards import put_scorecards
from monitor.store.versions import lock_version
from monitor.store.windows import WindowRow, list_windows, upsert_windows

SLICE_ROWS = 250_000
SLICE_BYTES = 64 * 2**20
_LISTED = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What one fold did: rows taken, of them repeats dropped, rows late and rows too late for their windows, which are
    sealed; ``more`` says that batches still wait."""

    fold: int
    rows: int
    deduplicated: int
    late_rows: int
    windows: tuple[int, ...]
    more: bool
    too_late: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A slice that is read and merged, and not yet written."""

    context: VersionContext
    infos: list[BatchInfo]
    arrivals: list[Arrival]
    more: bool
    late: tuple[TooLate, ...] = ()


class Folder:
    """Folds versions of one store; keeps the id runs it read lately."""

    def __init__(
        self,
        store: Store,
        *,
        contexts: Contexts,
        slice_rows: int = SLICE_ROWS,
        slice_bytes: int = SLICE_BYTES,
        runs: RunCache | None = None,
    ) -> None:
        self._store = store
        self._contexts = contexts
        self._slice_rows = slice_rows
        self._slice_bytes = slice_bytes
        self._runs = runs or RunCache(store)

    def fold_slice(self, *, version_id: int, now_us: int, guard: Guard | None = None) -> Folded | None:
        """One slice of what waits, folded; None when nothing waits. Infers the schema when that is due.

        ``FenceLost`` where somebody else folded, changed the layout or took the claim over: nothing was written.
        """
        prepared = self.prepare(version_id=version_id, now_us=now_us)
        return None if prepared is None else self.commit(prepared, guard=guard)

    def prepare(self, *, version_id: int, now_us: int) -> Prepared | None:
        """The next slice read and merged with what its windows hold; None when nothing waits."""
        context, waiting = self._read(version_id)
        schema = context.schema
        if infer_if_due(self._store, model=context.model, version=context.version, schema=schema, now_us=now_us):
            context, waiting = self._read(version_id)
        infos = within_budget(waiting, rows=self._slice_rows, size=self._slice_bytes)
        if not infos:
            return None
        parts = self._parts(context, infos)
        sealed = sealed_among(self._store, parts, version_id=version_id)
        if sealed and len(infos) > 1:
            infos = within_budget(infos, rows=MOST_ROWS)
            parts = self._parts(context, infos)
        more = len(infos) < len(waiting) or sum(info.rows for info in infos) >= self._slice_rows
        arrivals = [
            arrive(self._store, context=context, runs=self._runs, start_us=start_us, rows=part)
            for start_us, part in parts if start_us not in sealed
        ]  # fmt: skip
        late = late_rows(self._store, infos, sealed=sealed, context=context)
        return Prepared(context=context, infos=infos, arrivals=arrivals, more=more, late=late)

    def commit(self, prepared: Prepared, *, guard: Guard | None = None) -> Folded:
        """The slice folded, in one short transaction, or ``FenceLost`` and nothing."""
        with self._store.write() as conn:
            fold = _write(conn, prepared)
            if guard is not None:
                guard(conn)
        return Folded(
            fold=fold,
            rows=sum(info.rows for info in prepared.infos),
            deduplicated=sum(arrival.deduplicated for arrival in prepared.arrivals),
            late_rows=sum(arrival.late_rows for arrival in prepared.arrivals),
            windows=tuple(arrival.start_us for arrival in prepared.arrivals),
            more=prepared.more,
            too_late=sum(late.rows.num_rows for late in prepared.late),
        )

    def _read(self, version_id: int) -> tuple[VersionContext, list[BatchInfo]]:
        with self._store.read() as conn:
            context = self._contexts.load(conn, version_id=version_id, judging=False)
            return context, unfolded(conn, version_id=version_id, max_rows=self._slice_rows)

    def _parts(self, context: VersionContext, infos: Sequence[BatchInfo]) -> list[tuple[int, pa.RecordBatch]]:
        """The rows of the batches by the windows they are in."""
        schema = context.schema if context.layout is not None else None
        rows = read_rows(self._store, infos, schema=schema, schema_id=context.exact_schema_id)
        return by_window(rows, context.model.window)


def _write(conn: Connection, prepared: Prepared) -> int:
    """The number of the fold. Everything here is in one transaction, held back by the version's row."""
    context, infos, arrivals = prepared.context, prepared.infos, prepared.arrivals
    seen = context.version
    locked = lock_version(conn, id=seen.id)
    if (locked.schema_id, locked.layout_id) != (seen.schema_id, seen.layout_id):
        raise Moved(f"version {seen.id}: its schema or layout changed while its rows were profiled")
    if not is_cut_alike(conn, context=context, now=locked):
        raise Moved(f"version {seen.id}: its segments changed while its rows were profiled")
    fold = mark_folded(conn, version_id=seen.id, ids=[info.id for info in infos], fold_seen=seen.fold_seq)
    refuse(conn, prepared.late, context=context)
    upsert_windows(conn, _changed_windows(conn, context=context, arrivals=arrivals))
    if context.segmentation is None and is_cut(conn, version=locked):
        # Counted without these rows: the segments may be wanted again before those of the reference are taken away.
        forget_cuts(conn, version_id=seen.id, starts_us=[a.start_us for a in arrivals if a.rows])
    put_profiles(conn, [profile for arrival in arrivals for profile in _profiles(arrival, version=seen)])
    add_outcomes(conn, [a.outcomes for a in arrivals if a.outcomes is not None])
    put_scorecards(conn, [a.card for a in arrivals if a.card is not None])
    for arrival in arrivals:
        change = arrival.runs
        if change.added or change.absorbed:
            replace_runs(
                conn, version_id=seen.id, window_start_us=arrival.start_us, remove_ids=change.absorbed,
                runs=change.added, fold=fold,
            )  # fmt: skip
    return fold


def _profiles(arrival: Arrival, *, version: Version) -> list[StoredProfile]:
    """The arrival's profiles as they are stored: of all traffic, and of segments."""
    if arrival.profile is None or version.layout_id is None:
        return []
    whole = StoredProfile(
        version_id=version.id, window_start_us=arrival.start_us, layout_id=version.layout_id, payload=arrival.profile
    )
    return [whole, *arrival.segments]


def _changed_windows(conn: Connection, *, context: VersionContext, arrivals: Sequence[Arrival]) -> list[WindowRow]:
    """The windows that got rows, and the later ones that were judged merged with one of them."""
    if not arrivals:
        return []
    first, last = arrivals[0].start_us, arrivals[-1].start_us
    reach = last + (LOOKBACK + 1) * context.model.window.nominal_us
    stored = _windows_from(conn, version_id=context.version.id, from_us=first, to_us=reach)
    if any(a.start_us in stored and stored[a.start_us].is_sealed for a in arrivals):
        raise Moved(f"version {context.version.id}: one of its windows was sealed while rows of it were profiled")
    changed = {a.start_us: _with_arrival(stored.get(a.start_us), a, context=context) for a in arrivals}
    fresh = [a.start_us for a in arrivals if a.rows]
    for window in stored.values():
        merged = window.rows < context.min_rows and window.revision > 0 and not window.is_sealed
        if merged and window.start_us not in changed and _reaches(fresh, window, spec=context.model.window):
            changed[window.start_us] = replace(window, dirty=True)
    return list(changed.values())


def _reaches(fresh: Sequence[int], window: WindowRow, *, spec: WindowSpec) -> bool:
    """Whether one of the fresh starts is among the windows that this one may be merged with."""
    return any(0 < window.start_us - start <= LOOKBACK * spec.nominal_us for start in fresh)


def _windows_from(conn: Connection, *, version_id: int, from_us: int, to_us: int) -> dict[int, WindowRow]:
    found: dict[int, WindowRow] = {}
    after: int | None = None
    while True:
        page = list_windows(conn, version_id=version_id, from_us=from_us, to_us=to_us, after=after, limit=_LISTED)
        found |= {window.start_us: window for window in page}
        if len(page) < _LISTED:
            return found
        after = page[-1].start_us


def _with_arrival(stored: WindowRow | None, arrival: Arrival, *, context: VersionContext) -> WindowRow:
    """The window after the arrival; it is to be computed (again) if any row was new."""
    window = stored or WindowRow(
        version_id=context.version.id, start_us=arrival.start_us, end_us=arrival.end_us, dirty=False
    )
    return replace(
        window,
        rows=window.rows + arrival.rows,
        deduplicated=window.deduplicated + arrival.deduplicated,
        late_rows=window.late_rows + arrival.late_rows,
        watermark_us=max(arrival.watermark_us, window.watermark_us or arrival.watermark_us),
        first_received_us=min(arrival.first_received_us, window.first_received_us or arrival.first_received_us),
        last_received_us=max(arrival.last_received_us, window.last_received_us or arrival.last_received_us),
        dirty=window.dirty or arrival.rows > 0,
        segmentation=context.segmentation if arrival.rows else window.segmentation,
    )
