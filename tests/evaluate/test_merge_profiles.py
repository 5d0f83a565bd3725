"""Profiles past their age become those of days and weeks: no count is lost, whoever comes between."""

from __future__ import annotations

import numpy as np
import pytest
import sqlalchemy as sa

from monitor.alert.scales import SCALES
from monitor.evaluate import merge_profiles
from monitor.evaluate.merge_profiles import KEPT_WINDOWS, Adder
from monitor.evaluate.simulate import Simulator
from monitor.jobs import profile_merging
from monitor.jobs.profile_merging import ProfileMerging
from monitor.model.entities import LegalHold
from monitor.model.profile_ages import ProfileAges, parse_profile_ages, stages
from monitor.model.time import DAY_US, HOUR_US
from monitor.model.window import WindowSpec
from monitor.store import holds, models, tables
from monitor.store.cuts import forget_other_segments, forget_segments, forget_some_merged, forget_some_of
from monitor.store.results import healthy_windows
from monitor.verify import verify_store
from monitor.verify.alike import difference
from tests.evaluate.ageing import AGES, MONDAY, TUESDAY, age, aged_world, layout_of, merged, own, seal, total
from tests.evaluate.sliced import EU, US
from tests.evaluate.traffic import START_US

DAY = (START_US, START_US + DAY_US)  # a Monday
WEEK = (START_US, START_US + 7 * DAY_US)
SEGMENTS = ("", EU, US)


@pytest.fixture(autouse=True)
def _few_windows_are_kept(monkeypatch, soon):
    monkeypatch.setattr(merge_profiles, "KEPT_WINDOWS", 1)


def exactly(found, expected):
    """The same in every count, name and sum."""
    for name in ("counts", "missing", "invalid", "minimum", "maximum", "total", "total_squares"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    assert (found.rows, found.unseen) == (expected.rows, expected.unseen)


def of_hours(before, hours, segment):
    return total([before[START_US + hour * HOUR_US, segment] for hour in hours])


def test_the_hours_of_a_day_become_one_profile_with_all_their_counts_in_every_segment(store):
    world = aged_world(store)
    before, windows = own(world), world.windows()
    seal(world)
    assert age(world, 31)
    assert set(merged(world)) == {(*DAY, segment) for segment in SEGMENTS}
    for segment in SEGMENTS:
        exactly(merged(world)[(*DAY, segment)], of_hours(before, MONDAY, segment))
    assert set(own(world)) == {(START_US + hour * HOUR_US, s) for hour in TUESDAY for s in SEGMENTS}
    assert [(w.start_us, w.rows) for w in world.windows()] == [(w.start_us, w.rows) for w in windows]
    assert world.result(0) is not None  # results stay
    assert verify_store(store) == []


def test_days_become_weeks_with_all_their_counts_in_every_segment(store):
    world = aged_world(store, hours=(*MONDAY, *TUESDAY, 10 * 24))
    before = own(world)
    seal(world)
    assert age(world, 401)
    assert set(merged(world)) == {(*WEEK, segment) for segment in SEGMENTS}
    layout, hours = layout_of(world), (*MONDAY, *TUESDAY)
    for segment in SEGMENTS:
        assert difference(
            merged(world)[(*WEEK, segment)], of_hours(before, hours, segment), layout=layout
        ) is None  # fmt: skip
    assert verify_store(store) == []


def test_a_window_that_got_rows_later_joins_the_day_and_then_the_week_when_it_is_of_age(store):
    world = aged_world(store, hours=(*MONDAY, *TUESDAY, 10 * 24))
    before = own(world)
    seal(world)
    late = START_US + TUESDAY[0] * HOUR_US
    with store.write() as conn:
        conn.execute(sa.update(tables.window).where(tables.window.c.start_us == late).values(
            last_received_us=world.clock() + 380 * DAY_US))  # fmt: skip
    assert age(world, 401)
    assert (late, "") in own(world)
    assert merged(world)[(*WEEK, "")].rows == 20 * (len(MONDAY) + len(TUESDAY) - 1)
    assert age(world, 420)  # of age for a day, and too young for a week
    assert {span[:2] for span in merged(world)} == {WEEK, (START_US + DAY_US, START_US + 2 * DAY_US)}
    assert verify_store(store) == []
    assert age(world, 800)
    assert difference(
        merged(world)[(*WEEK, EU)], of_hours(before, (*MONDAY, *TUESDAY), EU), layout=layout_of(world)
    ) is None  # fmt: skip
    assert verify_store(store) == []


def test_only_what_is_sealed_and_of_age_is_merged(store):
    world = aged_world(store)
    assert age(world, 31)
    assert merged(world) == {}  # rows may come to them
    seal(world)
    assert age(world, 29)
    assert merged(world) == {}
    assert age(world, 31, ages=ProfileAges(hours_us=None, days_us=None))
    assert merged(world) == {}


def test_the_newest_windows_of_a_version_keep_their_own_whatever_their_age(store, monkeypatch):
    assert SCALES[-1] < KEPT_WINDOWS  # which the longest scale adds up, and are explained by their profiles
    monkeypatch.setattr(merge_profiles, "KEPT_WINDOWS", len(TUESDAY) + 1)
    world = aged_world(store)
    seal(world)
    assert age(world, 5_000)
    assert merged(world) == {}  # the last hour of Monday is one of them
    monkeypatch.setattr(merge_profiles, "KEPT_WINDOWS", len(TUESDAY))
    assert age(world, 32)
    assert set(merged(world)) == {(*DAY, segment) for segment in SEGMENTS}


def test_a_legal_hold_stops_it_and_it_goes_on_when_that_has_ended(store):
    world = aged_world(store)
    seal(world)
    with store.write() as conn:
        holds.put_hold(conn, model_id=world.model.id, hold=LegalHold(reason="case", since_us=1, by="me"))
    assert age(world, 31)
    assert merged(world) == {}
    with store.write() as conn:
        holds.end_hold(conn, model_id=world.model.id)
    assert age(world, 31)
    assert merged(world)


def between(monkeypatch, act):
    """Does something once after profiles were read and before their sum is written."""
    original, done = Adder._sums, []

    def sums(self, span, parts, *, version_id):
        made = original(self, span, parts, version_id=version_id)
        if not done:
            done.append(True)
            act()
        return made

    monkeypatch.setattr(Adder, "_sums", sums)


def held(world):
    with world.store.write() as conn:
        holds.put_hold(conn, model_id=world.model.id, hold=LegalHold(reason="case", since_us=1, by="me"))


def deleted(world):
    with world.store.write() as conn:
        models.delete_model(conn, name=world.model.name)


def opened(world):
    with world.store.write() as conn:
        conn.execute(sa.update(tables.window).where(tables.window.c.start_us == START_US).values(state="closed"))


def recounted(world):
    with world.store.write() as conn:
        conn.execute(sa.delete(tables.profile).where(tables.profile.c.segment == EU))


@pytest.mark.parametrize("act", [held, deleted, opened, recounted])
def test_whoever_changes_what_was_read_has_nothing_merged(store, monkeypatch, act):
    world = aged_world(store)
    seal(world)
    between(monkeypatch, lambda: act(world))
    assert age(world, 31)
    assert merged(world) == {}
    assert (START_US, "") in own(world)


def test_of_two_processes_that_merge_the_same_one_does(store, monkeypatch):
    world = aged_world(store)
    before = own(world)
    seal(world)
    between(monkeypatch, lambda: age(world, 31))
    assert age(world, 31)
    exactly(merged(world)[(*DAY, "")], of_hours(before, MONDAY, ""))
    assert verify_store(store) == []


def test_a_step_is_bounded_and_the_next_call_goes_on_where_it_was(store, monkeypatch):
    world = aged_world(store)
    before = own(world)
    seal(world)
    monkeypatch.setattr(merge_profiles, "STEP_BYTES", 1)  # a window a step
    merging, calls = ProfileMerging(store, ages=AGES), 1
    while not merging.run(now_us=world.clock() + 31 * DAY_US, steps=3):
        calls += 1
    assert calls == 1 + len(MONDAY) // 3
    exactly(merged(world)[(*DAY, EU)], of_hours(before, MONDAY, EU))
    assert verify_store(store) == []


def test_a_turn_is_over_when_its_time_is_up_and_the_next_goes_on(store, monkeypatch):
    """A step of many segments takes seconds: two hundred of them would hold up upkeep until it counts as hanging."""
    monkeypatch.setattr(merge_profiles, "STEP_WINDOWS", 2)
    monkeypatch.setattr(profile_merging, "TURN_SECONDS", 0.0, raising=False)
    world = aged_world(store)
    before = own(world)
    seal(world)
    merging, turns = ProfileMerging(store, ages=AGES), 1
    while not merging.run(now_us=world.clock() + 31 * DAY_US):
        turns += 1
    assert turns == 4, "three steps of Monday's five hours, and a look that finds nothing"
    exactly(merged(world)[(*DAY, EU)], of_hours(before, MONDAY, EU))


def test_a_version_that_cannot_be_merged_holds_up_no_other(store):
    broken, whole = aged_world(store), aged_world(store, name="other")
    for world in (broken, whole):
        seal(world)
    with store.write() as conn:
        of = tables.profile.c.version_id == broken.version.id
        conn.execute(sa.update(tables.profile).where(of).values(payload=b"\0damaged"))
    assert age(whole, 31)
    assert set(merged(whole)) == {(*DAY, segment) for segment in SEGMENTS}


def test_the_jobs_merge_by_the_clock_and_the_rest_with_the_next_look(store, monkeypatch):
    monkeypatch.setattr(merge_profiles, "STEP_BYTES", 1)
    monkeypatch.setattr(profile_merging.ProfileMerging.run, "__kwdefaults__", {"steps": 3})
    world = aged_world(store)
    seal(world)
    world.clock.now_us += 31 * DAY_US
    world.runner.tick()
    assert merged(world)[(*DAY, "")].rows == 3 * 20
    world.runner.tick()
    assert merged(world)[(*DAY, "")].rows == len(MONDAY) * 20


@pytest.mark.parametrize(
    ("baseline", "reach_days"),
    [
        ({"kind": "same_hour_of_week"}, 56),
        ({"kind": "same_hour"}, 28),
        ({"kind": "rolling", "windows": 48, "gap": 1}, 3),
    ],
)
def test_what_a_moving_baseline_may_ask_for_stays_as_long_as_it_may(store, baseline, reach_days):
    """A window of the age of 30 days has all those before it that it is held against."""
    world = aged_world(store, baseline=baseline)
    seal(world)
    assert age(world, 30 + reach_days - 2)
    assert merged(world) == {}
    assert age(world, 30 + reach_days + 1)
    assert merged(world)[(*DAY, "")].rows == 20 * len(MONDAY)


def test_the_windows_of_a_fixed_baseline_keep_their_own_and_the_others_of_the_day_are_merged(store):
    fixed = {"kind": "windows", "from": "2026-03-02T05:00:00Z", "to": "2026-03-02T13:00:00Z"}
    world = aged_world(store, baseline=fixed)
    seal(world)
    assert age(world, 31)
    asked = {START_US + 5 * HOUR_US, START_US + 10 * HOUR_US}
    assert {start for start, segment in own(world) if start < DAY[1]} == asked
    assert merged(world)[(*DAY, "")].rows == 20 * (len(MONDAY) - 2)
    assert verify_store(store) == []


def test_thresholds_are_learned_of_windows_that_have_a_profile_of_their_own(store):
    world = aged_world(store, rows=100)
    seal(world)
    assert age(world, 31)
    with store.read() as conn:
        found = healthy_windows(conn, version_id=world.version.id, min_rows=1)
    assert sorted(start for start, _ in found) == [START_US + hour * HOUR_US for hour in TUESDAY]


def test_a_simulation_leaves_merged_windows_out_and_says_so(store):
    world = aged_world(store)
    seal(world)
    assert age(world, 31)
    simulator = Simulator(store, evaluator=world.runner.evaluator)
    stretch = simulator.stretch(version_id=world.version.id, from_us=None, to_us=None)
    windows = list(simulator.windows(stretch))
    found = simulator.retry(iter(windows), version_id=world.version.id, sets=[None], now_us=world.clock())
    assert [one.reason for one in found] == ["merged"] * len(MONDAY) + [None] * (len(windows) - len(MONDAY))


def test_segments_that_are_gone_leave_no_merged_profile(store):
    world = aged_world(store)
    seal(world)
    assert age(world, 31)
    id = world.version.id
    with store.write() as conn:
        assert forget_some_of(conn, version_id=id, segments=[EU]) == len(TUESDAY)
        assert [forget_some_merged(conn, version_id=id, segments=[EU, ""]) for _ in range(2)] == [1, 0]
    assert {segment for *_, segment in merged(world)} == {"", US}
    with store.write() as conn:
        while forget_other_segments(conn, version_id=id, kept=[]):
            pass
    assert {segment for *_, segment in merged(world)} == {""}
    with store.write() as conn:
        forget_segments(conn, version_id=id, segments=[""])  # all traffic is no segment that could be forgotten
    assert set(merged(world)) == {(*DAY, "")}


DAMAGES = {
    "merged_rows": lambda m: sa.update(tables.merged_profile).where(m.segment == "").values(rows=m.rows - 1),
    "merged_lost": lambda m: sa.delete(tables.merged_profile),
    "payload": lambda m: sa.update(tables.merged_profile).where(m.segment == EU).values(payload=b"\0"),
}


@pytest.mark.parametrize("code", DAMAGES)
def test_verify_finds_what_is_lost_of_merged_profiles(store, code):
    world = aged_world(store)
    seal(world)
    assert age(world, 31)
    with store.write() as conn:
        conn.execute(DAMAGES[code](tables.merged_profile.c))
    assert code in {fault.code for fault in verify_store(store)}


def test_verify_finds_a_window_that_counts_in_two_places(store):
    world = aged_world(store)
    with store.read() as conn:
        row = conn.execute(sa.select(tables.profile).where(tables.profile.c.segment == "")).first()
    seal(world)
    assert age(world, 31)
    with store.write() as conn:
        conn.execute(sa.insert(tables.profile).values(**row._mapping))
    assert "profile_twice" in {fault.code for fault in verify_store(store)}


def test_days_of_the_models_own_zone_become_its_weeks_and_longer_windows_stay():
    (stage,) = stages(AGES, spec=WindowSpec(length="1d", timezone="Europe/Berlin"))
    assert (stage.age_us, stage.spans.timezone, stage.merged) == (400 * DAY_US, "Europe/Berlin", False)
    for length in ("7d", "1mo"):
        assert stages(AGES, spec=WindowSpec(length=length)) == ()


@pytest.mark.parametrize("text", ["", "30d", "hours", "hours 30d", "hours 30d, then days 1d, then weeks", "days 3d"])
def test_ages_are_written_in_one_way(text):
    if text == "hours":
        assert parse_profile_ages(text) == ProfileAges(hours_us=None, days_us=None)
        return
    with pytest.raises(ValueError, match=r"expected|before"):
        parse_profile_ages(text)
