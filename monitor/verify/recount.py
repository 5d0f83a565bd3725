"""Windows counted again from their rows: the same ids, the same repeats, the same counts in every cell."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from monitor.columns.batch import ID, decode_batch
from monitor.columns.conform import conform
from monitor.columns.keyed_ids import Hashes, decode_run, hash_ids, hash_key
from monitor.evaluate.context import Contexts, VersionContext
from monitor.evaluate.cutting import CutProfiles
from monitor.evaluate.reprofile import KeepFirst, folded_batches
from monitor.evaluate.slices import BatchesMoved, between, within_budget
from monitor.model.errors import NotFound
from monitor.model.schema import Schema
from monitor.model.segments import Segment
from monitor.model.time import rfc3339
from monitor.profile import codec
from monitor.profile.layout import Layout
from monitor.profile.profile import ProfileAccumulator
from monitor.store.batches import BatchInfo, payloads
from monitor.store.engine import Store
from monitor.store.erased import erased_of_windows
from monitor.store.ids import id_runs, run_payload
from monitor.store.profiles import StoredProfile
from monitor.store.window_segments import profiles_of_window
from monitor.store.windows import WindowRow, get_window
from monitor.verify.alike import difference
from monitor.verify.fault import EVALUATE, RESTORE, Fault, standing

_KEPT_BYTES = 64 * 2**20  # of decoded batches: one of 64,000 rows may be in thousands of windows
_PAGE_BYTES = 4 * 2**20
_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A window at one moment, with all that is held against its rows."""

    context: VersionContext
    window: WindowRow
    infos: list[BatchInfo]
    stored: dict[str, StoredProfile]
    ids: tuple[int, int]
    erased: int


class Recount:
    """Counts windows of one store again; keeps the batches it read last."""

    def __init__(self, store: Store, *, contexts: Contexts) -> None:
        self._store = store
        self._contexts = contexts
        self._kept: OrderedDict[int, pa.RecordBatch] = OrderedDict()
        self._left = _KEPT_BYTES
        self._key = hash_key(store.secret)

    def wrong_window(self, *, version_id: int, start_us: int, name: str) -> list[Fault]:
        """The faults of the window; none where rows come to it all the time."""

        def look() -> list[Fault]:
            for _ in range(_TRIES):
                try:
                    return self._look(version_id=version_id, start_us=start_us, name=name)
                except BatchesMoved:
                    continue
                except (NotFound, OSError, ValueError):  # deleted meanwhile; or said of the payload itself
                    return []
            return []

        return standing(look)

    def _look(self, *, version_id: int, start_us: int, name: str) -> list[Fault]:
        seen = self._read(version_id=version_id, start_us=start_us)
        if seen is None:
            return []
        where = f"{name}, window {rfc3339(start_us)}"
        keep, made, ids, rows = KeepFirst(self._store.secret), _counting(seen), (0, 0), 0
        for batch in self._batches(seen):
            kept = keep(batch)
            ids, rows = _with(ids, hash_ids(kept.column(ID), key=self._key)), rows + kept.num_rows
            if made is not None and kept.num_rows:
                made.add(kept)
        if seen.erased or seen.window.is_sealed:  # which were repeats, and what they said, is not known any more
            return _of_the_rest(seen, rows=rows + keep.dropped, where=where)
        counted, said = (rows, keep.dropped), (seen.window.rows, seen.window.deduplicated)
        if counted != said:
            found = f"its rows are {rows} and {keep.dropped} repeats, it counts {said[0]} and {said[1]}"
            return [Fault(code="window_rows", where=where, found=found, remedy=RESTORE)]
        if ids != seen.ids:
            found = "the ids of its rows are others than those that were folded: a record is not what it was"
            return [Fault(code="window_ids", where=where, found=found, remedy=RESTORE)]
        return [] if made is None else list(made.differences(seen.stored, where=where))

    def _read(self, *, version_id: int, start_us: int) -> Seen | None:
        with self._store.read() as conn:
            window = get_window(conn, version_id=version_id, start_us=start_us)
            if window is None:
                return None
            ids = (0, 0)
            for run in id_runs(conn, version_id=version_id, window_start_us=start_us):
                ids = _with(ids, decode_run(run_payload(conn, id=run.id)))
            context = self._contexts.load(conn, version_id=version_id, judging=False)
            segments = ["", *(segment.name for segment in context.segments)]
            return Seen(
                context=context, window=window,
                infos=folded_batches(conn, version_id=version_id, start_us=start_us, end_us=window.end_us),
                stored=profiles_of_window(conn, version_id=version_id, start_us=start_us, segments=segments), ids=ids,
                erased=erased_of_windows(conn, version_id=version_id, starts_us=[start_us]).get(start_us, 0),
            )  # fmt: skip

    def _batches(self, seen: Seen) -> Iterator[pa.RecordBatch]:
        """The window's rows as they are stored, batch after batch in fold order."""
        rest: Sequence[BatchInfo] = seen.infos
        while rest:
            page = within_budget(rest, size=_PAGE_BYTES)
            rest = rest[len(page) :]
            read = self._decoded(page)
            for info in page:
                inside = between(read[info.id], start_us=seen.window.start_us, end_us=seen.window.end_us)
                if inside.num_rows:
                    yield inside

    def _decoded(self, page: Sequence[BatchInfo]) -> dict[int, pa.RecordBatch]:
        found = {info.id: self._kept[info.id] for info in page if info.id in self._kept}
        missing = [info.id for info in page if info.id not in found]
        if missing:
            with self._store.read() as conn:
                stored = payloads(conn, ids=missing)
            if len(stored) != len(missing):
                raise BatchesMoved
            for id, (payload, form) in stored.items():
                found[id] = self._kept[id] = decode_batch(payload, form)
                self._left -= found[id].nbytes
        while self._left < 0 and self._kept:
            self._left += self._kept.popitem(last=False)[1].nbytes
        return found


class Counting:
    """Counts rows as they were folded: all of them, and those of each segment."""

    def __init__(self, *, schema: Schema, layout: Layout, segments: Sequence[Segment]) -> None:
        self._schema = schema
        self._layout = layout
        self._whole = ProfileAccumulator(layout)
        self._parts = CutProfiles(segments, schema=schema, layout=layout)

    def add(self, batch: pa.RecordBatch) -> None:
        """Rows as they are stored."""
        rows = conform(batch, self._schema)
        self._whole.add(rows)
        self._parts.add(rows)

    def differences(self, stored: Mapping[str, StoredProfile], *, where: str) -> Iterator[Fault]:
        """A fault for each profile that is not what was counted; a segment without rows needs none."""
        for segment in ("", *self._parts):
            made = self._parts[segment] if segment else self._whole.profile()
            kept = stored.get(segment)
            if kept is None:
                differs = f"{made.rows} rows, and no profile" if segment and made.rows else None
            else:
                differs = difference(made, codec.decode(kept.payload, self._layout), layout=self._layout)
            if differs is not None:
                place = f"{where}, segment {segment}" if segment else where
                found = f"its rows and its profile differ: {differs}"
                yield Fault(code="window_profile", where=place, found=found, remedy=EVALUATE)


def _of_the_rest(seen: Seen, *, rows: int, where: str) -> list[Fault]:
    """The fault of a window that rows are gone of: those that are left do not add up with them."""
    said, dropped = seen.window.rows + seen.window.deduplicated, seen.window.dropped or 0
    if rows + seen.erased + dropped == said:
        return []
    found = (
        f"{rows} rows are stored, {seen.erased} were erased and {dropped} are gone for their age, it counts {said} "
        "with its repeats"
    )
    return [Fault(code="window_rows", where=where, found=found, remedy=RESTORE)]


def _counting(seen: Seen) -> Counting | None:
    """What counts the rows as they were folded; None where that is not known: the schema was another one then."""
    context, whole = seen.context, seen.stored.get("")
    same = all(info.schema_id == context.version.schema_id for info in seen.infos)
    if context.layout is None or context.schema is None or not same or whole is None:
        return None
    if any(profile.layout_id != context.version.layout_id for profile in seen.stored.values()):
        return None
    cut = seen.window.segmentation is not None and seen.window.segmentation == context.segmentation
    return Counting(schema=context.schema, layout=context.layout, segments=context.segments if cut else ())


def _with(ids: tuple[int, int], hashes: Hashes) -> tuple[int, int]:
    """A sum and an exclusive or of all ids: the same whatever their order and runs."""
    if not len(hashes):
        return ids
    return (ids[0] + int(hashes.sum(dtype=np.uint64))) % 2**64, ids[1] ^ int(np.bitwise_xor.reduce(hashes))
