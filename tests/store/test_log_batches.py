from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.model.errors import FenceLost, NotFound
from monitor.store import batches, models
from monitor.store.batches import BatchInfo, NewBatch


def batch(version_id, *, rows=1, payload=b"x", t_min_us=0, t_max_us=0, received_us=1, **fields):
    return NewBatch(
        version_id=version_id, received_us=received_us, t_min_us=t_min_us, t_max_us=t_max_us, rows=rows,
        schema_id=fields.pop("schema_id", None), payload=payload, **fields,
    )  # fmt: skip


def everything(conn, version_id):
    return batches.overlapping(conn, version_id=version_id, start_us=-(2**62), end_us=2**62)


def fold(conn, version_id, ids):
    _, version = models.get_version_by_id(conn, id=version_id)
    return batches.mark_folded(conn, version_id=version_id, ids=ids, fold_seen=version.fold_seq)


def test_a_batch_comes_back_as_it_was_stored(store, version_id):
    new = batch(version_id, rows=3, payload=bytes(range(256)) * 500, t_min_us=-5, t_max_us=9, codec="zstd", schema_id=4)
    with store.write() as conn:
        [id] = batches.insert_batches(conn, [new])
    with store.read() as conn:
        expected = BatchInfo(
            id=id, version_id=version_id, received_us=1, t_min_us=-5, t_max_us=9, rows=3, schema_id=4, fold=None,
            codec="zstd", bytes=128_000, position=id,
        )  # fmt: skip
        assert everything(conn, version_id) == [expected]
        assert batches.payload(conn, id=id) == (new.payload, "zstd")
        assert batches.payloads(conn, ids=[id, id + 1]) == {id: (new.payload, "zstd")}
        with pytest.raises(NotFound):
            batches.payload(conn, id=id + 1)


def test_ids_come_in_the_order_of_the_batches_and_grow(store, version_id):
    with store.write() as conn:
        ids = batches.insert_batches(conn, [batch(version_id, payload=str(n).encode()) for n in range(500)])
        assert ids == sorted(ids)
        found = batches.payloads(conn, ids=ids)
        assert [found[id][0] for id in ids] == [str(n).encode() for n in range(500)]
        assert batches.insert_batches(conn, []) == []


def test_what_waits_is_given_oldest_first_until_it_is_enough(store, version_id, monkeypatch):
    monkeypatch.setattr(batches, "_PAGE", 2)
    with store.write() as conn:
        ids = batches.insert_batches(conn, [batch(version_id, rows=rows) for rows in (3, 3, 100, 1, 1)])
        for max_rows, count in ((1, 1), (3, 1), (4, 2), (6, 2), (7, 3), (106, 3), (107, 4), (10**9, 5)):
            found = batches.unfolded(conn, version_id=version_id, max_rows=max_rows)
            assert [b.id for b in found] == ids[:count], max_rows


def test_versions_that_wait_say_how_much_and_since_when(store, make_version):
    first, second = make_version(version="1").version.id, make_version(version="2").version.id
    with store.write() as conn:
        [done] = batches.insert_batches(conn, [batch(first, rows=100)])
        fold(conn, first, [done])
        batches.insert_batches(conn, [
            batch(first, rows=2, received_us=8, t_min_us=3, t_max_us=5), batch(second, rows=7, received_us=9),
            batch(first, rows=3, received_us=7, t_min_us=2, t_max_us=4),
        ])  # fmt: skip
        assert batches.unfolded_versions(conn) == [(first, 5, 7, 5), (second, 7, 9, 0)]
        assert [(w.version_id, w.rows, w.t_min_us, w.t_max_us) for w in batches.waiting_versions(conn)] == [
            (first, 5, 2, 5), (second, 7, 0, 0)
        ]  # fmt: skip
        assert batches.count_rows(conn, version_id=first) == (100, 5)
        assert batches.time_range(conn, version_id=first) == (0, 5)


def test_folding_takes_exactly_the_named_batches_and_counts_up(store, version_id):
    with store.write() as conn:
        ids = batches.insert_batches(conn, [batch(version_id) for _ in range(3)])
        assert fold(conn, version_id, ids[1:]) == 1
        assert [b.id for b in batches.unfolded(conn, version_id=version_id, max_rows=9)] == ids[:1]
        assert fold(conn, version_id, ids[:1]) == 2
        assert [(b.id, b.fold) for b in everything(conn, version_id)] == [(ids[1], 1), (ids[2], 1), (ids[0], 2)]


@pytest.mark.parametrize("case", ["seen too early", "folded already", "gone", "of another version"])
def test_a_fold_that_is_not_exact_is_refused_and_leaves_nothing(case, store, make_version):
    version_id, other = make_version(version="1").version.id, make_version(version="2").version.id
    with store.write() as conn:
        ids = batches.insert_batches(conn, [batch(version_id), batch(version_id), batch(other)])
        fold(conn, version_id, ids[:1])
    taken, seen = {
        "seen too early": (ids[1:2], 0), "folded already": (ids[:2], 1), "gone": ([ids[1], 10**6], 1),
        "of another version": (ids[1:], 1),
    }[case]  # fmt: skip
    with pytest.raises(FenceLost), store.write() as conn:
        batches.mark_folded(conn, version_id=version_id, ids=taken, fold_seen=seen)
    with store.read() as conn:
        assert [b.id for b in batches.unfolded(conn, version_id=version_id, max_rows=9)] == ids[1:2]
        assert models.get_version_by_id(conn, id=version_id)[1].fold_seq == 1


def test_batches_of_a_span_are_those_with_a_record_in_it(store, version_id):
    spans = [(0, 9), (10, 19), (5, 15), (20, 29), (0, 40)]
    with store.write() as conn:
        batches.insert_batches(conn, [batch(version_id, t_min_us=a, t_max_us=b) for a, b in spans])
        found = batches.overlapping(conn, version_id=version_id, start_us=10, end_us=20)
        assert [(b.t_min_us, b.t_max_us) for b in found] == [(10, 19), (5, 15), (0, 40)]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_in_fold_order_and_in_time_order_leave_nothing_out(limit, store, version_id):
    with store.write() as conn:
        ids = batches.insert_batches(conn, [batch(version_id, t_min_us=n % 3, t_max_us=9) for n in range(9)])
        fold(conn, version_id, [ids[4], ids[0]])
        fold(conn, version_id, [ids[2], ids[7]])
        in_fold_order = [ids[n] for n in (0, 4, 2, 7, 1, 3, 5, 6, 8)]
        in_time_order = [ids[n] for n in (0, 3, 6, 1, 4, 7, 2, 5, 8)]
        for list_, expected in ((batches.overlapping, in_fold_order), (batches.by_time, in_time_order)):
            found: list[BatchInfo] = []
            while page := list_(
                conn, version_id=version_id, start_us=0, end_us=9, after=found[-1] if found else None, limit=limit
            ):
                found += page
            assert [b.id for b in found] == expected


# Compaction


def compact(conn, version_id, run):
    """Replaces the run by one batch whose payload is its payloads joined."""
    bodies = batches.payloads(conn, ids=[b.id for b in run])
    new = batch(
        version_id, rows=sum(b.rows for b in run), payload=b"".join(bodies[b.id][0] for b in run), codec="zstd",
        t_min_us=min(b.t_min_us for b in run), t_max_us=max(b.t_max_us for b in run), schema_id=run[0].schema_id,
    )  # fmt: skip
    return batches.replace_batches(
        conn, version_id=version_id, ids=[b.id for b in run], new=new, fold_min=run[0].fold, fold_max=run[-1].fold
    )


def content(conn, version_id):
    found = everything(conn, version_id)
    bodies = batches.payloads(conn, ids=[b.id for b in found])
    return b"".join(bodies[b.id][0] for b in found), sum(b.rows for b in found)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_order_of_records_stays_through_any_folds_and_compactions(store, make_version, data):
    with store.write() as conn:
        taken = {v.name for _, v in models.all_versions(conn)}
    version_id = make_version(version=str(len(taken))).version.id
    order, waiting, letter = b"", [], iter(range(256))
    for _ in range(data.draw(st.integers(1, 8), label="steps")):
        step = data.draw(st.sampled_from(["insert", "fold", "compact"]), label="step")
        with store.write() as conn:
            if step == "insert":
                new = [bytes([next(letter)]) for _ in range(data.draw(st.integers(1, 5)))]
                waiting += zip(
                    batches.insert_batches(conn, [batch(version_id, payload=p) for p in new]), new, strict=True
                )
            elif step == "fold" and waiting:
                picked = data.draw(st.sets(st.sampled_from(waiting), min_size=len(waiting) // 2 + 1))
                fold(conn, version_id, [id for id, _ in picked])
                order += b"".join(body for _, body in sorted(picked))
                waiting = [w for w in waiting if w not in picked]
            elif step == "compact":
                size = data.draw(st.integers(2, 6), label="segment_rows")
                for run in batches.compactable(conn, version_id=version_id, segment_rows=size, min_batches=2):
                    assert sum(b.rows for b in run) <= size
                    compact(conn, version_id, run)
        with store.read() as conn:
            whole = order + b"".join(body for _, body in waiting)
            assert content(conn, version_id) == (whole, len(whole))


def test_runs_to_compact_are_neighbours_of_one_schema_and_stop_at_a_large_one(store, version_id):
    rows_and_schema = [(1, None)] * 3 + [(40_000, None)] + [(1, None)] * 2 + [(1, 5)] * 4 + [(1, 6)]
    with store.write() as conn:
        new = [batch(version_id, rows=rows, schema_id=schema_id) for rows, schema_id in rows_and_schema]
        ids = batches.insert_batches(conn, [*new, batch(version_id)])
        fold(conn, version_id, ids[:5])
        fold(conn, version_id, ids[5:-1])
        runs = batches.compactable(conn, version_id=version_id, min_batches=2)
        assert [[b.id for b in run] for run in runs] == [ids[0:3], ids[4:6], ids[6:10]]
        assert batches.compactable(conn, version_id=version_id, min_batches=5) == []
        assert batches.compactable_versions(conn, min_batches=10) == [version_id]
        assert batches.compactable_versions(conn, min_batches=11) == []


@pytest.mark.parametrize("case", ["one is gone", "one is left out", "other rows", "other folds", "not folded"])
def test_a_replacement_that_would_change_records_is_refused(case, store, version_id):
    with store.write() as conn:
        ids = batches.insert_batches(conn, [batch(version_id) for _ in range(4)])
        fold(conn, version_id, ids[:3])
        before = everything(conn, version_id)
    taken, rows, folds = {
        "one is gone": ([*ids[:3], 10**6], 4, (1, 1)), "one is left out": ([ids[0], ids[2]], 2, (1, 1)),
        "other rows": (ids[:3], 4, (1, 1)), "other folds": (ids[:3], 3, (1, 2)), "not folded": (ids[2:], 2, (1, 1)),
    }[case]  # fmt: skip
    with pytest.raises(FenceLost), store.write() as conn:
        batches.replace_batches(
            conn,
            version_id=version_id,
            ids=taken,
            new=batch(version_id, rows=rows),
            fold_min=folds[0],
            fold_max=folds[1],
        )
    with store.read() as conn:
        assert everything(conn, version_id) == before


def test_parts_of_one_fold_are_compacted_apart_and_stay_in_order(store, version_id):
    with store.write() as conn:
        ids = batches.insert_batches(conn, [batch(version_id, payload=bytes([65 + n])) for n in range(5)])
        fold(conn, version_id, ids)
        for run in batches.compactable(conn, version_id=version_id, segment_rows=2, min_batches=2):
            compact(conn, version_id, run)
        assert [b.rows for b in everything(conn, version_id)] == [2, 2, 1]
        assert content(conn, version_id) == (b"ABCDE", 5)


def test_a_batch_compacted_twice_keeps_its_place(store, version_id):
    with store.write() as conn:
        ids = batches.insert_batches(conn, [batch(version_id, payload=bytes([65 + n])) for n in range(6)])
        for id in ids[:-1]:
            fold(conn, version_id, [id])
        for first, last in ((1, 3), (1, 4)):
            compact(conn, version_id, [b for b in everything(conn, version_id) if first <= (b.fold or 99) <= last])
        assert content(conn, version_id) == (b"ABCDEF", 6)
        assert [(b.fold, b.rows) for b in everything(conn, version_id)] == [(1, 4), (5, 1), (None, 1)]


def test_no_list_of_batches_reads_a_payload(store, version_id):
    statements: list[str] = []
    with store.write() as conn:
        ids = batches.insert_batches(conn, [batch(version_id) for _ in range(3)])
        fold(conn, version_id, ids[:2])
    with store.read() as conn:
        from sqlalchemy import event

        event.listen(conn, "before_cursor_execute", lambda *args: statements.append(args[2]))
        batches.unfolded(conn, version_id=version_id, max_rows=9)
        everything(conn, version_id)
        batches.by_time(conn, version_id=version_id, start_us=0, end_us=9)
        batches.compactable(conn, version_id=version_id)
        batches.unfolded_versions(conn)
    assert len(statements) == 5
    assert not [s for s in statements if "payload" in s]


def test_records_of_a_version_purged_meanwhile_are_refused_as_unavailable(store, version_id):
    from monitor.model.errors import Unavailable

    with pytest.raises(Unavailable, match="deleted meanwhile"), store.write() as conn:
        batches.insert_batches(conn, [replace(batch(version_id), version_id=version_id + 1)])
