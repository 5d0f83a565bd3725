"""A reference's rows as they are cut into segments, and which categories they have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow.compute as pc

from monitor.columns.conform import conform_column
from monitor.evaluate.reference_profile import Batches
from monitor.model.entities import Model, Version
from monitor.model.schema import Schema
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile

MOST_COUNTED = 100_000  # categories of a column; beyond them the rarest half is counted anew from where it stands


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows of a reference, whose they are, what they were counted to in all, how many segments they may have."""

    batches: Batches
    layout: Layout
    profile: Profile
    schema: Schema
    model: Model
    version: Version
    timed: bool
    max_segments: int


def categories_of(columns: Sequence[str], *, rows: Rows) -> dict[str, list[tuple[str, int]]]:
    """Column → its categories in the reference with how often each occurs, of those columns that have categories.

    They are in the profile already, unless some have no cell of their own: then the rows are gone through once more.
    """
    layout, counts = rows.layout, rows.profile.counts
    found: dict[str, list[tuple[str, int]]] = {}
    unlisted: list[str] = []
    for name in columns:
        position = layout.positions.get(name)
        if position is None or layout.columns[position].kind != "categorical":
            continue
        listed = layout.columns[position].categories
        cells = counts[layout.offsets[position] : layout.offsets[position + 1]].tolist()
        found[name] = list(zip(listed, cells, strict=False))
        if sum(cells[len(listed) :]):
            unlisted.append(name)
    return found | _counted(unlisted, rows=rows)


def _counted(columns: Sequence[str], *, rows: Rows) -> dict[str, list[tuple[str, int]]]:
    if not columns:
        return {}
    counters: dict[str, Counter[str]] = {name: Counter() for name in columns}
    for batch in rows.batches():
        for name, counter in counters.items():
            values = conform_column(batch, rows.schema.by_name[name]).values.drop_null()
            for one in pc.value_counts(values).to_pylist():
                counter[one["values"]] += one["counts"]
            if len(counter) > MOST_COUNTED:
                counters[name] = Counter(dict(counter.most_common(MOST_COUNTED // 2)))
    return {name: list(counter.items()) for name, counter in counters.items()}
