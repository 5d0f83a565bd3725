"""Rows cut into the segments they are in, and each segment counted in the cells of all traffic. No I/O."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from monitor.columns.batch import TIMESTAMP, companion_of
from monitor.columns.segments import members
from monitor.model.schema import Schema
from monitor.model.segments import Segment
from monitor.profile import codec
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile, empty, merge, profile_batch


def cut_digest(segments: Sequence[Segment]) -> str | None:
    """What says that rows are cut the same way, 16 hexadecimal digits; None for no segments.

    It is of the segments themselves: what was configured may make others of another reference.
    """
    if not segments:
        return None
    told = sorted(json.dumps(segment.to_json(), sort_keys=True) for segment in segments)
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def cut(
    batch: pa.RecordBatch, *, segments: Sequence[Segment], schema: Schema, layout: Layout
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """(segment, its rows) of a conformed batch: the time and what the layout counts; none for one without a row."""
    counted = {name for column in layout.columns for name in (column.stored_name, companion_of(column.stored_name))}
    narrow = batch.select([name for name in batch.schema.names if name in counted or name == TIMESTAMP])
    for name, inside in members(segments, batch, schema=schema).items():
        rows = narrow.filter(inside)
        if rows.num_rows:
            yield name, rows


class CutProfiles(Mapping[str, Profile]):
    """The profile of every segment, of no rows too: kept encoded, and decoded one at a time when asked for."""

    def __init__(self, segments: Sequence[Segment], *, schema: Schema, layout: Layout) -> None:
        self._segments = segments
        self._schema = schema
        self._layout = layout
        self._encoded: dict[str, bytes] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        """Counts the rows of a conformed batch into the segments they are in."""
        if not self._segments:
            return
        for name, rows in cut(batch, segments=self._segments, schema=self._schema, layout=self._layout):
            self.count(name, rows)

    def count(self, segment: str, rows: pa.RecordBatch) -> None:
        """Counts rows into a segment that they are known to be in."""
        added, before = profile_batch(self._layout, rows), segment in self._encoded
        self._encoded[segment] = codec.encode(merge(self[segment], added) if before else added)

    @property
    def counted(self) -> tuple[str, ...]:
        """The segments that have a row."""
        return tuple(self._encoded)

    def __getitem__(self, name: str) -> Profile:
        if name in self._encoded:
            return codec.decode(self._encoded[name], self._layout)
        if all(segment.name != name for segment in self._segments):
            raise KeyError(name)
        return empty(self._layout)

    def __iter__(self) -> Iterator[str]:
        return (segment.name for segment in self._segments)

    def __len__(self) -> int:
        return len(self._segments)
