from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from monitor.columns.roles import Roles
from monitor.evaluate.activation import activate
from monitor.evaluate.profile_file import set_profile_file
from monitor.evaluate.recompute import request_recompute
from monitor.evaluate.reference import Origin, set_reference
from monitor.evaluate.relayout import request_relayout
from monitor.evaluate.stored_reference import set_stored_reference
from monitor.model.errors import Conflict, InvalidInput, TooLarge
from monitor.model.schema import Column, Schema
from monitor.model.time import HOUR_US
from monitor.profile import codec
from monitor.profile.dlp import DLP_MEDIA_TYPE, ProfileFile
from monitor.profile.layout import Layout
from monitor.store import layouts, references, runs
from monitor.store.models import get_version_by_id
from monitor.store.schemas import save_schema
from tests.evaluate.traffic import START_US, hour_of_rows, make_world, schema_of, set_usual_reference


@pytest.fixture
def world(store):
    return make_world(store)


def put(world, *tables, origin=None, roles=None, **more):
    return set_reference(
        world.store, version_id=world.version.id, source=lambda: iter(tables), roles=roles or Roles(),
        now_us=world.clock(), origin=origin, **more,
    )  # fmt: skip


def version_of(world):
    with world.store.read() as conn:
        return get_version_by_id(conn, id=world.version.id)[1]


def profile_of(world):
    with world.store.read() as conn:
        version = get_version_by_id(conn, id=world.version.id)[1]
        layout = Layout.decode(layouts.get_layout(conn, id=version.layout_id))
        payload = references.reference_profile(conn, reference_id=version.reference_id)
    return layout, codec.decode(payload, layout)


def plain(rows=300, **columns):
    rng = np.random.default_rng(1)
    return pa.record_batch({"age": rng.normal(size=rows), "plan": rng.choice(["a", "b"], rows), **columns})


def codes(published):
    return {warning["code"] for warning in published.reference.warnings}


def test_a_reference_brings_schema_layout_profile_and_is_active(world):
    made = put(world, plain())
    version = version_of(world)
    assert (made.reference.number, made.reference.rows, made.created) == (1, 300, True)
    assert version.reference_id == made.reference.id
    assert {c.name: c.type for c in schema_of(world).columns} == {"age": "numeric", "plan": "categorical"}
    assert profile_of(world)[1].rows == 300


def test_batching_does_not_change_a_reference(store):
    whole, cut = make_world(store, name="whole"), make_world(store, name="cut")
    table = plain(rows=1_000)
    put(whole, table)
    put(cut, *(table.slice(start, 90) for start in range(0, 1_000, 90)))
    (layout, one), (other_layout, other) = profile_of(whole), profile_of(cut)
    assert layout.digest == other_layout.digest
    np.testing.assert_array_equal(one.counts, other.counts)


def test_the_same_digest_and_roles_again_is_the_same_number_activated(world):
    origin = Origin(digest="sha256:one", media_type="text/csv")
    first = put(world, plain(), origin=origin)
    put(world, plain(rows=400), origin=Origin(digest="sha256:two"))
    again = put(world, plain(), origin=origin)
    assert (again.reference.number, again.created) == (first.reference.number, False)
    assert version_of(world).reference_id == first.reference.id


def test_other_roles_make_another_reference_of_the_same_file(world):
    origin = Origin(digest="sha256:one")
    put(world, plain(), origin=origin)
    other = put(world, plain(), origin=origin, roles=Roles(prediction="plan"))
    assert (other.reference.number, other.created) == (2, True)
    assert schema_of(world).role("prediction").name == "plan"


def test_a_failing_source_leaves_nothing(world):
    def broken():
        yield plain()
        raise OSError("the file ends here")

    with pytest.raises(OSError, match="ends here"):
        set_reference(world.store, version_id=world.version.id, source=broken, roles=Roles(), now_us=world.clock())
    with world.store.read() as conn:
        assert references.list_references(conn, version_id=world.version.id) == []
        assert list(references.unfinished_references(conn, before_us=2**62)) == []
    assert version_of(world).reference_id is None


def test_an_empty_reference_is_refused(world):
    with pytest.raises(InvalidInput, match="no usable row"):
        put(world, plain().slice(0, 0))


def test_too_many_columns_are_refused(world):
    with pytest.raises(TooLarge, match="MAX_COLUMNS"):
        put(world, plain(), max_columns=1)


def test_progress_is_told_in_rows(world):
    told = []
    put(world, plain(), plain(), progress=told.append)
    assert told == [300, 600]


def test_warnings_name_what_the_owner_should_know(world):
    table = plain(
        rows=200, flat=pa.array([7.0] * 200), gone=pa.array([None] * 200, pa.float64()),
        customer_id=pa.array(np.arange(200.0)), code=pa.array([f"k{i}" for i in range(200)]),
    )  # fmt: skip
    made = put(world, table)
    assert codes(made) >= {
        "no_prediction", "no_label", "no_timestamp", "few_rows", "constant", "all_missing", "id_like"
    }  # fmt: skip
    by_column = {(w["code"], w["column"]) for w in made.reference.warnings}
    assert by_column >= {("constant", "flat"), ("all_missing", "gone"), ("id_like", "customer_id"), ("id_like", "code")}


def test_rows_that_cannot_be_used_are_left_out_and_told(world):
    table = plain(rows=4, timestamp=pa.array(["2026-01-01", "never", "2026-01-01", "2026-01-02"]))
    made = put(world, table)
    assert made.reference.rows == 3
    assert "unusable_rows" in codes(made)


def test_a_declared_schema_stays_and_unknown_columns_are_told(world):
    declared = Schema(columns=(Column(name="age", type="numeric"), Column(name="plan", type="text")))
    with world.store.write() as conn:
        save_schema(conn, version_id=world.version.id, schema=declared)
    made = put(world, plain(extra=np.zeros(300)))
    assert schema_of(world) == declared
    assert ("unknown_column", "extra") in {(w["code"], w["column"]) for w in made.reference.warnings}
    assert [c.name for c in profile_of(world)[0].columns] == ["age"]


def test_a_column_that_makes_segments_is_marked_once_and_stays_so(world):
    put(world, plain(), roles=Roles(segment=("plan",)))
    put(world, plain(rows=500))
    assert {c.name: c.segment for c in schema_of(world).columns} == {"age": False, "plan": True}


def test_a_declared_column_is_marked_by_the_reference_that_says_so(world):
    declared = Schema(columns=(Column(name="age"), Column(name="plan", type="categorical", role="context")))
    with world.store.write() as conn:
        save_schema(conn, version_id=world.version.id, schema=declared)
    put(world, plain(), roles=Roles(segment=("plan",)))
    assert {c.name: (c.role, c.segment) for c in schema_of(world).columns} == {
        "age": ("feature", False), "plan": ("context", True),
    }  # fmt: skip


def test_roles_said_once_need_not_be_said_again(world):
    put(world, plain(), roles=Roles(prediction="plan"))
    put(world, plain(rows=500))
    assert schema_of(world).role("prediction").name == "plan"


def test_timestamps_bring_the_history_and_a_calibration(world):
    set_usual_reference(world, hours=70)
    with world.store.read() as conn:
        context = world.runner.evaluator._contexts.load(conn, version_id=world.version.id)
    assert context.calibration.windows == 70
    assert context.calibration.state == "calibrated"


def test_an_earlier_reference_can_be_activated_again(world):
    first = put(world, plain())
    put(world, plain(rows=500))
    back = activate(world.store, version_id=world.version.id, number=1, now_us=world.clock())
    assert (back.reference.id, back.created) == (first.reference.id, False)
    assert version_of(world).reference_id == first.reference.id
    assert profile_of(world)[1].rows == 300


def test_while_nothing_is_folded_a_new_reference_brings_new_cells_and_later_it_keeps_them(world):
    put(world, plain())
    first = version_of(world).layout_id
    put(world, plain(rows=900))
    second = version_of(world).layout_id
    assert first != second
    world.schema = schema_of(world)
    world.post(pa.record_batch({"age": [1.0], "plan": ["a"], "timestamp": pa.array([START_US], pa.timestamp("us"))}))
    world.runner.folder.fold_slice(version_id=world.version.id, now_us=world.clock())
    put(world, plain(rows=700))
    assert version_of(world).layout_id == second


def test_activating_a_reference_counted_in_other_cells_counts_it_again(world):
    put(world, plain())
    put(world, plain(rows=900))
    world.schema = schema_of(world)
    world.post(pa.record_batch({"age": [1.0], "plan": ["a"], "timestamp": pa.array([START_US], pa.timestamp("us"))}))
    world.runner.folder.fold_slice(version_id=world.version.id, now_us=world.clock())
    settled = version_of(world).layout_id
    activate(world.store, version_id=world.version.id, number=1, now_us=world.clock())
    assert version_of(world).layout_id == settled
    assert profile_of(world)[1].rows == 300


def test_windows_judged_without_a_reference_are_judged_again_when_it_comes(world):
    world.post(hour_of_rows(0))
    world.tick_after(0)
    set_usual_reference(world)
    world.runner.tick()
    window = world.windows()[0]
    assert (window.revision, window.reference_number) == (2, 1)
    assert world.numbers(0)["drift", "age", "surprise"][0] is not None


def test_what_is_closed_keeps_its_results_under_a_new_reference_until_it_is_computed_again(world):
    set_usual_reference(world)
    world.post(hour_of_rows(0))
    world.tick_after(0)
    put(world, hour_of_rows(-5, rows=500, seed=3, shift=40.0))
    world.runner.tick()
    assert world.windows()[0].reference_number == 1
    with world.store.write() as conn:
        job = request_recompute(conn, version_id=world.version.id, from_us=None, to_us=None, now_us=world.clock())
    world.runner.tick()
    with world.store.read() as conn:
        done = runs.get_job(conn, id=job)
    assert (done.state, done.progress) == ("done", 1.0)
    assert (world.windows()[0].reference_number, world.windows()[0].revision) == (2, 2)
    assert world.result(0).reference_rows == 500


def test_a_recomputation_takes_only_the_windows_it_was_asked_for(world):
    set_usual_reference(world)
    for hour in range(3):
        world.post(hour_of_rows(hour))
    world.tick_after(2)
    with world.store.write() as conn:
        request_recompute(
            conn, version_id=world.version.id, from_us=START_US + HOUR_US, to_us=START_US + 2 * HOUR_US,
            now_us=world.clock(),
        )  # fmt: skip
    world.runner.tick()
    assert [w.revision for w in world.windows()] == [1, 2, 1]


def test_a_relayout_counts_reference_and_windows_in_new_cells(world):
    set_usual_reference(world)
    world.post(hour_of_rows(0))
    world.tick_after(0)
    put(world, hour_of_rows(-5, rows=900, seed=3))
    old = version_of(world).layout_id
    with world.store.write() as conn:
        job = request_relayout(conn, version_id=world.version.id, number=2, now_us=world.clock())
    world.runner.tick()
    with world.store.read() as conn:
        assert runs.get_job(conn, id=job).state == "done"
        from monitor.store.profiles import get_profile

        layout_id, _ = get_profile(conn, version_id=world.version.id, window_start_us=START_US)
    assert version_of(world).layout_id not in (None, old)
    assert layout_id == version_of(world).layout_id
    assert profile_of(world)[1].rows == 900
    world.post(hour_of_rows(1))
    world.tick_after(1)
    assert world.result(1).status != "unknown" or world.numbers(1)["volume", "", "rows"][1] == "ok"


def test_a_reference_of_stored_rows_drops_repeats_and_keeps_to_its_range(world):
    set_usual_reference(world)
    for hour in range(3):
        world.post(hour_of_rows(hour, rows=100))
    world.post(hour_of_rows(1, rows=100))
    made = set_stored_reference(
        world.store, version_id=world.version.id, from_us=START_US, to_us=START_US + 2 * HOUR_US,
        now_us=world.close_of(3),
    )  # fmt: skip
    assert made.reference.rows == 200
    assert made.reference.source == "stored:2026-03-02T00:00:00Z/2026-03-02T02:00:00Z"
    again = set_stored_reference(
        world.store, version_id=world.version.id, from_us=START_US, to_us=START_US + 2 * HOUR_US,
        now_us=world.close_of(3),
    )  # fmt: skip
    assert (again.reference.number, again.created) == (made.reference.number, False)


def test_a_profile_file_is_a_reference_without_rows(world, store):
    put(world, plain())
    layout, profile = profile_of(world)
    file = ProfileFile(schema=schema_of(world), layout=layout, profile=profile, roles={})
    other = make_world(store, name="other")
    origin = Origin(digest="sha256:dlp", media_type=DLP_MEDIA_TYPE)
    made = set_profile_file(store, version_id=other.version.id, file=file, origin=origin, now_us=other.clock())
    assert made.reference.rows == 300
    np.testing.assert_array_equal(profile_of(other)[1].counts, profile.counts)
    other.schema = schema_of(other)
    other.post(plain(rows=200, timestamp=pa.array([START_US + i for i in range(200)], pa.timestamp("us"))))
    other.tick_after(0)
    assert other.result(0).reference_rows == 300


def test_a_profile_file_cannot_be_counted_in_other_cells(world, store):
    put(world, plain())
    layout, profile = profile_of(world)
    file = ProfileFile(schema=schema_of(world), layout=layout, profile=profile, roles={})
    other = make_world(store, name="other")
    origin = Origin(digest="sha256:dlp", media_type=DLP_MEDIA_TYPE)
    set_profile_file(store, version_id=other.version.id, file=file, origin=origin, now_us=other.clock())
    put(other, plain(rows=900))
    other.schema = schema_of(other)
    other.post(pa.record_batch({"age": [1.0], "plan": ["a"], "timestamp": pa.array([START_US], pa.timestamp("us"))}))
    other.runner.folder.fold_slice(version_id=other.version.id, now_us=other.clock())
    with pytest.raises(Conflict, match="set the reference again"):
        activate(store, version_id=other.version.id, number=1, now_us=other.clock())


def test_two_versions_of_a_model_share_the_cells_of_columns_that_agree(world, store):
    from monitor.model.entities import Version
    from monitor.store.models import insert_version

    set_usual_reference(world)
    world.post(hour_of_rows(0))
    world.tick_after(0)
    with store.write() as conn:
        second = insert_version(conn, Version(model_id=world.model.id, name="2"))
    table = hour_of_rows(-3, rows=700, seed=11).append_column("extra", pa.array(np.arange(700.0)))
    set_reference(store, version_id=second.id, source=lambda: iter([table]), roles=Roles(), now_us=world.clock())
    with store.read() as conn:
        mine = Layout.decode(layouts.get_layout(conn, id=version_of(world).layout_id))
        theirs = Layout.decode(layouts.get_layout(conn, id=get_version_by_id(conn, id=second.id)[1].layout_id))
    for name in ("age", "spend"):
        np.testing.assert_array_equal(mine.columns[mine.index(name)].edges, theirs.columns[theirs.index(name)].edges)
    assert "extra" in theirs.positions


def test_a_version_without_times_learns_from_its_first_healthy_windows(store):
    world = make_world(store)
    set_usual_reference(world, timed=False)
    needed = 30
    for hour in range(needed):
        world.post(hour_of_rows(hour, rows=100), received_us=START_US + hour * HOUR_US)
        world.tick_after(hour)
    with store.read() as conn:
        context = world.runner.evaluator._contexts.load(conn, version_id=world.version.id)
    assert context.calibration.windows == needed
    assert world.numbers(needed - 1)["drift", "age", "surprise"][2] == "learning"
    world.post(hour_of_rows(needed, rows=100))
    world.tick_after(needed)
    assert world.numbers(needed)["drift", "age", "surprise"][1] in ("ok", "warning", "alert")


def test_the_model_row_survives_a_reference_that_names_the_positive_class(world):
    put(world, plain(), roles=Roles(prediction="plan", positive="a"))
    assert version_of(world).positive == "a"
