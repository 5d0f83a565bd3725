import threading

import pytest

from monitor.model.errors import FenceLost, NotFound
from monitor.store import ids, label_quarantine, quarantine
from monitor.store.ids import NewRun
from monitor.store.quarantine import QuarantineRow


def held(version_id, position, raw="{}", **fields):
    return QuarantineRow(
        owner_id=version_id, received_us=position, position=position, code="timestamp", message="no time", raw=raw,
        **fields,
    )  # fmt: skip


def put(store, version_id, count=3):
    with store.write() as conn:
        quarantine.insert_quarantine(conn, [held(version_id, n) for n in range(count)])
        return [row.id for row in quarantine.list_quarantine(conn, version_id=version_id)]


def test_a_quarantined_record_is_kept_with_its_reason_and_roles(store, version_id):
    with store.write() as conn:
        quarantine.insert_quarantine(conn, [held(version_id, 4, '{"a":"\0\ud800ü"}', roles={"label": "y"})])
        [row] = quarantine.list_quarantine(conn, version_id=version_id)
        assert row == held(version_id, 4, '{"a":"\\u0000\\ud800ü"}', roles={"label": "y"}, id=row.id)
        quarantine.insert_quarantine(conn, [])
        assert quarantine.count_quarantine(conn, version_id=version_id) == 1


def test_quarantine_is_listed_in_pages_and_by_what_became_of_it(store, version_id):
    first, second, third = put(store, version_id)
    with store.write() as conn:
        quarantine.take_for_replay(conn, version_id=version_id, now_us=7, ids=[second])

        def found(**which):
            return [row.id for row in quarantine.list_quarantine(conn, version_id=version_id, **which)]

        assert found() == [first, third]
        assert found(replayed=True) == [second]
        assert found(replayed=None, after=first, limit=1) == [second]
        assert quarantine.count_quarantine(conn, version_id=version_id) == 2


def test_a_replay_takes_each_record_once_and_in_order(store, version_id):
    waiting = put(store, version_id, 5)
    with store.write() as conn:
        taken = quarantine.take_for_replay(conn, version_id=version_id, now_us=7, limit=2)
        assert [(row.id, row.replayed_us) for row in taken] == [(id, 7) for id in waiting[:2]]
        rest = quarantine.take_for_replay(conn, version_id=version_id, now_us=8)
        assert [row.id for row in rest] == waiting[2:]
        assert quarantine.take_for_replay(conn, version_id=version_id, now_us=9) == []


def test_a_replay_that_fails_puts_its_records_back(store, version_id):
    waiting = put(store, version_id)

    def replay_and_fail():
        with store.write() as conn:
            quarantine.take_for_replay(conn, version_id=version_id, now_us=7)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        replay_and_fail()
    with store.read() as conn:
        assert [row.id for row in quarantine.list_quarantine(conn, version_id=version_id)] == waiting


def test_replays_at_once_share_the_records_between_them(store, version_id):
    waiting = put(store, version_id, 40)
    taken, barrier = [], threading.Barrier(4)

    def replay():
        barrier.wait(10)
        for _ in range(10):
            with store.write() as conn:
                taken.extend(
                    row.id for row in quarantine.take_for_replay(conn, version_id=version_id, now_us=1, limit=3)
                )

    threads = [threading.Thread(target=replay) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == waiting


def test_quarantine_is_forgotten_by_age(store, version_id):
    put(store, version_id, 4)
    with store.write() as conn:
        assert quarantine.purge_quarantine(conn, before_us=3) == 3
        assert quarantine.count_quarantine(conn, version_id=version_id) == 1


def test_labels_are_kept_aside_by_their_model(store, make_version):
    churn, other = make_version("churn").model.id, make_version("other").model.id
    with store.write() as conn:
        label_quarantine.insert_quarantine(conn, [held(churn, n, roles={"id": "key"}) for n in range(3)])
        label_quarantine.insert_quarantine(conn, [held(other, 7)])
        [first, second, third] = label_quarantine.list_quarantine(conn, model_id=churn)
        assert first == held(churn, 0, roles={"id": "key"}, id=first.id)
        assert label_quarantine.list_quarantine(conn, model_id=churn, after=first.id, limit=1) == [second]
        assert label_quarantine.take_for_replay(conn, model_id=churn, now_us=9, limit=2)[1].id == second.id
        assert label_quarantine.list_quarantine(conn, model_id=churn) == [third]
        assert label_quarantine.count_quarantine(conn, model_id=churn) == 1
        assert label_quarantine.purge_quarantine(conn, before_us=2) == 2
        assert label_quarantine.count_quarantine(conn, model_id=other) == 1


def add(conn, version_id, window_start_us=0, payload=b"\0keys", level=0):
    run = NewRun(level=level, keys=3, payload=payload, prefix=1)
    return ids.add_run(conn, version_id=version_id, window_start_us=window_start_us, run=run)


def test_runs_of_a_window_are_listed_oldest_first_without_their_keys(store, version_id):
    with store.write() as conn:
        first, _, last = add(conn, version_id), add(conn, version_id, 10), add(conn, version_id, payload=b"x", level=2)
        found = ids.id_runs(conn, version_id=version_id, window_start_us=0)
        assert [(r.id, r.level, r.prefix, r.keys, r.bytes) for r in found] == [(first, 0, 1, 3, 5), (last, 2, 1, 3, 1)]
        assert ids.run_payload(conn, id=first) == b"\0keys"
        with pytest.raises(NotFound):
            ids.run_payload(conn, id=last + 1)


def test_merged_runs_take_the_place_of_those_they_were_made_of(store, version_id):
    with store.write() as conn:
        old = [add(conn, version_id) for _ in range(3)]
        new = ids.replace_runs(
            conn, version_id=version_id, window_start_us=0, remove_ids=old[:2],
            runs=[NewRun(level=1, keys=6, payload=b"merged"), NewRun(level=1, keys=1, payload=b"more")],
        )  # fmt: skip
        assert [r.id for r in ids.id_runs(conn, version_id=version_id, window_start_us=0)] == [old[2], *new]


def test_a_merge_of_runs_that_are_gone_is_refused_and_leaves_nothing(store, version_id):
    with store.write() as conn:
        old = [add(conn, version_id), add(conn, version_id, 10)]
    with pytest.raises(FenceLost), store.write() as conn:
        ids.replace_runs(conn, version_id=version_id, window_start_us=0, remove_ids=old, runs=[])
    with store.read() as conn:
        assert [r.id for r in ids.id_runs(conn, version_id=version_id, window_start_us=0)] == old[:1]
