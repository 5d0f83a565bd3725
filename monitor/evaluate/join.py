"""Joining: the labels of a model find the windows of their records, in one pass for all that wait.

A pass looks for new labels in every id run of the model, and for older ones (``label_segments``) in the runs that
folds wrote since the pass before. Each run is read once. Read and match outside the write transaction; then one
short transaction takes the rows of the versions, counts the join (compare and set on the model), removes exactly the
batches taken and writes what was found. A fold that commits meanwhile is the next pass's (docs/decisions/labels.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from monitor.columns.keyed_ids import Hashes, decode_run
from monitor.evaluate.guard import Guard
from monitor.evaluate.join_plan import CatchUp, Seen, catch_up, see
from monitor.evaluate.label_codec import Labels, decode_labels, encode_labels, join_labels, merged_labels, newest
from monitor.evaluate.label_inbox import Taken, take_waiting
from monitor.evaluate.label_matches import NewMatches, OldMatches, Window, labels_of
from monitor.evaluate.label_segments import (
    ABSORB_UP_TO,
    LARGEST_ROWS,
    Kept,
    absorbed,
    decode_found,
    encode_found,
    merge,
    split,
)
from monitor.model.errors import FenceLost, NotFound
from monitor.store.engine import Store
from monitor.store.ids import RunHead, run_payload
from monitor.store.labels import remove_labels, step_joins
from monitor.store.outcomes import Joined, Part, add_window_labels, window_label_heads, window_labels
from monitor.store.segments import LabelSegment, add_segment, mark_found, remove_segments, segment_content
from monitor.store.versions import lock_version, set_joined_fold

PASS_ROWS = 1_000_000
PASS_BYTES = 64 * 2**20
CATCH_UP_KEYS = 4_000_000
BLOCK_KEYS = 4_000_000  # id runs in memory at once while segments are held against them
MOST_FOUND = 8_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinLimits:
    """What bounds the memory of a pass: new labels, ids of new runs, places found."""

    rows: int = PASS_ROWS
    size: int = PASS_BYTES
    catch_up_keys: int = CATCH_UP_KEYS
    block_keys: int = BLOCK_KEYS
    found: int = MOST_FOUND
    segment_rows: int = LARGEST_ROWS


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """What one pass did: labels taken up, windows that got labels, id runs read; ``more`` says that work is left."""

    labels: int
    windows: int
    runs_read: int
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """What a pass does to the segments: some removed, others in their place, bits of the rest changed."""

    removed: list[int]
    added: list[tuple[LabelSegment, bytes, bytes]]
    marked: list[tuple[int, int, bytes]]


class Joiner:
    """Joins the labels of one store's models."""

    def __init__(self, store: Store, *, limits: JoinLimits | None = None) -> None:
        self._store = store
        self._limits = limits or JoinLimits()

    def join(self, *, model_id: int, guard: Guard | None = None) -> Pass | None:
        """One pass; None when nothing waits and no run is new.

        ``FenceLost`` where somebody else joined, or a version was deleted: nothing was written.
        """
        with self._store.read() as conn:
            seen = see(conn, model_id=model_id)
        plan = catch_up(seen, most_keys=self._limits.catch_up_keys)
        rows = self._limits.rows
        while True:
            taken = take_waiting(
                self._store, model_id=model_id, rows=rows if plan.whole else 0, size=self._limits.size
            )  # fmt: skip
            if not taken.ids and not (plan.joined and seen.segments):
                return None
            new, old, runs_read = self._look(seen, plan=plan, taken=taken)
            if new.count <= self._limits.found or len(taken.ids) == 1:
                break
            rows = max(1, rows // 8)  # ids that stand in hundreds of windows: fewer labels at a time
        found = [self._part(window, labels_of(window, new=new, old=old.windows))
                 for window in sorted(new.windows.keys() | old.windows.keys())]  # fmt: skip
        segments = self._segments(seen, taken=taken, new=new, old=old)
        with self._store.write() as conn:
            windows = _write(conn, seen=seen, plan=plan, taken=taken, found=found, segments=segments)
            if guard is not None:
                guard(conn)
        return Pass(
            labels=taken.rows, windows=windows, runs_read=runs_read, more=taken.more or not plan.whole
        )  # fmt: skip

    def _look(self, seen: Seen, *, plan: CatchUp, taken: Taken) -> tuple[NewMatches, OldMatches, int]:
        """Where new labels and, in the runs of ``plan``, older ones were found, and how many runs were read."""
        new = NewMatches.of(taken.labels)
        old = OldMatches(read=self._segment, held_labels=self._held)
        segment_ids = [segment.id for segment in seen.segments]
        block: list[tuple[RunHead, Hashes]] = []
        held = runs_read = 0
        for run in seen.runs:
            if not taken.ids and run.id not in plan.runs:
                continue
            keys = self._run(run.id)
            if keys is None:
                continue
            runs_read += 1
            new.look(run, keys)
            if run.id in plan.runs:
                block.append((run, keys))
                held += len(keys)
            if held > self._limits.block_keys:
                old.look(block, segment_ids=segment_ids)
                block, held = [], 0
        old.look(block, segment_ids=segment_ids)
        return new, old, runs_read

    def _run(self, id: int) -> Hashes | None:
        """The ids of a run; None where a fold absorbed it: they stand in a newer one, which is the next pass's."""
        try:
            with self._store.read() as conn:
                return decode_run(run_payload(conn, id=id))
        except NotFound:
            return None

    def _segment(self, id: int) -> Kept:
        with self._store.read() as conn:
            content = segment_content(conn, id=id)
        if content is None:
            raise FenceLost(f"segment {id} of labels was replaced by another join")
        labels = decode_labels(content[0])
        return Kept(labels=labels, found=decode_found(content[1], rows=len(labels.keys)))

    def _held(self, window: Window) -> Labels:
        with self._store.read() as conn:
            parts = window_labels(conn, version_id=window[0], window_start_us=window[1])
        return merged_labels(parts)

    def _part(self, window: Window, labels: Labels) -> Joined:
        """The labels found for the window as they are stored, merged with its parts that are not much larger."""
        version_id, start_us = window
        with self._store.read() as conn:
            heads = window_label_heads(conn, version_id=version_id, window_start_us=start_us)
            ids, gathered = [], len(labels.keys)
            for id, rows in sorted(heads, key=lambda head: head[1]):
                if rows > ABSORB_UP_TO * gathered or gathered + rows > LARGEST_ROWS:
                    break
                ids.append(id)
                gathered += rows
            parts = window_labels(conn, version_id=version_id, window_start_us=start_us, ids=ids) if ids else []
        merged = newest(join_labels([*(decode_labels(part.payload) for part in parts), labels]))[0] if parts else labels
        part = Part(
            version_id=version_id, window_start_us=start_us, rows=len(merged.keys), payload=encode_labels(merged)
        )
        return Joined(part=part, joined=len(labels.keys), replaced=tuple(part.id for part in parts))

    def _segments(self, seen: Seen, *, taken: Taken, new: NewMatches, old: OldMatches) -> Segments:
        """The new labels as segments, merged with those not much larger; bits of what was found in the others."""
        removed: list[LabelSegment] = []
        added: list[tuple[LabelSegment, bytes, bytes]] = []
        if taken.ids:
            rows, most = len(new.labels.keys), self._limits.segment_rows
            removed = absorbed(
                seen.segments, rows=rows, received_us=taken.last_us, size=new.labels.nbytes, largest=most
            )  # fmt: skip
            kept = merge([*(old.kept(segment.id) for segment in removed), Kept(labels=new.labels, found=new.found)])
            span = (
                min([taken.first_us, *(segment.first_received_us for segment in removed)]),
                max([taken.last_us, *(segment.last_received_us for segment in removed)]),
            )
            for piece in split(kept, largest=most):
                segment = LabelSegment(
                    model_id=seen.model_id, first_received_us=span[0], last_received_us=span[1],
                    rows=len(piece.labels.keys), unmatched=piece.unmatched,
                )  # fmt: skip
                added.append((segment, encode_labels(piece.labels), encode_found(piece.found)))
        gone = {segment.id for segment in removed}
        marked = [(id, old.kept(id).unmatched, encode_found(found)) for id, found in old.found.items()
                  if id not in gone]  # fmt: skip
        return Segments(removed=sorted(gone), added=added, marked=marked)


def _write(
    conn: Connection, *, seen: Seen, plan: CatchUp, taken: Taken, found: list[Joined], segments: Segments
) -> int:
    """How many windows got labels. Everything here is in one transaction, held back by the versions' rows."""
    touched = {one.part.version_id for one in found} | plan.joined.keys()
    for version_id in sorted(touched):
        lock_version(conn, id=version_id)
    step_joins(conn, model_id=seen.model_id, seen=seen.joins)
    remove_labels(conn, model_id=seen.model_id, ids=taken.ids)
    windows = add_window_labels(conn, found)
    remove_segments(conn, model_id=seen.model_id, ids=segments.removed)
    for segment, payload, bits in segments.added:
        add_segment(conn, segment, payload=payload, found=bits)
    for id, unmatched, bits in segments.marked:
        mark_found(conn, id=id, unmatched=unmatched, found=bits)
    for version_id, fold in plan.joined.items():
        set_joined_fold(conn, id=version_id, fold=fold)
    return windows
