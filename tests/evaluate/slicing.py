"""A model whose traffic is cut: its world, and what every slice is to be by pandas."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from monitor.columns.conform import conform
from monitor.columns.roles import Roles
from monitor.columns.table import canonical_batch
from monitor.evaluate.context import Contexts
from monitor.evaluate.reference import set_reference
from monitor.jobs.runner import JobRunner
from monitor.model.time import HOUR_US, MINUTE_US
from monitor.profile import codec
from monitor.profile.layout import Layout
from monitor.profile.profile import empty, profile_batch
from monitor.store import layouts, models
from monitor.store.models import get_version_by_id
from monitor.store.profiles import get_profile
from monitor.store.reference_segments import cut_of
from tests.evaluate.traffic import EAGER, START_US, make_world, schema_of

SEGMENTS = [
    {"name": "old", "where": {"age": {"gte": 45}}},
    {"name": "north-or-none", "where": {"any": [{"region": "north"}, {"region": {"is_null": True}}]}},
    {"by": "region", "top": 2},
]
# The same in pandas, written by hand; the reference has more of the north than of the south, and more of that than of
# the east.
PICKED = {
    "old": lambda rows: rows.age >= 45,
    "north-or-none": lambda rows: (rows.region == "north") | rows.region.isna(),
    "region=north": lambda rows: rows.region == "north",
    "region=south": lambda rows: rows.region == "south",
    "region=(other)": lambda rows: ~rows.region.isin(["north", "south"]),
}
names = (f"m{n}" for n in itertools.count())


def table_of(rows):
    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(rows, columns=["id", "at", "age", "region"])
    return pa.record_batch({
        "id": pa.array(frame.id.tolist(), pa.string()),
        "timestamp": pa.array(frame["at"].astype(np.int64)).cast(pa.timestamp("us", tz="UTC")),
        "age": pa.array([None if pd.isna(age) else float(age) for age in frame.age], pa.float64()),
        "region": pa.array([None if pd.isna(region) else region for region in frame.region], pa.string()),
        "prediction": pa.array(["yes"] * len(frame)),
    })  # fmt: skip


def reference_rows(hours=40, rows=100, oldest=80):
    rng = np.random.default_rng(7)
    return [
        table_of([
            (f"ref-{hour}-{n}", START_US - (hour + 1) * HOUR_US + n, float(rng.integers(18, oldest)),
             rng.choice(["north", "south", "east"], p=[0.5, 0.3, 0.2]))
            for n in range(rows)
        ])
        for hour in reversed(range(hours))
    ]  # fmt: skip


def segmented(store, *, segments=SEGMENTS, rows=None, **settings_of_model):
    shape = {"settings": {"false_alarms": "1 per day", "segments": segments, **settings_of_model}}
    world = make_world(store, settings=EAGER, model=shape, name=next(names))
    rows = reference_rows() if rows is None else rows
    made = set_reference(
        store, version_id=world.version.id, source=lambda: iter(rows), roles=Roles(), now_us=world.clock()
    )
    world.schema, world.schema_id = made.schema, made.reference.schema_id
    return world


def layout_of(world):
    with world.store.read() as conn:
        version = get_version_by_id(conn, id=world.version.id)[1]
        return Layout.decode(layouts.get_layout(conn, id=version.layout_id))


def independent(world, rows, *, layout):
    """The profile of rows of a frame, each read as ingest reads it."""
    if not len(rows):
        return empty(layout)
    schema = schema_of(world)
    batch = canonical_batch(table_of(rows), schema=schema, roles=Roles(), received_us=START_US).batch
    return profile_batch(layout, conform(batch, schema))


def same(found, expected):
    exact = ("rows", "layout_digest", "unseen")
    arrays = ("counts", "missing", "invalid", "minimum", "maximum")
    assert [getattr(found, name) for name in exact] == [getattr(expected, name) for name in exact]
    for name in arrays:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    for name in ("total", "total_squares"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-9, err_msg=name)


def check_windows(world, posted, *, picked=PICKED):
    """What is stored of every window and segment, against the first row of each id in the order of posting."""
    rows = pd.DataFrame(list(itertools.chain(*posted)), columns=["id", "at", "age", "region"])
    rows["hour"] = (rows["at"] - START_US) // HOUR_US
    rows = rows.drop_duplicates(["hour", "id"], keep="first")
    layout = layout_of(world)
    with world.store.read() as conn:
        cut = cut_of(conn, reference_id=get_version_by_id(conn, id=world.version.id)[1].reference_id)
    assert {window.segmentation for window in world.windows()} == {cut}
    for hour, inside in rows.groupby("hour"):
        start_us = START_US + int(hour) * HOUR_US
        for segment, pick in picked.items():
            with world.store.read() as conn:
                stored = get_profile(
                    conn, version_id=world.version.id, window_start_us=start_us, segment=segment
                )  # fmt: skip
            found = empty(layout) if stored is None else codec.decode(stored[1], layout)
            same(found, independent(world, inside[pick(inside)], layout=layout))


def fold_all(world):
    while world.runner.folder.fold_slice(version_id=world.version.id, now_us=world.clock()) is not None:
        pass


def restart(world):
    world.runner = JobRunner(world.store, world.telemetry, now_us=world.clock, settings=EAGER, contexts=Contexts())


records = st.tuples(
    st.sampled_from([f"id{n}" for n in range(12)]),
    st.integers(0, 3 * HOUR_US - 1).map(lambda after: START_US + after),
    st.sampled_from([None, 20.0, 44.9, 45.0, 45.1, 79.0, 1e6, -0.0]),
    st.sampled_from([None, "north", "south", "east", "west", ""]),
)
steps = st.lists(
    st.one_of(st.lists(records, min_size=1, max_size=25), st.sampled_from(["fold", "restart", "tick"])),
    min_size=1, max_size=8,
)  # fmt: skip
LAW = settings(
    max_examples=15, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def take(world, step, posted):
    if step == "fold":
        fold_all(world)
    elif step == "restart":
        restart(world)
    elif step == "tick":
        world.tick_after(1)
    else:
        world.post(table_of(step))
        posted.append(step)


def posts(seed, *, hours=3, rows=30):
    """Batches of records with repeats of ids, out of order."""
    rng = np.random.default_rng(seed)
    ages, regions = [None, 20.0, 45.0, 60.0, 1e6], [None, "north", "south", "east", "west"]
    return [
        [
            (f"id{seed}-{rng.integers(20)}", START_US + int(rng.integers(hours * HOUR_US)), ages[rng.integers(5)],
             regions[rng.integers(5)])
            for _ in range(rows)
        ]
        for _ in range(4)
    ]  # fmt: skip


def post_all(world, batches):
    for batch in batches:
        world.post(table_of(batch))
        fold_all(world)


def want(world, segments, **settings_of_model):
    """The model is to have other segments; nobody is told."""
    with world.store.write() as conn:
        model = models.get_model(conn, name=world.model.name)
        kept = {**model.settings, "segments": segments, **settings_of_model}
        models.update_model(conn, replace(model, settings=kept))


def look(world):
    """What happens once a minute, and the job that it asks for."""
    world.clock.now_us += MINUTE_US
    world.runner.tick()
    world.runner.tick()
