from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from monitor.evaluate import compact
from monitor.evaluate.compact import compact_version
from monitor.evaluate.context import Contexts
from monitor.evaluate.fold import Folder
from monitor.evaluate.reprofile import reprofile
from monitor.model.errors import FenceLost
from monitor.model.time import HOUR_US
from monitor.profile import codec
from monitor.profile.layout import Layout
from monitor.store import layouts
from monitor.store.batches import count_rows, overlapping, payloads
from monitor.store.ids import id_runs
from monitor.store.models import get_version_by_id
from monitor.store.profiles import get_profile
from tests.evaluate.traffic import START_US, hour_of_rows, make_world, rows_of, schema_of, set_usual_reference


def fold(world):
    return world.runner.folder.fold_slice(version_id=world.version.id, now_us=world.clock())


def profile_of(world, hour=0):
    with world.store.read() as conn:
        layout_id, payload = get_profile(conn, version_id=world.version.id, window_start_us=START_US + hour * HOUR_US)
        layout = Layout.decode(layouts.get_layout(conn, id=layout_id))
    return codec.decode(payload, layout)


def test_a_fold_takes_every_waiting_batch_once(world):
    world.post(hour_of_rows(0, rows=30))
    world.post(hour_of_rows(1, rows=20))
    folded = fold(world)
    assert (folded.fold, folded.rows, folded.deduplicated, folded.more) == (1, 50, 0, False)
    assert fold(world) is None
    assert [window.rows for window in world.windows()] == [30, 20]
    with world.store.read() as conn:
        assert count_rows(conn, version_id=world.version.id) == (50, 0)


def test_stored_is_profiled_and_deduplicated_and_waiting(world):
    world.post(hour_of_rows(0, rows=30))
    world.post(hour_of_rows(0, rows=30))
    fold(world)
    world.post(hour_of_rows(0, rows=7, name="later"))
    with world.store.read() as conn:
        folded, waiting = count_rows(conn, version_id=world.version.id)
    window = world.windows()[0]
    assert (folded, waiting) == (60, 7)
    assert window.rows + window.deduplicated == folded


def test_of_records_that_repeat_an_id_the_first_folded_wins(world):
    world.post(rows_of(["a"], [START_US], seed=1))
    fold(world)
    world.post(rows_of(["a", "b"], [START_US + 1, START_US + 2], seed=2))
    fold(world)
    first = rows_of(["a"], [START_US], seed=1).column("age")[0].as_py()
    second = rows_of(["a", "b"], [START_US + 1, START_US + 2], seed=2).column("age")[1].as_py()
    layout_position = 0
    profile = profile_of(world)
    assert profile.rows == 2
    assert sorted([profile.minimum[layout_position], profile.maximum[layout_position]]) == sorted([first, second])


def test_the_same_id_in_two_windows_is_two_records(world):
    world.post(rows_of(["a", "a"], [START_US, START_US + HOUR_US]))
    fold(world)
    assert [(w.rows, w.deduplicated) for w in world.windows()] == [(1, 0), (1, 0)]


def test_two_folders_of_the_same_batches_write_once(world):
    world.post(hour_of_rows(0, rows=40))
    other = Folder(world.store, contexts=Contexts())
    prepared = other.prepare(version_id=world.version.id, now_us=world.clock())
    assert fold(world).rows == 40
    with pytest.raises(FenceLost):
        other.commit(prepared)
    window = world.windows()[0]
    assert (window.rows, window.deduplicated) == (40, 0)


def test_a_lost_claim_leaves_nothing_behind(world):
    world.post(hour_of_rows(0, rows=40))

    def lost(conn):
        raise FenceLost("somebody took it over")

    with pytest.raises(FenceLost):
        world.runner.folder.fold_slice(version_id=world.version.id, now_us=world.clock(), guard=lost)
    assert world.windows() == []
    with world.store.read() as conn:
        assert count_rows(conn, version_id=world.version.id) == (0, 40)
        assert id_runs(conn, version_id=world.version.id, window_start_us=START_US) == []
        assert get_version_by_id(conn, id=world.version.id)[1].fold_seq == 0


def test_a_large_backlog_is_folded_slice_by_slice(world):
    folder = Folder(world.store, contexts=Contexts(), slice_rows=100)
    for part in range(5):
        world.post(hour_of_rows(0, rows=60, name=f"p{part}"))
    slices = []
    while (folded := folder.fold_slice(version_id=world.version.id, now_us=world.clock())) is not None:
        slices.append(folded.rows)
    assert sum(slices) == 300
    assert max(slices) <= 120
    assert world.windows()[0].rows == 300


def test_a_profile_made_again_is_the_one_that_folding_made(world):
    for part in range(4):
        world.post(hour_of_rows(0, rows=50, seed=part, name=f"p{part % 2}"))
        fold(world)
    live = profile_of(world)
    schema = schema_of(world)
    with world.store.read() as conn:
        version = get_version_by_id(conn, id=world.version.id)[1]
        layout = Layout.decode(layouts.get_layout(conn, id=version.layout_id))
    again = reprofile(
        world.store, version_id=world.version.id, schema=schema, layout=layout, start_us=START_US,
        end_us=START_US + HOUR_US,
    )  # fmt: skip
    assert (again.rows, again.deduplicated) == (100, 100)
    for name in ("counts", "missing", "invalid", "minimum", "maximum"):
        np.testing.assert_array_equal(getattr(again.profile, name), getattr(live, name))
    np.testing.assert_allclose(again.profile.total, live.total, rtol=1e-12)


@pytest.mark.parametrize("read_bytes", [compact.READ_BYTES, 1])
def test_compaction_keeps_the_rows_and_which_repeat_won(world, read_bytes, monkeypatch):
    monkeypatch.setattr(compact, "READ_BYTES", read_bytes)  # of 1: each batch is a page of its own
    for part in range(20):
        world.post(hour_of_rows(0, rows=5, seed=part, name=f"p{part % 7}"))
        if part % 3 == 0:
            fold(world)
    fold(world)
    before = profile_of(world)
    assert compact_version(world.store, version_id=world.version.id) == 20
    with world.store.read() as conn:
        assert len(overlapping(conn, version_id=world.version.id, start_us=0, end_us=2**62)) == 1
        version = get_version_by_id(conn, id=world.version.id)[1]
        layout = Layout.decode(layouts.get_layout(conn, id=version.layout_id))
    again = reprofile(
        world.store, version_id=world.version.id, schema=schema_of(world), layout=layout, start_us=START_US,
        end_us=START_US + HOUR_US,
    ).profile  # fmt: skip
    np.testing.assert_array_equal(again.counts, before.counts)
    np.testing.assert_array_equal(again.minimum, before.minimum)


def test_compaction_reads_a_page_at_a_time_and_lets_go_of_it(world, monkeypatch):
    for part in range(12):
        world.post(hour_of_rows(0, rows=5, seed=part, name=f"p{part}"))
    fold(world)
    size = max(info.bytes for info in _batches(world))
    pages, sizes = [], []

    def paged(conn, *, ids):
        pages.append(payloads(conn, ids=ids))
        sizes.append(sum(len(body) for body, _ in pages[-1].values()))
        return pages[-1]

    monkeypatch.setattr(compact, "READ_BYTES", 3 * size)
    monkeypatch.setattr(compact, "payloads", paged)
    assert compact_version(world.store, version_id=world.version.id) == 12
    assert len(pages) >= 4
    assert max(sizes) <= 3 * size
    assert not any(pages)


def test_compaction_packs_what_comes_before_a_batch_that_went_meanwhile(world, monkeypatch):
    for part in range(10):
        world.post(hour_of_rows(0, rows=5, seed=part, name=f"p{part}"))
    fold(world)
    ids = [info.id for info in _batches(world)]

    def without_the_sixth(conn, *, ids_, gone=ids[5]):
        return {id: stored for id, stored in payloads(conn, ids=ids_).items() if id != gone}

    monkeypatch.setattr(compact, "READ_BYTES", 1)
    monkeypatch.setattr(compact, "payloads", lambda conn, *, ids: without_the_sixth(conn, ids_=ids))
    assert compact_version(world.store, version_id=world.version.id) == 5
    assert [info.rows for info in _batches(world)] == [25, 5, 5, 5, 5, 5]


def _batches(world):
    with world.store.read() as conn:
        return overlapping(conn, version_id=world.version.id, start_us=0, end_us=2**62)


def test_records_sent_before_any_schema_are_folded_and_the_schema_inferred_after_a_thousand(store):
    world = make_world(store)
    world.post(hour_of_rows(0, rows=400))
    fold(world)
    assert schema_of(world) is None
    world.post(hour_of_rows(0, rows=700, name="more"))
    fold(world)
    schema = schema_of(world)
    assert schema.inferred
    types = {column.name: column.type for column in schema.columns}
    assert types == {"age": "numeric", "spend": "numeric", "region": "categorical", "prediction": "categorical"}
    assert world.windows()[0].rows == 1_100


def test_the_first_closed_window_is_enough_to_infer_the_schema(store):
    world = make_world(store)
    world.post(hour_of_rows(0, rows=20))
    world.tick_after(0)
    assert schema_of(world).inferred


def test_rows_folded_before_the_reference_are_profiled_from_what_is_stored(store):
    world = make_world(store)
    world.post(hour_of_rows(0, rows=120))
    world.tick_after(0)
    assert world.result(0).reference_number is None
    set_usual_reference(world)
    world.post(hour_of_rows(0, rows=30, name="late"))
    fold(world)
    assert profile_of(world).rows == 150


def test_batches_sent_with_other_columns_fold_together(world):
    world.schema = world.schema_id = None
    world.post(hour_of_rows(0, rows=10, name="whole"))
    world.post(hour_of_rows(0, rows=10, name="part").drop_columns(["region", "spend"]))
    odd = hour_of_rows(0, rows=2, name="odd").drop_columns(["age"])
    world.post(odd.append_column("age", pa.array(["forty", "41"])))
    fold(world)
    profile = profile_of(world)
    assert profile.rows == 22
    assert profile.missing.tolist()[1:3] == [10, 10]
    assert profile.invalid.tolist()[0] == 2
