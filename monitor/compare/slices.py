"""The segments of a side: each with the profile of its rows, and of its windows where there are some."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa

from monitor.compare.windows import GATHERED_ROWS, WindowProfiles
from monitor.evaluate.cutting import cut
from monitor.model.errors import InvalidInput
from monitor.model.schema import Schema
from monitor.model.segments import By, Segment, Spec, resolve
from monitor.model.window import WindowSpec
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile, ProfileAccumulator


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One segment of a side, in the cells of all rows."""

    profile: Profile
    windows: WindowProfiles | None


class Slices:
    """Counts rows into the segments they are in, as they go by."""

    def __init__(self, segments: Sequence[Segment], *, schema: Schema, layout: Layout, spec: WindowSpec | None) -> None:
        self._segments = segments
        self._schema = schema
        self._layout = layout
        self._whole = {segment.name: ProfileAccumulator(layout) for segment in segments}
        gathered = GATHERED_ROWS // max(len(segments), 1)  # together they hold no more rows than all traffic does
        self._windows = {
            name: None if spec is None else WindowProfiles(layout, spec=spec, gathered_rows=gathered)
            for name in self._whole
        }

    def passing(self, batches: Iterator[pa.RecordBatch], *, pool: ThreadPoolExecutor) -> Iterator[pa.RecordBatch]:
        """The conformed batches as they are; each is counted."""
        for batch in batches:
            self.add(batch, pool=pool)
            yield batch

    def add(self, batch: pa.RecordBatch, *, pool: ThreadPoolExecutor) -> None:
        """Counts the rows of a conformed batch."""
        for name, rows in cut(batch, segments=self._segments, schema=self._schema, layout=self._layout):
            self._whole[name].add(rows, pool=pool)
            windows = self._windows[name]
            if windows is not None:
                windows.add(rows)

    def finish(self) -> dict[str, Slice]:
        """Every segment by name, also one without a row."""
        return {
            name: Slice(profile=counted.profile(), windows=self._windows[name]) for name, counted in self._whole.items()
        }


def segments_of(
    specs: Sequence[Spec], *, schema: Schema, layout: Layout, profile: Profile
) -> tuple[tuple[Segment, ...], tuple[str, ...]]:
    """The segments that the specs make of a reference, and in words what else is left out.

    ``InvalidInput`` for one that the table cannot have: who compares two tables has just asked for it.
    """
    columns = {spec.column for spec in specs if isinstance(spec, By)}
    found, warnings = resolve(
        specs, schema=schema, counts=_counts(layout, profile, columns=columns), rows=profile.rows
    )  # fmt: skip
    for warning in warnings:
        if warning["code"] == "segment_column":
            raise InvalidInput(str(warning["message"]), code="segment_column")
    return found, tuple(str(warning["message"]) for warning in warnings)


def _counts(layout: Layout, profile: Profile, *, columns: Iterable[str]) -> Mapping[str, Sequence[tuple[str, int]]]:
    """How often each listed category of the columns occurs."""
    wanted, found = set(columns), {}
    for position, column in enumerate(layout.columns):
        if column.name in wanted and column.kind == "categorical":
            counts = profile.counts[int(layout.offsets[position]) :].tolist()
            found[column.name] = list(zip(column.categories, counts, strict=False))
    return found
