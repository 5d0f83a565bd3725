"""References cut anew: what is configured holds, and nothing of other rows stays."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from monitor.columns.roles import Roles
from monitor.evaluate import relayout as relayout_module
from monitor.evaluate import resegment as resegment_module
from monitor.evaluate.context import Contexts
from monitor.evaluate.recompute import request_recompute
from monitor.evaluate.reference import set_reference
from monitor.model.errors import FenceLost
from monitor.model.results import CheckState, Transition
from monitor.model.time import HOUR_US
from monitor.store import tables, verdicts
from monitor.store.baselines import usable_windows
from monitor.store.calibrations import calibration_made_us
from monitor.store.models import get_version_by_id
from monitor.store.reference_segments import reference_segment, reference_segments
from monitor.store.references import get_reference
from monitor.store.windows import mark_dirty
from tests.evaluate.slicing import (
    LAW,
    PICKED,
    SEGMENTS,
    check_windows,
    look,
    post_all,
    posts,
    records,
    segmented,
    take,
    want,
)
from tests.evaluate.traffic import START_US, make_world

OTHERS = [
    {"name": "old", "where": {"age": {"gte": 60}}},
    {"by": "region", "top": 1},
    {"name": "north-or-none", "where": {"any": [{"region": "north"}, {"region": {"is_null": True}}]}},
]
OTHERS_PICKED = {
    "old": lambda rows: rows.age >= 60,
    "region=north": lambda rows: rows.region == "north",
    "region=(other)": lambda rows: rows.region != "north",
    "north-or-none": PICKED["north-or-none"],
}
CHOICES = {"first": (SEGMENTS, PICKED), "second": (OTHERS, OTHERS_PICKED), "none": ([], {})}
JUDGED = {"checks": [{"name": "drift", "kind": "drift", "segments": ["*"]}]}
resegmenting = st.lists(
    st.one_of(
        st.lists(records, min_size=1, max_size=20), st.sampled_from(["fold", "restart", "tick"]),
        st.sampled_from(list(CHOICES)),
    ),
    min_size=2, max_size=8,
)  # fmt: skip


@LAW
@given(steps=resegmenting, wanted=st.sampled_from(list(CHOICES)), judged=st.sampled_from([{}, JUDGED]))
def test_profiles_are_those_of_the_segments_there_are_however_often_these_change(store, steps, wanted, judged):
    world, posted = segmented(store, **judged), []
    for step in [*steps, wanted]:
        if isinstance(step, str) and step in CHOICES:
            want(world, CHOICES[step][0])
            look(world)
        else:
            take(world, step, posted)
    everywhere = [[(f"last-{n}", START_US + n * HOUR_US, 60.0, "north") for n in range(3)]]  # each window gets a row
    post_all(world, everywhere)
    posted += everywhere
    check_windows(world, posted, picked=CHOICES[wanted][1])
    with store.read() as conn:
        stored = conn.execute(
            sa.select(tables.profile.c.segment).where(tables.profile.c.version_id == world.version.id)
        )
        assert set(stored.scalars()) <= {"", *CHOICES[wanted][1]}


def sides(world):
    """Segment → (what is kept of it in the reference, when it was calibrated)."""
    with world.store.read() as conn:
        id = get_version_by_id(conn, id=world.version.id)[1].reference_id
        of = {"version_id": world.version.id, "reference_id": id}
        return {
            one.segment: (
                reference_segment(conn, reference_id=id, segment=one.segment),
                calibration_made_us(conn, **of, segment=one.segment),
            )
            for one in reference_segments(conn, reference_id=id)
        }


def test_a_reference_cut_anew_is_what_it_would_be_had_it_been_set_so(store):
    world, other = segmented(store, **JUDGED), segmented(store, segments=OTHERS, **JUDGED)
    before = sides(world)
    want(world, OTHERS)
    look(world)
    after, expected = sides(world), sides(other)
    assert {name: side for name, (side, _) in after.items()} == {
        name: replace(side, layout_id=after[name][0].layout_id) for name, (side, _) in expected.items()
    }
    assert list(after) == list(OTHERS_PICKED)
    # What is the same segment keeps what was learned of it; the others have learned now.
    kept = {name for name, (_, made_us) in after.items() if made_us == START_US}
    assert kept == {"region=north", "north-or-none"}
    assert before["old"][0].profile != after["old"][0].profile
    assert None not in {made_us for _, made_us in after.values()}


def test_a_check_that_comes_to_a_segment_has_it_learned(store):
    world = segmented(store)
    assert {made_us for _, made_us in sides(world).values()} == {None}
    want(world, SEGMENTS, checks=[{"name": "drift", "kind": "drift", "segments": ["old"]}])
    look(world)
    assert {name for name, (_, made_us) in sides(world).items() if made_us is not None} == {"old"}


def test_what_fires_in_a_segment_ends_with_it(store):
    world = segmented(store)
    common = {"check": "drift", "kind": "drift", "severity": "warning", "window_start_us": 1, "window_end_us": 2,
              "value": 0.5, "threshold": 0.2, "rows": 9, "columns": ()}  # fmt: skip
    with store.write() as conn:
        states = [
            CheckState(
                **common, segment=segment, status=status, unknown_reason=None, since_us=1, needs=None, columns_failing=1
            )
            for segment, status in (("", "alert"), ("old", "alert"), ("region=south", "ok"), ("region=north", "alert"))
        ]
        verdicts.put_states(conn, version_id=world.version.id, states=states)
        fired = [
            Transition(**common, segment=state.segment, from_status="ok", status="alert", at_us=1, explanation="")
            for state in states if state.status == "alert"
        ]  # fmt: skip
        verdicts.add_transitions(conn, model_id=world.model.id, version_id=world.version.id, transitions=fired)
    want(world, [{"by": "region", "top": 1}])
    look(world)
    with store.read() as conn:
        assert set(verdicts.get_states(conn, version_id=world.version.id)) == {("drift", ""), ("drift", "region=north")}
        found = [(t.transition.segment, t.transition.status, t.state) for t in verdicts.list_transitions(conn)]
    assert found == [
        ("old", "ok", "resolved"), ("region=north", "alert", "firing"), ("old", "alert", "resolved"),
        ("", "alert", "firing"),
    ]  # fmt: skip


def test_warnings_of_segments_are_those_of_the_segments_wanted_now(store):
    world = segmented(store, segments=[{"by": "regoin"}])

    def warned():
        with store.read() as conn:
            return [warning["code"] for warning in get_reference(conn, version_id=world.version.id).warnings]

    others = [code for code in warned() if code != "segment_column"]
    assert len(others) == len(warned()) - 1
    want(world, SEGMENTS)
    look(world)
    assert warned() == others


def test_two_segments_of_one_name_are_told_of_until_there_is_one(store):
    """The value ``b=c`` of one column and ``c`` of the other are both called so."""
    rows = pa.table({
        "a": ["b=c", "d"] * 100, "a=b": ["c", "c", "e", "e"] * 50, "age": [float(n % 40) for n in range(200)],
        "prediction": ["yes"] * 200,
    }).to_batches()  # fmt: skip
    world = make_world(store, model={"settings": {"segments": [{"by": "a"}, {"by": "a=b"}]}})
    set_reference(store, version_id=world.version.id, source=lambda: iter(rows), roles=Roles(), now_us=world.clock())

    def told():
        with store.read() as conn:
            warnings = get_reference(conn, version_id=world.version.id).warnings
        return [(one["code"], one["column"]) for one in warnings if one["code"] == "segment_name"]

    assert told() == [("segment_name", "a=b")]
    assert list(sides(world)) == ["a=b=c", "a=d", "a=(other)", "a=b=e", "a=b=(other)"]
    want(world, [{"by": "a=b"}])
    look(world)
    assert told() == []
    assert list(sides(world)) == ["a=b=c", "a=b=e", "a=b=(other)"]


def test_a_reference_that_changed_while_it_was_cut_is_cut_again(store, monkeypatch):
    world = segmented(store)
    want(world, OTHERS)
    original, happened = resegment_module._sides, []

    def and_then(store, asked, **named):
        made = original(store, asked, **named)
        if not happened:
            happened.append(want(world, [{"by": "region", "top": 1}]))
        return made

    monkeypatch.setattr(resegment_module, "_sides", and_then)
    look(world)
    look(world)
    assert list(sides(world)) == ["region=north", "region=(other)"]


def test_segments_that_changed_while_a_relayout_counted_the_old_ones_are_in_force_after_it(store, monkeypatch):
    """The service has seen by then that they are cut as they are configured, and looks no more."""
    world = segmented(store)
    original = relayout_module.profile_again

    def and_then(*given, **named):
        made = original(*given, **named)
        want(world, OTHERS)
        for _ in range(3):
            look(world)
        assert set(sides(world)) == set(OTHERS_PICKED)
        return made

    monkeypatch.setattr(relayout_module, "profile_again", and_then)
    relayout_module.relayout(
        store, contexts=Contexts(), version_id=world.version.id, number=1, now_us=world.clock(),
        progressing=lambda _: lambda _: None,
    )  # fmt: skip
    for _ in range(3):
        look(world)
    assert set(sides(world)) == set(OTHERS_PICKED)


def test_what_a_changed_name_stood_for_is_gone_before_the_transaction_that_changes_it(store, monkeypatch):
    """Removing it there held up everybody who writes; what stays the same segment is kept."""
    world = segmented(store)
    post_all(world, posts(1))
    want(world, OTHERS)
    original, left = resegment_module._take_up, []

    def and_then(conn, *given, **named):
        left.extend(conn.execute(sa.select(tables.profile.c.segment).distinct()).scalars())
        return original(conn, *given, **named)

    monkeypatch.setattr(resegment_module, "_take_up", and_then)
    look(world)
    assert sorted(left) == ["", "north-or-none", "region=north", "region=south"]
    post_all(world, posts(2))
    check_windows(world, [*posts(1), *posts(2)], picked=OTHERS_PICKED)


def test_a_job_killed_between_its_steps_is_finished_by_the_next(store, monkeypatch):
    world = segmented(store)
    post_all(world, posts(1))
    want(world, OTHERS)
    original = resegment_module._forget_some

    def stops(*given, **named):
        monkeypatch.setattr(resegment_module, "_forget_some", original)
        raise FenceLost("the process stopped")

    monkeypatch.setattr(resegment_module, "_forget_some", stops)
    look(world)
    look(world)
    with store.read() as conn:
        stored = conn.execute(sa.select(tables.profile.c.segment).distinct()).scalars()
        assert set(stored) <= {"", *OTHERS_PICKED}
    post_all(world, posts(2))
    check_windows(world, [*posts(1), *posts(2)], picked=OTHERS_PICKED)


@pytest.mark.parametrize("afresh", [False, True])
def test_windows_from_before_the_change_are_cut_again_when_they_are_judged_again(store, afresh):
    world = segmented(store, **JUDGED)
    post_all(world, posts(1, rows=200))
    world.tick_after(2)
    check_windows(world, posts(1, rows=200))
    want(world, OTHERS)
    look(world)
    assert {window.segmentation for window in world.windows()} == {None}
    with store.write() as conn:
        if afresh:
            request_recompute(conn, version_id=world.version.id, from_us=None, to_us=None, now_us=world.clock())
        else:
            mark_dirty(conn, version_id=world.version.id)
    world.runner.tick()
    check_windows(world, posts(1, rows=200), picked=OTHERS_PICKED)


def test_rows_that_come_while_segments_are_taken_away_are_in_them_when_they_are_back_before_the_job(store):
    """What is stored of a segment meanwhile is nothing, for windows are merged and learned from as they are stored."""
    world, first, second = segmented(store), posts(1), posts(2, hours=2)
    post_all(world, first)
    want(world, [])
    post_all(world, second)
    want(world, SEGMENTS)
    with store.read() as conn:
        query = sa.select(tables.profile.c.window_start_us, tables.profile.c.segment)
        stored = conn.execute(query.where(tables.profile.c.version_id == world.version.id)).all()
    assert {start for start, segment in stored if segment} == {START_US + 2 * HOUR_US}
    assert {start for start, segment in stored if not segment} == {START_US + hour * HOUR_US for hour in range(3)}
    third = [[(f"id3-{hour}", START_US + hour * HOUR_US, 60.0, "north") for hour in range(3)]]
    post_all(world, third)
    check_windows(world, [*first, *second, *third])


def test_a_name_that_stands_for_other_rows_begins_without_windows_and_what_stays_the_same_keeps_them(store):
    world = segmented(store)
    post_all(world, posts(1, rows=200))
    want(world, OTHERS)
    look(world)

    def windows(segment):
        with store.read() as conn:
            layout_id = get_version_by_id(conn, id=world.version.id)[1].layout_id
            of = {"version_id": world.version.id, "layout_id": layout_id, "least_rows": 1, "to_us": 2**62}
            return len(usable_windows(conn, **of, segment=segment))

    assert {name: windows(name) for name in ("old", "region=(other)", "region=south", "region=north", "")} == {
        "old": 0, "region=(other)": 0, "region=south": 0, "region=north": 3, "": 3,
    }  # fmt: skip
