"""What a reference is made of: its layout, its profile, the profiles of its own windows, the calibration from them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from monitor.alert.calibrate import Calibration, calibrate
from monitor.alert.history import History, build_history
from monitor.columns.conform import conform
from monitor.columns.split import by_window
from monitor.evaluate.context import checks_of
from monitor.evaluate.slices import between
from monitor.model.checks import budgeted_columns
from monitor.model.checks import checks_of as checks_in
from monitor.model.entities import Model
from monitor.model.schema import Schema
from monitor.model.thresholds import FalseAlarms, parse_false_alarms
from monitor.model.window import WindowSpec
from monitor.profile import codec
from monitor.profile.build import LayoutBuilder, extend
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile, ProfileAccumulator, merge, profile_batch

MOST_WINDOWS = 2_000  # the newest ones: more would say little and calibrate slowly
NO_TIME_US = -1  # the timestamp of reference rows without one: before every window

Batches = Callable[[], Iterable[pa.RecordBatch]]


def budget(model: Model) -> FalseAlarms:
    """The false alarms that a version of the model is allowed: as set, else one a month."""
    return parse_false_alarms(model.settings.get("false_alarms") or "1 per month")


def layout_of(batches: Batches, *, schema: Schema, shared: Layout | None) -> Layout:
    """The layout of the rows' monitored columns: the shared cells where name and type agree, else their own."""
    if shared is not None and _covers(shared, schema):
        return Layout(columns=tuple(shared.columns[shared.index(column.name)] for column in schema.monitored))
    builder = LayoutBuilder(schema)
    for batch in batches():
        builder.add(conform(batch, schema))
    own = builder.finish()
    return own if shared is None else extend(shared, own)


def _covers(shared: Layout, schema: Schema) -> bool:
    """Whether every monitored column of the schema has cells in the shared layout."""
    known = {(c.name, c.stored_name, c.kind) for c in shared.columns}
    kinds = {"numeric": "numeric", "categorical": "categorical", "boolean": "categorical"}
    return all((c.name, c.stored_name, kinds[c.type]) in known for c in schema.monitored)


class WindowProfiles(Collection[tuple[int, Profile]]):
    """Profiles by window, kept encoded: decoded one at a time whenever they are gone through."""

    def __init__(self, layout: Layout, *, spec: WindowSpec) -> None:
        self._layout = layout
        self._spec = spec
        self._encoded: dict[int, bytes] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        """Counts the rows of a conformed batch into their windows; rows without a time are in none."""
        timed = between(batch, start_us=0, end_us=2**62)
        for start_us, rows in by_window(timed, self._spec):
            added = profile_batch(self._layout, rows)
            before = self._encoded.get(start_us)
            whole = added if before is None else merge(codec.decode(before, self._layout), added)
            self.put(start_us, codec.encode(whole))

    def put(self, start_us: int, encoded: bytes) -> None:
        """Keeps a window's encoded profile; beyond ``MOST_WINDOWS`` the oldest goes."""
        self._encoded[start_us] = encoded
        if len(self._encoded) > MOST_WINDOWS:
            del self._encoded[min(self._encoded)]

    def __iter__(self) -> Iterator[tuple[int, Profile]]:
        return ((start, codec.decode(self._encoded[start], self._layout)) for start in sorted(self._encoded))

    def __len__(self) -> int:
        return len(self._encoded)

    def __contains__(self, item: object) -> bool:
        return item in self._encoded

    @property
    def starts_us(self) -> tuple[int, ...]:
        """The windows' starts, oldest first."""
        return tuple(sorted(self._encoded))

    def encoded(self) -> dict[int, bytes]:
        """Start → encoded profile, oldest first."""
        return {start: self._encoded[start] for start in sorted(self._encoded)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceProfile:
    """A reference profiled; ``history`` has no window where its rows have no timestamps."""

    layout: Layout
    profile: Profile
    history: History


def profile_reference(
    batches: Batches, *, schema: Schema, layout: Layout, spec: WindowSpec, timed: bool
) -> ReferenceProfile:
    """The profile of all rows, and the history of their own windows if they have timestamps."""
    whole = ProfileAccumulator(layout)
    windows = WindowProfiles(layout, spec=spec)
    for batch in batches():
        rows = conform(batch, schema)
        whole.add(rows)
        if timed:
            windows.add(rows)
    return profiled(layout, profile=whole.profile(), windows=windows if timed else None)


def profiled(layout: Layout, *, profile: Profile, windows: WindowProfiles | None) -> ReferenceProfile:
    """A reference whose rows are counted already."""
    if windows is None:  # nothing is usual yet: scores are those of independent rows
        history = build_history(layout, reference=profile, contained=False)
    else:
        history = build_history(layout, reference=profile, windows=windows, contained=True)
    return ReferenceProfile(layout=layout, profile=profile, history=history)


def calibration_of(history: History, *, model: Model, schema: Schema, segment: str = "") -> Calibration:
    """The threshold that keeps the model's budget over this history; ``learning`` while it is short.

    Only the columns that ``auto`` checks decide in the segment share the budget.
    """
    per_month = model.window.per_month
    return calibrate(
        history,
        windows_per_month=per_month,
        per_month=budget(model).per_month(per_month),
        columns=budgeted_columns(checks_in(checks_of(model), segment=segment), schema=schema),
    )
