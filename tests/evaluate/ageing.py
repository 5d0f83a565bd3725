"""Windows that grow old: sealed as if their rows had gone, their profiles read before and after they are merged."""

from __future__ import annotations

from functools import reduce

import sqlalchemy as sa

from monitor.jobs.profile_merging import ProfileMerging
from monitor.model.profile_ages import ProfileAges
from monitor.model.time import DAY_US
from monitor.profile import codec
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile, merge
from monitor.store import tables
from monitor.store.layouts import get_layout
from tests.evaluate.sliced import hour_of_regions, sliced_world
from tests.evaluate.traffic import World

AGES = ProfileAges(hours_us=30 * DAY_US, days_us=400 * DAY_US)
MONDAY = tuple(range(0, 24, 5))
TUESDAY = (24, 29)
_p, _m, _w = tables.profile.c, tables.merged_profile.c, tables.window.c


def aged_world(store, *, hours=(*MONDAY, *TUESDAY), rows=20, **settings) -> World:
    """A model cut by region whose windows of these hours are judged."""
    world = sliced_world(store, hours=4, timed=False, **settings)
    for hour in hours:
        world.post(hour_of_regions(hour, rows=rows))
    world.tick_after(max(hours))
    return world


def seal(world: World) -> None:
    """No row comes to any window of the world any more."""
    with world.store.write() as conn:
        conn.execute(sa.update(tables.window).where(_w.version_id == world.version.id).values(state="sealed"))


def age(world: World, days: int, *, ages: ProfileAges = AGES) -> bool:
    """Merges what is that much older than now; whether nothing is left to merge."""
    return ProfileMerging(world.store, ages=ages).run(now_us=world.clock() + days * DAY_US)


def layout_of(world: World) -> Layout:
    with world.store.read() as conn:
        id = conn.execute(sa.select(tables.version.c.layout_id).where(tables.version.c.id == world.version.id))
        return Layout.decode(get_layout(conn, id=id.scalar_one()))


def own(world: World) -> dict[tuple[int, str], Profile]:
    """(start, segment) → the profile of that window."""
    layout = layout_of(world)
    with world.store.read() as conn:
        rows = conn.execute(sa.select(tables.profile).where(_p.version_id == world.version.id)).all()
    return {(row.window_start_us, row.segment): codec.decode(bytes(row.payload), layout) for row in rows}


def merged(world: World) -> dict[tuple[int, int, str], Profile]:
    """(start, end, segment) → the profile of that span."""
    layout = layout_of(world)
    with world.store.read() as conn:
        rows = conn.execute(sa.select(tables.merged_profile).where(_m.version_id == world.version.id)).all()
    return {(row.start_us, row.end_us, row.segment): codec.decode(bytes(row.payload), layout) for row in rows}


def total(profiles) -> Profile:
    """The profiles added up in the order they are given."""
    return reduce(merge, profiles)
