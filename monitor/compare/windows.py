"""Profiles by window, kept encoded: a year of hours on 200 columns would not fit otherwise."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import pyarrow as pa

from monitor.columns.categories import without_codes
from monitor.columns.split import by_window
from monitor.model.window import WindowSpec
from monitor.profile import codec
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile, merge, profile_batch

GATHERED_ROWS = 250_000  # rows cut into windows at a time: in unsorted tables every piece has some of every window


class WindowProfiles(Collection[tuple[int, Profile]]):
    """``(start_us, profile)`` in time order, decoded one at a time; rows without a time are in none."""

    def __init__(self, layout: Layout, *, spec: WindowSpec, gathered_rows: int = GATHERED_ROWS) -> None:
        self._layout = layout
        self._spec = spec
        self._most = gathered_rows
        self._encoded: dict[int, bytes] = {}
        self._gathered: list[pa.RecordBatch] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Takes in the rows of a conformed batch."""
        self._gathered.append(batch)
        if sum(part.num_rows for part in self._gathered) >= self._most:
            self._cut()

    def put(self, start_us: int, profile: Profile) -> None:
        """Keeps the profile of one window."""
        self._encoded[start_us] = codec.encode(profile)

    def __iter__(self) -> Iterator[tuple[int, Profile]]:
        self._cut()
        return ((start, codec.decode(self._encoded[start], self._layout)) for start in sorted(self._encoded))

    def __len__(self) -> int:
        self._cut()
        return len(self._encoded)

    def __contains__(self, start_us: object) -> bool:
        self._cut()
        return start_us in self._encoded

    def _cut(self) -> None:
        if not self._gathered:
            return
        parts = [pa.Table.from_batches([without_codes(batch)]) for batch in self._gathered]
        self._gathered = []
        for whole in pa.concat_tables(parts, promote_options="default").combine_chunks().to_batches():
            for start_us, rows in by_window(whole, self._spec):
                if start_us >= 0:
                    added = profile_batch(self._layout, rows)
                    before = self._encoded.get(start_us)
                    self.put(start_us, added if before is None else merge(codec.decode(before, self._layout), added))


def profiles_of(windows: Iterable[tuple[int, Profile]], *, layout: Layout, spec: WindowSpec) -> WindowProfiles:
    """The windows of a profile file."""
    kept = WindowProfiles(layout, spec=spec)
    for start_us, profile in windows:
        kept.put(start_us, profile)
    return kept
