"""Performance depends on which records and labels there are, not on how they came: shown on both databases."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.evaluate.recompute import request_recompute
from monitor.jobs.runner import JobRunner
from monitor.store.results import unpack_rows
from monitor.telemetry import Telemetry
from tests.evaluate.scored_traffic import binary_world, by_id, labelled, scored, send_labels
from tests.evaluate.traffic import PATIENT, World

HOURS = 2
ROWS = 120
NAMES = itertools.count()
HOURLY = [scored(hour, rows=ROWS) for hour in range(HOURS)]
# A third of the records bring a label of their own; one in four of those is corrected or withdrawn later.
INSIDE = [labelled(b, [t if i % 3 == 0 else None for i, t in enumerate(truth)]) for b, truth in HOURLY]
FIRST = {id: label for b, truth in HOURLY for i, (id, label) in enumerate(by_id(b, truth).items()) if i % 3 == 1}
SECOND: dict[str, str | None] = {
    id: (None if i % 8 == 0 else "no")
    for b, truth in HOURLY
    for i, id in enumerate(by_id(b, truth))
    if i % 4 == 0
} | {"never-seen": "yes"}  # fmt: skip


def performance(world: World) -> dict[tuple[int, str, str], tuple[Any, ...]]:
    """(hour, kind, metric) → value, bounds, rows, status, reason of every row of performance."""
    found = {}
    for hour in range(HOURS):
        result = world.result(hour)
        for row in unpack_rows(result.payload):
            if row.kind in ("performance", "estimate"):
                numbers = (row.value, row.lower, row.upper, row.threshold, row.rows, row.status, row.reason)
                found[hour, row.kind, row.metric] = numbers
    return found


@st.composite
def ways(draw: st.DrawFn) -> list[tuple[str, int]]:
    """Pieces of records and of labels in any order (the second labels behind the first), ticks and restarts between."""
    records = [("records", i) for i in range(2 * HOURS)]
    first = [("first", i) for i in range(3)]
    others = [("again", 0), ("tick", 0), ("tick", 1), ("restart", 0), ("recompute", 0)]
    mixed = draw(st.permutations(records + first + others))
    behind = max(i for i, step in enumerate(mixed) if step[0] == "first")
    place = draw(st.integers(behind + 1, len(mixed)))
    return [*mixed[:place], ("second", 0), *mixed[place:]]


def live(world: World, way: list[tuple[str, int]]) -> dict[tuple[int, str, str], tuple[Any, ...]]:
    world.clock.now_us = world.close_of(HOURS - 1)
    for step, number in way:
        if step == "records":
            half = ROWS // 2
            world.post(INSIDE[number // 2].slice(half * (number % 2), half))
        elif step == "again":
            world.post(INSIDE[0].slice(10, 40))
        elif step == "first":
            send_labels(world, dict(list(FIRST.items())[number::3]))
        elif step == "second":
            send_labels(world, SECOND)
        elif step == "tick":
            world.runner.tick()
        elif step == "restart":
            world.runner = JobRunner(world.store, Telemetry(), now_us=world.clock, settings=PATIENT)
        else:
            with world.store.write() as conn:
                request_recompute(conn, version_id=world.version.id, from_us=None, to_us=None, now_us=world.clock())
    world.runner.tick()
    return performance(world)


@pytest.fixture
def expected(store) -> dict[tuple[int, str, str], tuple[Any, ...]]:
    """Everything there before the one tick."""
    plain = [("records", i) for i in range(2 * HOURS)] + [("first", i) for i in range(3)] + [("second", 0)]
    return live(binary_world(store, name="plain"), plain)


def same(a: tuple[Any, ...], b: tuple[Any, ...]) -> bool:
    return all(
        math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
        if isinstance(one, float) and isinstance(other, float)
        else one == other
        for one, other in zip(a, b, strict=True)
    )


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(way=ways())
def test_any_interleaving_of_records_labels_repeats_restarts_and_recomputation_gives_the_same(store, expected, way):
    found = live(binary_world(store, name=f"m{next(NAMES)}"), way)
    assert found.keys() == expected.keys()
    assert [key for key in expected if not same(found[key], expected[key])] == []


def test_the_world_that_is_compared_has_labels_of_every_kind(store):
    world = binary_world(store)
    live(world, [("records", i) for i in range(2 * HOURS)] + [("first", i) for i in range(3)] + [("second", 0)])
    coverage = performance(world)[0, "performance", "label_coverage"][0]
    inside, first = {i for i in range(ROWS) if i % 3 == 0}, {i for i in range(ROWS) if i % 3 == 1}
    second, withdrawn = {i for i in range(ROWS) if i % 4 == 0}, {i for i in range(ROWS) if i % 8 == 0}
    assert coverage == pytest.approx(len((inside | first | second) - withdrawn) / ROWS)
    assert np.isclose(pa.concat_batches(INSIDE).column("label").null_count, 2 * ROWS * 2 / 3)
