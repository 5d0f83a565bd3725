"""An erasure beside folds, joins and kills, on both databases: whoever read what is erased comes again."""

from __future__ import annotations

import os
import signal

import numpy as np
import pyarrow as pa
import pytest
import sqlalchemy as sa

from monitor.columns.batch import decode_batch
from monitor.columns.keyed_ids import hash_ids, hash_key
from monitor.evaluate.compact import compact_version
from monitor.evaluate.context import Contexts
from monitor.evaluate.erasing import erase
from monitor.evaluate.fold import Folder
from monitor.evaluate.join import Joiner
from monitor.model.errors import FenceLost
from monitor.model.time import HOUR_US
from monitor.store import erasures, open_store, tables
from monitor.store.batches import count_rows
from monitor.store.erasures import Erasure
from monitor.verify import verify_store
from tests.evaluate.elsewhere import elsewhere
from tests.evaluate.joining import found, join, label, predict
from tests.evaluate.traffic import START_US, hour_of_rows, rows_of

pytestmark = pytest.mark.usefixtures("soon")


def hashes(store, *ids):
    return np.sort(hash_ids(pa.array(ids, pa.string()), key=hash_key(store.secret)))


def ask(world, *ids):
    asked = Erasure(model_id=world.model.id, reason="", by_name="", asked_us=1, ids=len(ids))
    with world.store.write() as conn:
        return erasures.add_erasure(conn, asked, hashes=hashes(world.store, *ids).tolist()).id


def run(store, *, model_id, erasure_id, ids, note=lambda conn: None):
    return erase(store, model_id=model_id, erasure_id=erasure_id, hashes=hashes(store, *ids),
                 progressing=lambda ratio: note)  # fmt: skip


def erased(world, *ids):
    return run(world.store, model_id=world.model.id, erasure_id=ask(world, *ids), ids=ids).records


def stored_ids(store):
    with store.read() as conn:
        query = sa.select(tables.log_payload.c.payload, tables.log_batch.c.codec).join_from(
            tables.log_payload, tables.log_batch
        )
        return sorted(
            id for payload, codec in conn.execute(query)
            for id in decode_batch(bytes(payload), codec).column("id").to_pylist()
        )  # fmt: skip


def fold(world):
    return world.runner.folder.fold_slice(version_id=world.version.id, now_us=world.clock())


def test_a_fold_that_has_read_the_rows_writes_nothing_and_the_next_counts_the_others(world):
    world.post(rows_of(["a", "b"], [START_US, START_US + 1]))
    other = Folder(world.store, contexts=Contexts())
    prepared = other.prepare(version_id=world.version.id, now_us=world.clock())
    assert erased(world, "a") == 1
    with pytest.raises(FenceLost):
        other.commit(prepared)
    assert fold(world).rows == 1
    assert [w.rows for w in world.windows()] == [1]  # it was never counted, and is not now
    assert stored_ids(world.store) == ["b"]
    assert verify_store(world.store) == []


def test_a_fold_into_a_window_that_is_erased_from_does_not_bring_the_id_back(world):
    world.post(rows_of(["a", "b"], [START_US, START_US + 1]))
    fold(world)
    world.post(rows_of(["c"], [START_US + 2]))
    other = Folder(world.store, contexts=Contexts())
    prepared = other.prepare(version_id=world.version.id, now_us=world.clock())
    erased(world, "a")
    with pytest.raises(FenceLost):
        other.commit(prepared)
    fold(world)
    assert [w.rows for w in world.windows()] == [3]
    world.post(rows_of(["a", "b"], [START_US + 3, START_US + 4]))
    fold(world)
    (window,) = world.windows()
    assert (window.rows, window.deduplicated) == (4, 1)  # a is new, b is a repeat
    assert verify_store(world.store) == []


def test_a_join_that_has_read_the_label_writes_nothing(world):
    predict(world, "a", "b")
    label(world, {"a": "yes", "b": "no"})
    raced = []

    def erases_first(self, *args, **more):
        done = original(self, *args, **more)
        if not raced:
            raced.append(erased(world, "a"))
        return done

    original = Joiner._look
    patched = pytest.MonkeyPatch()
    patched.setattr(Joiner, "_look", erases_first)
    try:
        with pytest.raises(FenceLost):
            Joiner(world.store).join(model_id=world.model.id)
    finally:
        patched.undo()
    join(world)
    assert (raced, found(world, "a", "b")) == ([1], {"b": "no"})
    assert verify_store(world.store) == []


def test_compaction_between_listing_and_reading_hides_no_row(world, monkeypatch):
    from monitor.evaluate import erase_log

    for part in range(9):
        world.post(rows_of([f"x{part}", "a"], [START_US + part, START_US + 100 + part]))
        fold(world)
    original, done = erase_log._erase, []

    def compacts_first(*args, **more):
        if not done:
            done.append(compact_version(world.store, version_id=world.version.id))
        return original(*args, **more)

    monkeypatch.setattr(erase_log, "_erase", compacts_first)
    assert erased(world, "a") == 9
    assert done == [9]
    assert stored_ids(world.store) == [f"x{part}" for part in range(9)]
    assert verify_store(world.store) == []


def test_what_is_sent_and_folded_between_its_steps_is_stored_and_counted(world, monkeypatch):
    from monitor.evaluate import erase_log

    for part in range(3):
        world.post(rows_of([f"x{part}", "a"], [START_US + part, START_US + 100 + part]))
    fold(world)
    original, sent = erase_log._erase, []

    def sends_first(*args, **more):
        if len(sent) < 3:
            sent.append(f"new{len(sent)}")
            world.post(rows_of(sent[-1:], [START_US + 200]))
            fold(world)
        return original(*args, **more)

    monkeypatch.setattr(erase_log, "_erase", sends_first)
    assert erased(world, "a") == 3
    assert stored_ids(world.store) == ["new0", "new1", "new2", "x0", "x1", "x2"]
    assert [(w.rows, w.deduplicated) for w in world.windows()] == [(7, 2)]  # a among them, and its repeats
    assert verify_store(world.store) == []


def test_a_batch_of_nothing_else_goes_and_the_order_of_the_others_stays(world):
    for ids in (["a", "a"], ["b"], ["a"]):
        world.post(rows_of(ids, [START_US + n for n in range(len(ids))]))
        fold(world)
    assert erased(world, "a") == 3
    assert stored_ids(world.store) == ["b"]
    assert [(w.rows, w.deduplicated) for w in world.windows()] == [(2, 2)]
    assert verify_store(world.store) == []


def test_sqlite_overwrites_a_large_batch_that_it_frees(world, tmp_path):
    if world.store.dialect != "sqlite":
        pytest.skip("PostgreSQL keeps dead rows until a vacuum, as the documents say")
    rows = [f"r{n}" for n in range(2_000)]
    world.post(rows_of([*rows, "person-4f1c9a7e"], [START_US + n for n in range(2_001)]))
    assert "person-4f1c9a7e" in in_file(tmp_path / "driftline.db")
    erased(world, "person-4f1c9a7e")
    assert "person-4f1c9a7e" not in in_file(tmp_path / "driftline.db")


def in_file(path):
    """What the database's file holds once the log beside it is emptied into it; nothing is vacuumed."""
    elsewhere(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    return path.read_bytes().decode("latin-1")


def test_killed_at_any_step_it_is_done_again_and_everything_is_gone_and_counted_once(world, store_url, tmp_path):
    for hour in range(3):
        world.post(hour_of_rows(hour, rows=20, name="h"))
        world.post(rows_of(["a"], [START_US + hour * HOUR_US + 5]))
        fold(world)
    world.post(rows_of(["a", "z"], [START_US, START_US + 1]))
    label(world, {"a": "yes", "h-0-1": "no"})
    join(world)
    label(world, {"a": "no"})
    id, kills = ask(world, "a"), 0
    while True:
        child = os.fork()
        if child == 0:
            _erase_and_die(store_url, tmp_path, model_id=world.model.id, erasure_id=id, survives=kills)
        if not os.WIFSIGNALED(os.waitpid(child, 0)[1]):
            break
        kills += 1
        assert kills < 50
    assert kills >= 5
    with world.store.read() as conn:
        done = erasures.get_erasure(conn, model_id=world.model.id, id=id)
        assert count_rows(conn, version_id=world.version.id) == (60, 1)
    assert (done.records, done.labels) == (4, 2)
    assert "a" not in stored_ids(world.store)
    assert verify_store(world.store) == []


def _erase_and_die(url, directory, *, model_id, erasure_id, survives):
    """Erases with a store of its own, and is killed in the step behind so many: its transaction never commits."""
    try:
        store = open_store(url, data_dir=directory)
        committed = []

        def note(conn):
            if len(committed) == survives:
                os.kill(os.getpid(), signal.SIGKILL)
            committed.append(1)

        run(store, model_id=model_id, erasure_id=erasure_id, ids=["a"], note=note)
    except BaseException:
        os._exit(3)
    os._exit(0)
