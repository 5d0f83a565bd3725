"""A window's results depend only on the set of records in it (DESIGN 1), shown on both databases."""

from __future__ import annotations

import itertools
import math
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.evaluate.recompute import request_recompute
from monitor.model.errors import FenceLost
from monitor.model.time import HOUR_US
from monitor.store import Store, open_store
from tests.evaluate.traffic import EAGER, START_US, World, make_world, rows_of, set_usual_reference

HOURS = 3
EDGES = [START_US + h * HOUR_US for h in range(HOURS + 1)]


def records() -> pa.RecordBatch:
    """360 records in three windows, some exactly on the edges, in no order of time."""
    rng = np.random.default_rng(5)
    instants = rng.integers(START_US, START_US + HOURS * HOUR_US, 360)
    instants[:3] = EDGES[:3]
    instants[3:6] = [edge - 1 for edge in EDGES[1:]]
    return rows_of([f"id-{i}" for i in range(360)], instants.tolist(), seed=9)


RECORDS = records()
NAMES = itertools.count()


def outcome(world: World) -> dict[object, object]:
    """Everything DESIGN 1 calls results: counts, names and statuses exactly, other floats for comparing within 1e-9."""
    found: dict[object, object] = {}
    for window in world.windows():
        found[window.start_us] = (window.rows, window.state in ("closed", "revised"))
    for hour in range(HOURS):
        found |= {(hour, *key): value for key, value in world.numbers(hour).items()}
    return found


def assert_same(a: dict[object, object], b: dict[object, object]) -> None:
    assert a.keys() == b.keys()
    for key, left in a.items():
        for one, other in zip(left, b[key], strict=True):
            if isinstance(one, float) and isinstance(other, float):
                assert math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9), (key, one, other)
            else:
                assert one == other, key


def plain(store: Store) -> dict[object, object]:
    """All records in one batch, folded once, judged once."""
    world = make_world(store)
    set_usual_reference(world)
    world.post(RECORDS)
    world.tick_after(HOURS - 1)
    return outcome(world)


@pytest.fixture(scope="module")
def expected() -> dict[object, object]:
    directory = Path(tempfile.mkdtemp())
    store = open_store("", data_dir=directory, migrate=True)
    try:
        return plain(store)
    finally:
        store.close()
        shutil.rmtree(directory)


@st.composite
def ways(draw: st.DrawFn) -> dict[str, object]:
    """An order, a batching, repeats, and when folds and ticks happen between."""
    order = draw(st.permutations(range(12)))  # of 12 pieces of 30 rows
    pieces = [RECORDS.slice(30 * i, 30) for i in order]
    cuts = sorted(draw(st.sets(st.integers(1, 11), max_size=6)))
    batches = [pa.concat_batches(pieces[a:b]) for a, b in zip([0, *cuts], [*cuts, 12], strict=True)]
    repeated = draw(st.lists(st.integers(0, len(batches) - 1), max_size=3))
    shuffled = draw(st.integers(0, 2**31))
    fold_after = draw(st.lists(st.booleans(), min_size=len(batches), max_size=len(batches)))
    late = draw(st.integers(0, len(batches)))
    recompute = draw(st.booleans())
    return {"batches": batches, "repeated": repeated, "shuffled": shuffled, "fold_after": fold_after, "late": late,
            "recompute": recompute}  # fmt: skip


def live(store: Store, way: dict[str, object], *, name: str) -> dict[object, object]:
    """The same records posted in another way; the last ones after their windows have been judged."""
    world = make_world(store, settings=EAGER, name=name)
    set_usual_reference(world)
    rng = np.random.default_rng(way["shuffled"])
    for position, batch in enumerate(way["batches"]):
        if position == way["late"]:
            world.tick_after(HOURS - 1)
        world.post(batch.take(pa.array(rng.permutation(batch.num_rows))))
        if way["fold_after"][position]:
            race(world)
    for position in way["repeated"]:
        world.post(way["batches"][position])
    world.tick_after(HOURS - 1)
    if way["recompute"]:
        with store.write() as conn:
            request_recompute(conn, version_id=world.version.id, from_us=None, to_us=None, now_us=world.clock())
        world.runner.tick()
    return outcome(world)


def race(world: World) -> None:
    """Two folders read the same waiting batches; one of them wins, the other has lost nothing."""
    folder, version_id = world.runner.folder, world.version.id
    first = folder.prepare(version_id=version_id, now_us=world.clock())
    second = folder.prepare(version_id=version_id, now_us=world.clock())
    if first is None or second is None:
        return
    folder.commit(first)
    with pytest.raises(FenceLost):
        folder.commit(second)


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(way=ways())
def test_any_order_batching_repeats_and_races_give_the_same_numbers(store, expected, way):
    assert_same(live(store, way, name=f"m{next(NAMES)}"), expected)
