"""Profiles of segments: whatever happens on the way, those of the rows that an independent filter picks."""

from __future__ import annotations

import itertools

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from monitor.alert.codec import decode_calibration, decode_history
from monitor.columns.roles import Roles
from monitor.evaluate.activation import activate
from monitor.evaluate.context import Contexts
from monitor.evaluate.copied_reference import copy_reference
from monitor.evaluate.fold import Folder
from monitor.evaluate.profile_file import set_profile_file
from monitor.evaluate.reference import Origin, set_reference
from monitor.evaluate.relayout import request_relayout
from monitor.evaluate.stored_reference import set_stored_reference
from monitor.model.entities import Version
from monitor.model.errors import FenceLost
from monitor.model.time import HOUR_US
from monitor.profile import codec
from monitor.profile.dlp import ProfileFile
from monitor.store import models, tables
from monitor.store.calibrations import get_calibration
from monitor.store.models import get_version_by_id
from monitor.store.reference_segments import reference_segment, reference_segments
from monitor.store.references import reference_profile
from tests.evaluate.slicing import (
    LAW,
    PICKED,
    SEGMENTS,
    check_windows,
    fold_all,
    independent,
    layout_of,
    names,
    post_all,
    posts,
    records,
    reference_rows,
    same,
    segmented,
    steps,
    table_of,
    take,
)
from tests.evaluate.traffic import START_US, make_world, schema_of


@LAW
@given(steps=steps, last=st.lists(records, min_size=1, max_size=5))
def test_profiles_of_segments_are_those_of_the_rows_a_filter_picks(store, steps, last):
    world, posted = segmented(store), []
    for step in [*steps, last, "fold"]:
        take(world, step, posted)
    check_windows(world, posted)


def test_a_reference_keeps_each_segment_as_its_rows_alone_would_be(store):
    world = segmented(store)
    layout, frame = layout_of(world), pd.concat([table.to_pandas() for table in reference_rows()])
    frame["at"] = frame.timestamp.astype("int64")
    with store.read() as conn:
        id = get_version_by_id(conn, id=world.version.id)[1].reference_id
        assert [one.segment for one in reference_segments(conn, reference_id=id)] == list(PICKED)
        whole = codec.decode(reference_profile(conn, reference_id=id), layout)
        same(whole, independent(world, frame, layout=layout))
        for segment, pick in PICKED.items():
            side = reference_segment(conn, reference_id=id, segment=segment)
            same(codec.decode(side.profile, layout), independent(world, frame[pick(frame)], layout=layout))


def test_a_relayout_counts_segments_in_the_new_cells(store):
    world = segmented(store)
    batches = posts(1)
    post_all(world, batches)
    before = layout_of(world).digest
    again = set_reference(
        store, version_id=world.version.id, source=lambda: iter(reference_rows(oldest=200)), roles=Roles(),
        now_us=world.clock(),
    )  # fmt: skip
    with store.write() as conn:
        request_relayout(conn, version_id=world.version.id, number=again.reference.number, now_us=world.clock())
    world.runner.tick()
    assert layout_of(world).digest != before
    check_windows(world, batches)
    post_all(world, posts(2))
    check_windows(world, [*batches, *posts(2)])
    with store.read() as conn:
        sides = reference_segments(conn, reference_id=again.reference.id)
        layout_id = get_version_by_id(conn, id=world.version.id)[1].layout_id
    assert {side.layout_id for side in sides} == {layout_id}


SOUTHERN = {"region=east": lambda rows: rows.region == "east", "region=south": lambda rows: rows.region == "south"}
SOUTHERN |= {"region=(other)": lambda rows: ~rows.region.isin(["east", "south"])}


def southern_rows():
    frame = pd.concat([table.to_pandas() for table in reference_rows()])
    frame = frame[frame.region != "north"]
    return [table_of(frame.assign(at=frame.timestamp.astype("int64")))]


def test_another_reference_makes_other_segments_and_the_windows_with_them_as_rows_come(store):
    """``region=(other)`` is a name that stands for other rows by then."""
    world = segmented(store, segments=[{"by": "region", "top": 2}])
    north = {name: pick for name, pick in PICKED.items() if name.startswith("region=")}
    post_all(world, posts(1))
    check_windows(world, posts(1), picked=north)
    version = {"version_id": world.version.id, "now_us": world.clock()}
    set_reference(store, **version, source=lambda: iter(southern_rows()), roles=Roles())
    assert {window.segmentation for window in world.windows()} == {None}
    post_all(world, posts(2))
    check_windows(world, [*posts(1), *posts(2)], picked=SOUTHERN)
    activate(store, **version, number=1)
    assert {window.segmentation for window in world.windows()} == {None}
    post_all(world, posts(3))
    check_windows(world, [*posts(1), *posts(2), *posts(3)], picked=north)


def test_a_reference_that_is_copied_or_made_of_stored_rows_is_cut_too(store):
    world = segmented(store)
    post_all(world, posts(1, rows=400))
    with store.write() as conn:
        other = models.insert_version(conn, Version(model_id=world.model.id, name="2", created_us=START_US))
    copied = copy_reference(store, from_version_id=world.version.id, to_version_id=other.id, now_us=world.clock())
    stored = set_stored_reference(
        store, version_id=world.version.id, from_us=START_US, to_us=START_US + 3 * HOUR_US, now_us=world.clock()
    )
    frame = pd.DataFrame(list(itertools.chain(*posts(1, rows=400))), columns=["id", "at", "age", "region"])
    frame["hour"] = (frame["at"] - START_US) // HOUR_US
    frame = frame.drop_duplicates(["hour", "id"], keep="first")
    with store.read() as conn:
        assert [one.segment for one in reference_segments(conn, reference_id=copied.reference.id)] == list(PICKED)
        found = reference_segments(conn, reference_id=stored.reference.id)
        rows = {
            one.segment: codec.decode(
                reference_segment(conn, reference_id=stored.reference.id, segment=one.segment).profile, stored.layout
            ).rows
            for one in found
        }
    often = frame.region.value_counts()
    top = sorted(often.index, key=lambda region: (-often[region], region))[:2]
    wanted = {"old": (frame.age >= 45).sum(), "north-or-none": ((frame.region == "north") | frame.region.isna()).sum()}
    wanted |= {f"region={region}": often[region] for region in top}
    wanted |= {"region=(other)": (~frame.region.isin(top)).sum()}
    assert rows == wanted


def test_calibrations_are_made_of_the_segments_that_a_check_is_judged_in(store):
    checks = [{"name": "drift", "kind": "drift", "segments": ["", "region=*"]}]
    world = segmented(store, rows=reference_rows(hours=48, rows=400), checks=checks)
    with store.read() as conn:
        id = get_version_by_id(conn, id=world.version.id)[1].reference_id
        kept = {
            segment: get_calibration(conn, version_id=world.version.id, reference_id=id, segment=segment)
            for segment in ("", *PICKED)
        }
        histories = {
            one: decode_history(reference_segment(conn, reference_id=id, segment=one).history) for one in PICKED
        }
    assert {segment for segment, found in kept.items() if found is not None} == {
        "", "region=north", "region=south", "region=(other)",
    }  # fmt: skip
    # 400 rows an hour: 200 of the north, 120 of the south, 80 of the others, in each of 48 windows
    assert [histories[segment].windows for segment in PICKED] == [48] * 5
    assert [decode_calibration(found.payload).windows for found in kept.values() if found is not None] == [48] * 4


def test_a_reference_without_rows_says_that_it_cannot_be_cut(store):
    source = segmented(store, segments=[])
    layout = layout_of(source)
    with store.read() as conn:
        id = get_version_by_id(conn, id=source.version.id)[1].reference_id
        profile = codec.decode(reference_profile(conn, reference_id=id), layout)
    file = ProfileFile(
        schema=schema_of(source), layout=layout, profile=profile, roles={}, window="", timezone="", windows=()
    )
    world = make_world(store, model={"settings": {"segments": SEGMENTS}}, name=next(names))
    made = set_profile_file(
        store, version_id=world.version.id, file=file, origin=Origin(digest="d"), now_us=world.clock()
    )  # fmt: skip
    assert "segments_need_rows" in {warning["code"] for warning in made.reference.warnings}
    with store.read() as conn:
        assert reference_segments(conn, reference_id=made.reference.id) == []


def test_a_model_without_segments_has_no_row_of_any(store):
    world = segmented(store, segments=[])
    post_all(world, posts(1))
    with store.read() as conn:
        for table in (tables.reference_segment, tables.reference_segmentation):
            assert conn.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() == 0
        for table in (tables.profile, tables.calibration, tables.baseline_calibration, tables.judged_counts):
            assert conn.execute(sa.select(table.c.segment).distinct()).scalars().all() in ([], [""])
    assert {window.segmentation for window in world.windows()} == {None}


def test_a_fold_that_was_cutting_as_segments_changed_begins_again(store):
    world = segmented(store, segments=[{"by": "region", "top": 2}])
    post_all(world, posts(2))
    world.post(table_of(posts(1)[0]))
    other = Folder(store, contexts=Contexts())
    prepared = other.prepare(version_id=world.version.id, now_us=world.clock())
    southern = {"source": lambda: iter(southern_rows()), "roles": Roles(), "now_us": world.clock()}
    set_reference(store, version_id=world.version.id, **southern)
    with pytest.raises(FenceLost, match="segments"):
        other.commit(prepared)
    fold_all(world)
    check_windows(world, [*posts(2), posts(1)[0]], picked=SOUTHERN)


def test_a_reference_is_cut_into_as_many_segments_as_the_server_allows(store):
    world = make_world(store, model={"settings": {"segments": SEGMENTS}}, name=next(names))
    made = set_reference(
        store, version_id=world.version.id, source=lambda: iter(reference_rows()), roles=Roles(),
        now_us=world.clock(), max_segments=3,
    )  # fmt: skip
    with store.read() as conn:
        kept = [one.segment for one in reference_segments(conn, reference_id=made.reference.id)]
    assert kept == list(PICKED)[:3]
    assert "too_many_segments" in {warning["code"] for warning in made.reference.warnings}
