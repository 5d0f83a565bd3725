"""Whether every payload says what its row says of it: one reader a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from monitor.alert.codec import decode_calibration, decode_history
from monitor.alert.recent import decode_counts
from monitor.columns.batch import ID, TIMESTAMP, decode_batch
from monitor.columns.keyed_ids import decode_run
from monitor.evaluate.label_codec import Labels, decode_labels, read_batch
from monitor.evaluate.label_segments import Kept, decode_found
from monitor.evaluate.performance_side import decode_side
from monitor.model.errors import NotFound
from monitor.model.schema import Schema
from monitor.model.segments import Segment
from monitor.performance import codec as scorecard_codec
from monitor.performance.outline import Outline
from monitor.profile import codec
from monitor.profile.dlp import DLP_MEDIA_TYPE, read_dlp
from monitor.profile.frames import inflate
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile
from monitor.store import jsontext, tables
from monitor.store.erased import erased_of_windows
from monitor.store.layouts import get_layout
from monitor.store.results import unpack
from monitor.store.verifying import performance_payloads, rows_by_key

_LAYOUTS = 4  # kept decoded: a layout may be megabytes

Row = dict[str, Any]


class Wrong(ValueError):
    """A payload that is not what its row says."""


@dataclass(slots=True)
class Beside:
    """What payloads are read with, from the same moment: rows of other tables, and layouts."""

    conn: Connection
    layouts: dict[int, Layout] = field(default_factory=dict)
    outlines: dict[int, dict[str, Outline]] = field(default_factory=dict)

    def row(self, table: str, *key: Any) -> Row:
        """The row with that primary key; ``NotFound`` where there is none (which is a fault of its own)."""
        found = rows_by_key(self.conn, tables.metadata.tables[table], keys=[key])
        if not found:
            raise NotFound(f"{table} {key}")
        return found[0]

    def layout(self, id: int) -> Layout:
        """The decoded layout."""
        if id not in self.layouts:
            while len(self.layouts) >= _LAYOUTS:
                self.layouts.pop(next(iter(self.layouts)))
            self.layouts[id] = Layout.decode(get_layout(self.conn, id=id))
        return self.layouts[id]

    def outline(self, version_id: int, digest: str) -> Outline | None:
        """What the version's scorecards of that digest are counted in, if a reference of it says so still."""
        if version_id not in self.outlines:
            self.outlines.clear()
            sides = [decode_side(payload) for payload in performance_payloads(self.conn, version_id=version_id)]
            self.outlines[version_id] = {side.outline.digest: side.outline for side in sides}
        return self.outlines[version_id].get(digest)


def _log(row: Row, beside: Beside) -> None:
    batch = beside.row("log_batch", row["batch_id"])
    _size(batch["bytes"], row["payload"])
    stored = _batch(row["payload"], codec=batch["codec"])
    _rows(batch["rows"], stored.num_rows)
    instants = stored.column(TIMESTAMP).cast(pa.int64())
    if stored.column(ID).null_count or instants.null_count:
        raise Wrong("records without an id or a timestamp")
    ends = np.asarray(instants.to_numpy())
    span, said = (int(ends.min()), int(ends.max())), (batch["t_min_us"], batch["t_max_us"])
    if span != said:
        raise Wrong(f"timestamps from {span[0]} to {span[1]}, expected {said[0]} to {said[1]}")


def _profile(row: Row, beside: Beside) -> None:
    profile = codec.decode(row["payload"], beside.layout(row["layout_id"]))
    _adds_up(profile, layout=beside.layout(row["layout_id"]))
    window = beside.row("window", row["version_id"], row["window_start_us"])
    if row["rows"] is not None:
        _rows(row["rows"], profile.rows)
    if row["segment"] == "":
        _of_window(window, profile.rows, beside)
    elif profile.rows > window["rows"]:
        raise Wrong(f"{profile.rows} rows of a segment, the window has {window['rows']}")


def _of_window(window: Row, rows: int, beside: Beside) -> None:
    """As many rows as the window has; where some were erased a profile may have been made of the others since."""
    if rows != window["rows"]:
        start_us = window["start_us"]
        gone = erased_of_windows(beside.conn, version_id=window["version_id"], starts_us=[start_us])
        if not window["rows"] - gone.get(start_us, 0) <= rows < window["rows"]:
            _rows(window["rows"], rows)


def _merged(row: Row, beside: Beside) -> None:
    layout = beside.layout(row["layout_id"])
    profile = codec.decode(row["payload"], layout)
    _adds_up(profile, layout=layout)
    _rows(row["rows"], profile.rows)
    if row["segment"] != "":
        key = ("", row["start_us"], row["end_us"], row["layout_id"])
        whole = beside.row("merged_profile", row["version_id"], *key)
        if profile.rows > whole["rows"] or row["windows"] > whole["windows"]:
            raise Wrong(f"{profile.rows} rows of a segment, all traffic has {whole['rows']}")


def _reference(row: Row, beside: Beside) -> None:
    if not row["ready"] or row["layout_id"] is None:
        return
    layout = beside.layout(row["layout_id"])
    profile = codec.decode(row["profile"], layout)
    _adds_up(profile, layout=layout)
    _rows(row["rows"], profile.rows)
    if row["history"] is not None:
        decode_history(row["history"])


def _segment(row: Row, beside: Beside) -> None:
    layout = beside.layout(row["layout_id"])
    profile = codec.decode(row["profile"], layout)
    _adds_up(profile, layout=layout)
    whole = beside.row("reference", row["reference_id"])["rows"]
    if profile.rows > whole:
        raise Wrong(f"{profile.rows} rows of a segment, the reference has {whole}")
    decode_history(row["history"])
    if not Segment(name=row["segment"], shape=jsontext.load(row["shape"])).columns:
        raise Wrong("a segment that no column says")


def _layout(row: Row, beside: Beside) -> None:
    made = Layout.decode(row["body"]).digest
    if made != row["digest"]:
        raise Wrong(f"its digest is {made}, expected {row['digest']}")


def _run(row: Row, beside: Beside) -> None:
    _size(row["bytes"], row["payload"])
    keys = decode_run(row["payload"])
    _rows(row["keys"], len(keys))
    if len(keys) and not bool((keys[1:] > keys[:-1]).all()):
        raise Wrong("ids that do not ascend: an id is there twice, or another one in its place")


def _label_batch(row: Row, beside: Beside) -> None:
    _size(row["bytes"], row["payload"])
    _labels(row["rows"], read_batch(row["payload"], batch_id=row["id"]), sorted_=False)


def _label_segment(row: Row, beside: Beside) -> None:
    segment = beside.row("label_segment", row["segment_id"])
    _size(segment["bytes"], row["payload"])
    labels = decode_labels(row["payload"])
    _labels(segment["rows"], labels, sorted_=True)
    if len(segment["found"]) != (segment["rows"] + 7) // 8:
        raise Wrong(f"{len(segment['found'])} bytes of marks for {segment['rows']} labels")
    found = decode_found(segment["found"], rows=segment["rows"])
    missing = Kept(labels=labels, found=found).unmatched
    if missing != segment["unmatched"]:
        raise Wrong(f"{missing} labels are marked as not found, {segment['unmatched']} are counted")


def _window_label(row: Row, beside: Beside) -> None:
    _size(row["bytes"], row["payload"])
    _labels(row["rows"], decode_labels(row["payload"]), sorted_=True)


def _outcome(row: Row, beside: Beside) -> None:
    _size(row["bytes"], row["payload"])
    _rows(row["rows"], _batch(row["payload"], codec="zstd").num_rows)


def _chunk(row: Row, beside: Beside) -> None:
    if beside.row("reference", row["reference_id"])["media_type"] == DLP_MEDIA_TYPE:
        read_dlp(row["payload"])
    else:
        _batch(row["payload"], codec="zstd")


def _calibration(row: Row, beside: Beside) -> None:
    decode_calibration(row["payload"])


def _counts(row: Row, beside: Beside) -> None:
    if row["payload"]:
        decode_counts(row["payload"])


def _result(row: Row, beside: Beside) -> None:
    unpack(row["payload"])


def _performance(row: Row, beside: Beside) -> None:
    decode_side(row["payload"])


def _scorecard(row: Row, beside: Beside) -> None:
    outline = beside.outline(row["version_id"], row["outline"])
    if outline is None:  # of an earlier reference: counted again when it is needed
        inflate(row["payload"])
    else:
        scorecard_codec.decode(row["payload"], outline)


def _schema(row: Row, beside: Beside) -> None:
    Schema.from_json(jsontext.load(row["body"]))


# (table, the column that is large, how its rows are read), in the data's order
READERS: tuple[tuple[str, str, Callable[[Row, Beside], None]], ...] = (
    ("schema", "body", _schema), ("layout", "body", _layout), ("reference", "profile", _reference),
    ("reference_segment", "profile", _segment),
    ("reference_chunk", "payload", _chunk), ("log_payload", "payload", _log), ("id_run", "payload", _run),
    ("profile", "payload", _profile), ("merged_profile", "payload", _merged), ("calibration", "payload", _calibration),
    ("baseline_calibration", "payload", _calibration), ("judged_counts", "payload", _counts),
    ("result", "payload", _result), ("outcome", "payload", _outcome), ("label_batch", "payload", _label_batch),
    ("label_payload", "payload", _label_segment), ("window_label", "payload", _window_label),
    ("scorecard", "payload", _scorecard), ("performance", "payload", _performance),
)  # fmt: skip


def _batch(payload: bytes, *, codec: str) -> pa.RecordBatch:
    batch = decode_batch(payload, codec)
    batch.validate(full=True)
    return batch


def _labels(rows: int, labels: Labels, *, sorted_: bool) -> None:
    _rows(rows, len(labels.keys))
    if sorted_ and len(labels.keys) and not bool((labels.keys[1:] > labels.keys[:-1]).all()):
        raise Wrong("labels whose records do not ascend")


def _adds_up(profile: Profile, *, layout: Layout) -> None:
    """In each column every row is in one cell, missing or invalid; sums of nothing are nothing."""
    cells = np.add.reduceat(profile.counts, layout.offsets[:-1]) if len(layout.columns) else profile.missing
    whole = cells + profile.missing + profile.invalid
    wrong = np.flatnonzero(whole != profile.rows)
    if len(wrong):
        at = int(wrong[0])
        raise Wrong(f"column {layout.columns[at].name!r} counts {int(whole[at])} rows, expected {profile.rows}")
    bounded = layout.numeric & (cells > 0)
    if bool(np.any(~(profile.minimum[bounded] <= profile.maximum[bounded]))):
        raise Wrong("a column's minimum is above its maximum")


def _size(said: int, payload: bytes) -> None:
    if said != len(payload):
        raise Wrong(f"{len(payload)} bytes, expected {said}")


def _rows(said: int, found: int) -> None:
    if said != found:
        raise Wrong(f"{found} rows, expected {said}")
