"""Windows that grow old by the clock alone: their rows go, then their profiles become those of days."""

from __future__ import annotations

import sqlalchemy as sa

from monitor.evaluate import merge_profiles
from monitor.model.time import DAY_US, HOUR_US
from monitor.store import tables
from monitor.verify import verify_store
from tests.evaluate.ageing import MONDAY, TUESDAY, aged_world, merged, own, total
from tests.evaluate.sliced import EU, US, hour_of_regions
from tests.evaluate.traffic import START_US


def test_rows_go_and_profiles_are_merged_and_a_late_row_is_in_neither(store, monkeypatch, soon):
    monkeypatch.setattr(merge_profiles, "KEPT_WINDOWS", 1)
    world = aged_world(store)
    before = own(world)
    world.clock.now_us += 32 * DAY_US
    for _ in range(3):
        world.runner.tick()
        world.clock.now_us += HOUR_US
    assert {window.state for window in world.windows()} == {"sealed"}
    found = merged(world)
    assert set(found) == {(START_US, START_US + DAY_US, segment) for segment in ("", EU, US)}
    for (*_, segment), profile in found.items():
        expected = total([before[START_US + hour * HOUR_US, segment] for hour in MONDAY])
        assert (profile.counts == expected.counts).all()
        assert profile.rows == expected.rows
    world.post(hour_of_regions(0, rows=7, name="late"))
    world.clock.now_us += HOUR_US
    world.runner.tick()
    assert merged(world)[START_US, START_US + DAY_US, ""].rows == found[START_US, START_US + DAY_US, ""].rows
    assert {start for start, segment in own(world)} == {START_US + hour * HOUR_US for hour in TUESDAY}
    with store.read() as conn:
        codes = conn.execute(sa.select(tables.quarantine.c.code)).scalars().all()
    assert codes == ["too_late"] * 7
    assert verify_store(store) == []
