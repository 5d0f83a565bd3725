"""What a bound of ``drop`` is held against: the rows of a usual window, of all traffic and of slices."""

from __future__ import annotations

import pytest

from monitor.columns.roles import Roles
from monitor.evaluate import reference_profile
from monitor.evaluate.reference import set_reference
from monitor.model.time import HOUR_US, from_us
from monitor.store.results import unpack_rows
from tests.evaluate.sliced import BY_REGION, US, hour_of_regions, of_region, result_of
from tests.evaluate.traffic import START_US, make_world

VOLUME = {"name": "volume", "kind": "volume", "threshold": {"alert": {"drop": 30}}}


def volume_of(world, hour, *, segment=""):
    (row,) = [row for row in unpack_rows(result_of(world, hour, segment=segment).payload) if row.kind == "volume"]
    return row.value, row.threshold, row.status


def referred(store, tables, *, segments, **settings):
    shape = {"false_alarms": "1 per day", "segments": BY_REGION, "checks": [VOLUME | {"segments": segments}]} | settings
    world = make_world(store, model={"settings": shape})
    made = set_reference(
        store, version_id=world.version.id, source=lambda: iter(tables), roles=Roles(), now_us=world.clock()
    )
    world.schema, world.schema_id = made.schema, made.reference.schema_id
    return world


def test_the_usual_rows_are_those_of_the_windows_that_are_kept_of_a_long_reference(store, monkeypatch):
    monkeypatch.setattr(reference_profile, "MOST_WINDOWS", 10)
    tables = [hour_of_regions(hour, rows=400 if hour < -10 else 100, name="ref") for hour in range(-20, 0)]
    world = referred(store, tables, segments=[""])
    world.post(hour_of_regions(0, rows=100))
    world.tick_after(0)
    assert volume_of(world, 0) == (100.0, 70.0, "ok")


@pytest.mark.parametrize(("often", "seldom"), [(90, 110), (80, 80)], ids=["few windows are judged", "none is"])
def test_a_slice_is_usually_as_large_as_its_part_of_the_reference_however_few_its_rows(store, often, seldom):
    """Half of the rows are from each; a window of fewer than 50 rows teaches nothing and has rows all the same."""
    tables = [hour_of_regions(hour, rows=seldom if hour % 4 == 0 else often, name="ref") for hour in range(-40, 0)]
    world = referred(store, tables, segments=["", US])
    world.post(hour_of_regions(0, rows=often))
    world.tick_after(0)
    usual = (10 * seldom + 30 * often) / 40
    assert volume_of(world, 0) == (float(often), usual - 30, "ok")
    assert volume_of(world, 0, segment=US) == (often / 2, round(usual / 2) - 30.0, "ok")


def of_other_windows(store, sizes, *, baseline):
    """A world with hours of so many rows, half of them from each region; none: the other region's alone."""
    tables = [hour_of_regions(hour, rows=100, name="ref") for hour in range(-40, 0)]
    world = referred(store, tables, segments=["", US], baseline=baseline)
    for hour, rows in enumerate(sizes):
        world.post(hour_of_regions(hour, rows=rows) if rows else of_region(hour_of_regions(hour), "EU"))
        world.tick_after(hour)
    return world


ROLLING = {"kind": "rolling", "windows": 4, "gap": 0, "min_windows": 4}
FIRST_HOURS = {
    "kind": "windows", "from": from_us(START_US).isoformat(), "to": from_us(START_US + 4 * HOUR_US).isoformat(),
}  # fmt: skip


@pytest.mark.parametrize("baseline", [ROLLING, FIRST_HOURS], ids=["rolling", "windows"])
@pytest.mark.parametrize(
    "sizes", [(110, 90, 90, 110), (80, 90, 80, 90), (0, 90, 110, 90)],
    ids=["some are small", "all are", "one has no row"],
)  # fmt: skip
def test_a_slice_is_held_against_all_of_its_windows_in_a_baseline_however_few_their_rows(store, sizes, baseline):
    """A window of fewer than 50 rows of the slice is in no baseline of a distribution."""
    world = of_other_windows(store, (*sizes, 90), baseline=baseline)
    usual = sum(rows // 2 for rows in sizes) / 4
    assert volume_of(world, 4, segment=US) == (45.0, usual - 30, "ok")


def test_too_few_windows_say_nothing_of_a_slices_usual_rows(store):
    world = of_other_windows(store, (90, 90, 90, 90), baseline=ROLLING)
    assert volume_of(world, 3, segment=US)[2] == "unknown"
