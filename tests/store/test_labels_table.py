import pytest

from monitor.model.entities import Version
from monitor.model.errors import FenceLost
from monitor.store import ids, labels, models, outcomes, runs, scorecards, segments, tables, versions, windows
from monitor.store.ids import NewRun
from monitor.store.labels import LabelBatch, WaitingLabels
from monitor.store.outcomes import Joined, Part
from monitor.store.scorecards import StoredScorecard
from monitor.store.segments import LabelSegment
from monitor.store.windows import WindowRow, upsert_window


def batch(model_id, rows=1, received_us=1, payload=b"\0labels"):
    return LabelBatch(model_id=model_id, received_us=received_us, rows=rows, payload=payload)


def part(version_id, start_us=0, rows=1, payload=b"\0part", **more):
    return Part(version_id=version_id, window_start_us=start_us, rows=rows, payload=payload, **more)


def segment(model_id, rows=10, unmatched=3):
    return LabelSegment(model_id=model_id, first_received_us=1, last_received_us=2, rows=rows, unmatched=unmatched)


def test_labels_wait_in_their_order_until_they_are_taken_up(store, make_version):
    ours, theirs = make_version("ours").model.id, make_version("theirs").model.id
    with store.write() as conn:
        first, _, last = labels.insert_labels(conn, [batch(ours, 2, 5), batch(theirs), batch(ours, 3, 4)])
        assert labels.waiting_models(conn) == [
            WaitingLabels(model_id=ours, rows=5, oldest_us=4), WaitingLabels(model_id=theirs, rows=1, oldest_us=1),
        ]  # fmt: skip
        found = labels.waiting_labels(conn, model_id=ours, max_rows=10)
        assert [(b.id, b.rows, b.received_us, b.payload) for b in found] == [
            (first, 2, 5, b"\0labels"), (last, 3, 4, b"\0labels"),
        ]  # fmt: skip
        labels.remove_labels(conn, model_id=ours, ids=[first])
        assert [b.id for b in labels.waiting_labels(conn, model_id=ours, max_rows=10)] == [last]


def test_labels_are_taken_within_rows_and_bytes_one_batch_at_least(store, make_version):
    model_id = make_version().model.id
    with store.write() as conn:
        stored = labels.insert_labels(conn, [batch(model_id, rows=5, payload=b"x" * 100)] * 4)

        def taken(**bounds):
            return [stored.index(b.id) for b in labels.waiting_labels(conn, model_id=model_id, **bounds)]

        assert taken(max_rows=14) == [0, 1]
        assert taken(max_rows=100, max_bytes=350) == [0, 1, 2]
        assert taken(max_rows=1, max_bytes=1) == [0]
        assert taken(max_rows=100, after=stored[1]) == [2, 3]


def test_batches_that_another_join_took_up_are_refused(store, make_version):
    ours, theirs = make_version("ours").model.id, make_version("theirs").model.id
    with store.write() as conn:
        mine, other = labels.insert_labels(conn, [batch(ours), batch(theirs)])
    for lost in ([mine, mine + 1000], [mine, other]):
        with pytest.raises(FenceLost), store.write() as conn:
            labels.remove_labels(conn, model_id=ours, ids=lost)
    with store.read() as conn:
        assert [b.id for b in labels.waiting_labels(conn, model_id=ours, max_rows=9)] == [mine]


def test_labels_of_a_deleted_model_wait_for_nobody(store, make_version):
    model_id = make_version().model.id
    with store.write() as conn:
        labels.insert_labels(conn, [batch(model_id)])
        segments.add_segment(conn, segment(model_id), payload=b"x", found=b"")
        models.delete_model(conn, name="churn")
        assert labels.waiting_models(conn) == []
        assert labels.models_behind(conn) == set()


def test_joins_are_counted_by_whoever_saw_the_count(store, make_version):
    model_id = make_version().model.id
    with store.write() as conn:
        assert labels.joins(conn, model_id=model_id) == 0
        labels.step_joins(conn, model_id=model_id, seen=0)
        labels.step_joins(conn, model_id=model_id, seen=1)
        assert labels.joins(conn, model_id=model_id) == 2
        with pytest.raises(FenceLost):
            labels.step_joins(conn, model_id=model_id, seen=1)
        models.delete_model(conn, name="churn")
        with pytest.raises(FenceLost):
            labels.step_joins(conn, model_id=model_id, seen=2)


def test_a_model_is_behind_while_a_version_is_folded_further_than_its_labels_are_joined(store, make_version):
    owner = make_version()
    model_id, version_id = owner.model.id, owner.version.id
    with store.write() as conn:
        conn.execute(tables.version.update().values(fold_seq=3))
        assert labels.models_behind(conn) == set()  # no label waits for a record
        assert labels.labelled_models(conn) == set()
        segments.add_segment(conn, segment(model_id), payload=b"x", found=b"")
        assert labels.models_behind(conn) == labels.labelled_models(conn) == {model_id}
        [folds] = versions.folds_of_model(conn, model_id=model_id)
        assert (folds.version_id, folds.fold_seq, folds.joined_fold) == (version_id, 3, 0)
        versions.set_joined_fold(conn, id=version_id, fold=3)
        assert labels.models_behind(conn) == set()
        models.insert_version(conn, Version(model_id=model_id, name="2"))
        assert labels.models_behind(conn) == set()  # nothing is folded of it


def test_a_segment_keeps_its_labels_while_more_of_them_are_found(store, make_version):
    model_id = make_version().model.id
    with store.write() as conn:
        id = segments.add_segment(conn, segment(model_id), payload=b"\0labels", found=b"\1\0")
        segments.mark_found(conn, id=id, unmatched=1, found=b"\3\0")
        assert segments.segment_content(conn, id=id) == (b"\0labels", b"\3\0")
        [kept] = segments.segments(conn, model_id=model_id)
        assert (kept.id, kept.rows, kept.unmatched, kept.bytes) == (id, 10, 1, 7)
        assert segments.unmatched_labels(conn) == {model_id: 1}


def test_segments_that_others_take_the_place_of_are_gone_with_their_labels(store, make_version):
    ours, theirs = make_version("ours").model.id, make_version("theirs").model.id
    with store.write() as conn:
        first, last = (segments.add_segment(conn, segment(ours), payload=b"x", found=b"") for _ in range(2))
        other = segments.add_segment(conn, segment(theirs), payload=b"x", found=b"")
        segments.remove_segments(conn, model_id=ours, ids=[first])
        assert segments.segment_content(conn, id=first) is None
        assert [s.id for s in segments.segments(conn, model_id=ours)] == [last]
        with pytest.raises(FenceLost):
            segments.mark_found(conn, id=first, unmatched=0, found=b"")
    with pytest.raises(FenceLost), store.write() as conn:
        segments.remove_segments(conn, model_id=ours, ids=[last, other])
    with store.read() as conn:
        assert [s.id for s in segments.segments(conn, model_id=ours)] == [last]


def test_found_labels_mark_their_window_and_are_counted_once(store, version_id):
    with store.write() as conn:
        upsert_window(conn, WindowRow(version_id=version_id, start_us=0, end_us=9, dirty=False))
        assert outcomes.add_window_labels(conn, [Joined(part=part(version_id, rows=3), joined=3)]) == 1
        [head] = outcomes.window_label_heads(conn, version_id=version_id, window_start_us=0)
        merged = Joined(part=part(version_id, rows=5, payload=b"merged"), joined=2, replaced=(head[0],))
        outcomes.add_window_labels(conn, [merged])
        window = windows.get_window(conn, version_id=version_id, start_us=0)
        assert (window.label_rows, window.dirty) == (5, True)
        [kept] = outcomes.window_labels(conn, version_id=version_id, window_start_us=0)
        assert (kept.rows, kept.payload) == (5, b"merged")
        assert outcomes.window_labels(conn, version_id=version_id, window_start_us=0, ids=[head[0]]) == []
        assert outcomes.labelled_versions(conn, version_ids=[version_id, version_id + 1]) == {version_id}
        with pytest.raises(FenceLost):
            outcomes.add_window_labels(conn, [merged])


def test_a_window_that_is_gone_takes_no_labels(store, version_id):
    with store.write() as conn:
        assert outcomes.add_window_labels(conn, [Joined(part=part(version_id), joined=1)]) == 0
        assert outcomes.window_labels(conn, version_id=version_id, window_start_us=0) == []


def test_outcomes_are_read_in_the_order_they_were_folded_and_replaced_as_a_whole(store, version_id):
    with store.write() as conn:
        outcomes.add_outcomes(conn, [part(version_id, payload=p, schema_id=7) for p in (b"a", b"b")])
        outcomes.add_outcomes(conn, [part(version_id, start_us=9, schema_id=7)])
        found = outcomes.outcomes(conn, version_id=version_id, window_start_us=0)
        assert [(p.payload, p.schema_id) for p in found] == [(b"a", 7), (b"b", 7)]
        ids = [p.id for p in found]
        outcomes.replace_outcomes(conn, version_id=version_id, ids=ids, parts=[part(version_id, payload=b"ab")])
        assert [p.payload for p in outcomes.outcomes(conn, version_id=version_id, window_start_us=0)] == [b"ab"]
        with pytest.raises(FenceLost):
            outcomes.replace_outcomes(conn, version_id=version_id, ids=ids, parts=[])


def test_a_scorecard_and_what_a_reference_says_replace_what_was_there(store, version_id):
    def card(payload, segment=""):
        return StoredScorecard(
            version_id=version_id, window_start_us=0, segment=segment, outline="d", label_rows=1, payload=payload
        )

    with store.write() as conn:
        scorecards.put_scorecards(conn, [card(b"a"), card(b"north", "north")])
        scorecards.put_scorecards(conn, [card(b"b")])
        assert scorecards.get_scorecard(conn, version_id=version_id, window_start_us=0) == card(b"b")
        assert scorecards.get_scorecard(conn, version_id=version_id, window_start_us=1) is None
        for made_us, payload in ((1, b"x"), (2, b"y")):
            scorecards.save_performance(
                conn, version_id=version_id, reference_id=1, made_us=made_us, payload=payload
            )  # fmt: skip
        assert scorecards.get_performance(conn, version_id=version_id, reference_id=1) == b"y"
        assert scorecards.performance_made_us(conn, version_id=version_id, reference_id=1) == 2
        assert scorecards.get_performance(conn, version_id=version_id, reference_id=2) is None


def test_what_a_join_asks_of_runs_comes_out_of_an_index_alone(store, version_id):
    """On SQLite a column behind a payload costs reading the whole payload."""
    run = NewRun(level=0, keys=3, payload=b"\0keys")
    with store.write() as conn:
        old = ids.add_run(conn, version_id=version_id, window_start_us=0, run=run, fold=1)
        new = ids.add_run(conn, version_id=version_id, window_start_us=9, run=run, fold=2)
        heads = ids.run_heads(conn, version_id=version_id)
    assert [(h.id, h.window_start_us, h.keys, h.fold) for h in heads] == [(new, 9, 3, 2), (old, 0, 3, 1)]
    if store.dialect == "sqlite":
        with store.read() as conn:
            asked = "SELECT id, version_id, window_start_us, keys, fold FROM id_run WHERE version_id = 1"
            plan = conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}").all()
        assert "COVERING INDEX ix_id_run_fold" in str(plan)


def test_a_models_work_is_cancelled_with_the_model(store, make_version):
    model_id = make_version().model.id
    subject = runs.model_subject(model_id)
    with store.write() as conn:
        held = runs.claim(conn, job="join", subject=subject, scheduled_us=0, owner="a", lease_us=10**9)
        models.delete_model(conn, name="churn")
    with pytest.raises(FenceLost), store.write() as conn:
        runs.finish(conn, held)
