from dataclasses import replace

import pytest
import sqlalchemy as sa

from monitor.model.entities import Model, Reference, Version
from monitor.model.errors import Conflict, FenceLost, NotFound, PreconditionFailed
from monitor.model.results import CheckState, Transition
from monitor.model.schema import Column, Schema
from monitor.model.window import WindowSpec
from monitor.store import (
    baselines,
    batches,
    calibrations,
    ids,
    judged_counts,
    keys,
    label_quarantine,
    labels,
    layouts,
    marks,
    models,
    outcomes,
    profiles,
    purge,
    quarantine,
    reference_segments,
    references,
    results,
    runs,
    schemas,
    scorecards,
    segments,
    tables,
    verdicts,
    windows,
)
from monitor.store.windows import WindowRow

OF_NO_MODEL = ("meta", "job_run", "token", "notification")  # notifications go by their age
WITHOUT_OWNER = ("reference_chunk", "reference_segment", "reference_segmentation", "log_payload", "label_payload")
FULL = Model(
    name="churn", task="binary_classification", description="Ünïcode \ud800 and \0", team="crm",
    window=WindowSpec(length="1d", timezone="Europe/Berlin"), lateness_us=7, stale_after_us=9,
    settings={"checks": [], "tags": {"a": "\ud800\0"}, "min_effect": 0.5}, created_us=1, updated_us=2,
)  # fmt: skip


def test_a_model_comes_back_as_it_was_stored(store):
    with store.write() as conn:
        stored = models.insert_model(conn, replace(FULL, description="plain"))
        assert models.get_model(conn, name="churn") == stored
        assert models.get_model_by_id(conn, id=stored.id) == stored
        assert replace(stored, id=0) == replace(FULL, description="plain")


def test_text_that_postgresql_refuses_is_kept_as_escapes_on_both(store):
    with store.write() as conn:
        models.insert_model(conn, FULL)
        assert models.get_model(conn, name="churn").description == "Ünïcode \\ud800 and \\u0000"


@pytest.mark.parametrize("name", ["", "../../etc", "a\0b", "\ud800", "'; DROP TABLE model; --", "x" * 10_000, "CON"])
def test_names_that_cannot_exist_are_not_found_on_both(store, name):
    with store.read() as conn:
        with pytest.raises(NotFound):
            models.get_model(conn, name=name)
        with pytest.raises(NotFound):
            models.get_version(conn, model=name, version=name)


def test_a_name_is_given_once(store):
    with store.write() as conn:
        model = models.insert_model(conn, Model(name="churn"))
        with pytest.raises(Conflict):
            models.insert_model(conn, Model(name="churn"))
        models.insert_version(conn, Version(model_id=model.id, name="1"))
        with pytest.raises(Conflict):
            models.insert_version(conn, Version(model_id=model.id, name="1"))


def test_an_update_counts_the_revision_and_refuses_an_old_one(store):
    with store.write() as conn:
        model = models.insert_model(conn, Model(name="churn"))
        changed = models.update_model(conn, replace(model, team="crm"), if_revision=1)
        assert (changed.team, changed.revision) == ("crm", 2)
        with pytest.raises(PreconditionFailed):
            models.update_model(conn, replace(model, team="x"), if_revision=1)
        assert models.get_model(conn, name="churn") == changed


def test_an_update_of_a_version_leaves_folds_schema_layout_and_reference(store, make_version):
    owner = make_version(positive="yes")
    with store.write() as conn:
        schemas.save_schema(conn, version_id=owner.version.id, schema=Schema(columns=(Column(name="a"),)))
        layouts.set_version_layout(conn, version_id=owner.version.id, layout_id=7)
        changed = models.update_version(conn, replace(owner.version, state="shadow"))
        assert (changed.state, changed.positive, changed.layout_id) == ("shadow", "yes", 7)
        assert changed.schema_id is not None
        with pytest.raises(PreconditionFailed):
            models.update_version(conn, owner.version, if_revision=1)


def test_lists_are_in_order_of_code_points_and_paged_by_name(store):
    names = ["Z", "a", "B", "a.b", "a-b", "a_b", "ab", "0"]
    with store.write() as conn:
        for name in names:
            models.insert_model(conn, Model(name=name))
        assert [m.name for m in models.list_models(conn)] == sorted(names)
        assert [m.name for m in models.list_models(conn, after="B", limit=2)] == ["Z", "a"]


def test_the_newest_live_version_is_the_last_made_that_is_live(store, make_version):
    make_version(version="9")
    make_version(version="10")
    make_version(version="11", state="retired")
    with store.read() as conn:
        assert models.newest_live_version(conn, model="churn")[1].name == "10"
        with pytest.raises(NotFound, match="create it with PUT /api/v1/models/fraud"):
            models.newest_live_version(conn, model="fraud")
        _, version = models.get_version(conn, model="churn", version="11")
        assert [v.name for v in models.list_versions(conn, model_id=version.model_id, after="10")] == ["11", "9"]
        assert [(m.name, v.name) for m, v in models.all_versions(conn)] == [
            ("churn", "10"), ("churn", "11"), ("churn", "9")
        ]  # fmt: skip
    make_version(model="idle", version="1", state="retired")
    with store.read() as conn, pytest.raises(NotFound, match="no version in state 'live': create one with PUT"):
        models.newest_live_version(conn, model="idle")


def test_what_is_missing_is_named(store, make_version):
    make_version()
    with store.read() as conn:
        with pytest.raises(NotFound, match="model 'fraud' does not exist"):
            models.get_version(conn, model="fraud", version="1")
        with pytest.raises(NotFound, match="model 'churn' has no version '2'"):
            models.get_version(conn, model="churn", version="2")


def test_a_schema_is_saved_once_and_the_version_points_at_it(store, version_id):
    schema = Schema(columns=(Column(name="a"), Column(name="b", type="categorical", missing=(-1, "\ud800"))))
    with store.write() as conn:
        first = schemas.save_schema(conn, version_id=version_id, schema=schema)
        assert schemas.save_schema(conn, version_id=version_id, schema=schema) == first
        assert schemas.get_schema(conn, id=first) == schema
        assert models.get_version_by_id(conn, id=version_id)[1].schema_id == first
        second = schemas.save_schema(conn, version_id=version_id, schema=Schema(columns=()))
        assert second > first
        assert schemas.get_schema(conn, id=first) == schema


def test_a_layout_is_found_again_by_its_digest(store, make_version):
    owner = make_version()
    with store.write() as conn:
        first = layouts.save_layout(conn, model_id=owner.model.id, body=b"\0one", digest="d1")
        second = layouts.save_layout(conn, model_id=owner.model.id, body=b"two", digest="d2")
        assert layouts.save_layout(conn, model_id=owner.model.id, body=b"\0one", digest="d1") == first
        assert layouts.get_layout(conn, id=first) == b"\0one"
        assert layouts.newest_layout(conn, model_id=owner.model.id) == (second, b"two")
        with pytest.raises(NotFound):
            layouts.get_layout(conn, id=second + 1)


def fill(conn, *, model_id, version_id):
    """A row of every table that a version can have rows in; the claim of a run of it."""
    batch = batches.NewBatch(
        version_id=version_id, received_us=1, t_min_us=0, t_max_us=1, rows=1, schema_id=None, payload=b"x"
    )
    batches.insert_batches(conn, [batch] * 7)
    schemas.save_schema(conn, version_id=version_id, schema=Schema(columns=()))
    layouts.save_layout(conn, model_id=model_id, body=b"x", digest="d")
    reference = references.begin_reference(conn, Reference(version_id=version_id, digest="d"))
    references.append_chunk(conn, reference_id=reference.id, seq=0, payload=b"x")
    side = reference_segments.SegmentSide(
        segment="s", position=0, shape={}, layout_id=1, profile=b"x", history=b"x"
    )  # fmt: skip
    reference_segments.put_reference_segments(conn, reference_id=reference.id, sides=[side], segmentation="d", cut="c")
    keys.claim_keys(conn, [(version_id, "predictions", f"k{version_id}", "d")], now_us=1)
    quarantine.insert_quarantine(conn, [quarantine.QuarantineRow(
        owner_id=version_id, received_us=1, position=0, code="c", message="m", raw="{}")])  # fmt: skip
    ids.add_run(conn, version_id=version_id, window_start_us=0, run=ids.NewRun(level=0, keys=1, payload=b"x"))
    profiles.put_profiles(conn, [profiles.StoredProfile(
        version_id=version_id, window_start_us=0, layout_id=1, payload=b"x")])  # fmt: skip
    windows.upsert_window(conn, WindowRow(version_id=version_id, start_us=0, end_us=1))
    judged_counts.put_judged_counts(conn, judged_counts.JudgedCounts(
        version_id=version_id, window_start_us=0, layout_id=1, reference_id=1, payload=b"x"))  # fmt: skip
    calibrations.save_calibration(conn, version_id=version_id, reference_id=reference.id, made_us=1, payload=b"x")
    baselines.save_baseline_calibration(
        conn, version_id=version_id, reference_id=reference.id, baseline="previous", made_us=1, payload=b"x"
    )
    results.put_result(conn, results.StoredResult(
        version_id=version_id, window_start_us=0, window_end_us=1, revision=1, reference_number=1, status="ok",
        rows=1, reference_rows=1, computed_us=1, payload=b"x"))  # fmt: skip
    common = {"check": "drift", "kind": "drift", "segment": "", "severity": "warning", "window_start_us": 0,
              "window_end_us": 1, "value": None, "threshold": None, "rows": 1, "columns": ()}  # fmt: skip
    verdicts.put_states(conn, version_id=version_id, states=[CheckState(
        status="alert", unknown_reason=None, since_us=1, needs=None, columns_failing=0, **common)])  # fmt: skip
    verdicts.add_transitions(conn, model_id=model_id, version_id=version_id, transitions=[Transition(
        from_status="ok", status="alert", at_us=1, explanation="", **common)])  # fmt: skip
    fill_said(conn, model_id=model_id, version_id=version_id)
    fill_labels(conn, model_id=model_id, version_id=version_id, reference_id=reference.id)
    return runs.claim(conn, job="evaluate", subject=str(version_id), scheduled_us=0, owner="a", lease_us=10**9)


def fill_said(conn, *, model_id, version_id):
    marks.put_mark(conn, version_id=version_id, start_us=0, healthy=False, reason="", by="", at_us=1)
    transition = tables.transition.c
    id = conn.execute(sa.select(transition.id).where(transition.version_id == version_id)).scalar_one()
    conn.execute(tables.handling.insert().values(
        transition_id=id, kind="verdict", version_id=version_id, reason="", by_name="", at_us=1))  # fmt: skip
    names = ("versions", "checks", "columns", "segments")
    conn.execute(tables.silence.insert().values(
        model_id=model_id, reason="", start_us=1, end_us=2, created_us=1, created_by="", **dict.fromkeys(names, "[]")
    ))  # fmt: skip
    conn.execute(tables.erased_rows.insert().values(version_id=version_id, window_start_us=0, rows=1))
    conn.execute(tables.merged_profile.insert().values(
        version_id=version_id, segment="", start_us=0, end_us=1, layout_id=1, windows=1, rows=1, last_received_us=1,
        payload=b"x"))  # fmt: skip
    counts = dict.fromkeys(("asked_us", "ids", "records", "labels", "quarantined", "job_id"), 1)
    conn.execute(tables.erasure.insert().values(model_id=model_id, reason="", by_name="", **counts))
    conn.execute(tables.drill.insert().values(
        model_id=model_id, version_id=version_id, severity="warning", started_us=1, ends_us=2))  # fmt: skip


def fill_labels(conn, *, model_id, version_id, reference_id):
    labels.insert_labels(conn, [labels.LabelBatch(model_id=model_id, received_us=1, rows=1, payload=b"x")] * 7)
    segment = segments.LabelSegment(model_id=model_id, first_received_us=1, last_received_us=1, rows=1, unmatched=1)
    segments.add_segment(conn, segment, payload=b"x", found=b"")
    label_quarantine.insert_quarantine(conn, [label_quarantine.QuarantineRow(
        owner_id=model_id, received_us=1, position=0, code="c", message="m", raw="{}")])  # fmt: skip
    part = outcomes.Part(version_id=version_id, window_start_us=0, rows=1, payload=b"x", schema_id=1)
    outcomes.add_outcomes(conn, [part])
    outcomes.add_window_labels(conn, [outcomes.Joined(part=part, joined=1)])
    scorecards.put_scorecards(conn, [scorecards.StoredScorecard(
        version_id=version_id, window_start_us=0, outline="d", label_rows=1, payload=b"x")])  # fmt: skip
    scorecards.save_performance(conn, version_id=version_id, reference_id=reference_id, made_us=1, payload=b"x")


def counts(conn, *, owner):
    """Rows of each table that belong to the model or its version."""
    found = {}
    for table in tables.metadata.tables.values():
        if "version_id" in table.c:
            condition = table.c.version_id == owner.version.id
        elif "model_id" in table.c:
            condition = table.c.model_id == owner.model.id
        elif table.name in ("model", "version"):
            condition = table.c.id == getattr(owner, table.name).id
        else:
            condition = sa.true() if table.name in WITHOUT_OWNER else sa.false()
        found[table.name] = conn.execute(sa.select(sa.func.count()).select_from(table).where(condition)).scalar_one()
    return found


def test_a_deleted_model_is_gone_at_once_and_its_name_is_free(store, make_version):
    owner = make_version()
    with store.write() as conn:
        claim = fill(conn, model_id=owner.model.id, version_id=owner.version.id)
    with store.write() as conn:
        models.delete_model(conn, name="churn")
    with store.write() as conn:
        with pytest.raises(NotFound):
            models.get_model(conn, name="churn")
        with pytest.raises(NotFound):
            models.get_version_by_id(conn, id=owner.version.id)
        assert models.all_versions(conn) == []
        assert models.live_version_ids(conn, ids=[owner.version.id]) == set()
        assert batches.unfolded_versions(conn) == []
        assert windows.dirty_versions(conn) == []
        assert list(verdicts.all_states(conn)) == []
        assert verdicts.list_transitions(conn) == []
        with pytest.raises(FenceLost):
            batches.mark_folded(conn, version_id=owner.version.id, ids=[1], fold_seen=0)
        again = models.insert_model(conn, Model(name="churn"))
        assert again.id != owner.model.id
    with pytest.raises(FenceLost), store.write() as conn:
        runs.finish(conn, claim)


def test_purging_removes_every_row_in_steps_and_only_those_of_the_deleted(store, make_version):
    kept, gone = make_version("kept"), make_version("gone")
    with store.write() as conn:
        fill(conn, model_id=kept.model.id, version_id=kept.version.id)
        before = counts(conn, owner=kept)
        fill(conn, model_id=gone.model.id, version_id=gone.version.id)
        models.delete_model(conn, name="gone")
    assert all(before[name] for name in before if name not in OF_NO_MODEL)
    steps = []
    while True:
        with store.write() as conn:
            steps.append(purge.purge_deleted(conn, limit=3))
        if not steps[-1]:
            break
    assert max(steps) <= 3
    with store.read() as conn:
        assert set(counts(conn, owner=gone).items()) <= {
            (name, before[name] if name in WITHOUT_OWNER else 0) for name in before
        }
        assert counts(conn, owner=kept) == before


def test_the_keys_of_labels_go_with_their_model_and_not_with_a_version_of_its_number(store, make_version):
    first = make_version("churn", "1")
    second = make_version("churn", "2")
    claims = [(keys.model_scope(first.model.id), "labels", f"k{i}", "d") for i in range(5)]
    with store.write() as conn:
        keys.claim_keys(conn, claims, now_us=1)
        models.delete_version(conn, model="churn", version="1" if first.version.id == first.model.id else "2")
        while purge.purge_deleted(conn, limit=3):
            pass
        assert keys.claim_keys(conn, claims, now_us=2) == set()
        assert models.live_model_ids(conn, ids=[first.model.id, 99]) == {first.model.id}
        models.delete_model(conn, name="churn")
        assert models.live_model_ids(conn, ids=[first.model.id]) == set()
        while purge.purge_deleted(conn, limit=3):
            pass
        assert keys.claim_keys(conn, claims, now_us=3) == {claim[:3] for claim in claims}
    assert second.version.id != first.version.id


def test_a_deleted_version_leaves_its_model_and_frees_its_name(store, make_version):
    owner = make_version()
    with store.write() as conn:
        models.delete_version(conn, model="churn", version="1")
        with pytest.raises(NotFound):
            models.delete_version(conn, model="churn", version="1")
        again = models.insert_version(conn, Version(model_id=owner.model.id, name="1"))
        while purge.purge_deleted(conn):
            pass
        assert models.list_versions(conn, model_id=owner.model.id) == [again]


def test_purging_takes_no_more_bytes_of_payloads_and_raw_rows_in_a_step_than_stated(store, version_id, monkeypatch):
    monkeypatch.setattr(purge, "STEP_BYTES", 250)
    with store.write() as conn:
        profiles.put_profiles(conn, [
            profiles.StoredProfile(version_id=version_id, window_start_us=n, layout_id=1, payload=b"x" * 100)
            for n in range(5)
        ])  # fmt: skip
        quarantine.insert_quarantine(conn, [
            quarantine.QuarantineRow(
                owner_id=version_id, received_us=1, position=n, code="c", message="m", raw="x" * 300
            )
            for n in range(2)
        ])  # fmt: skip
        models.delete_model(conn, name="churn")
        assert [purge.purge_deleted(conn) for _ in range(5)] == [2, 2, 1, 1, 1]


def test_purging_takes_no_more_bytes_in_a_step_than_stated(store, version_id, monkeypatch):
    monkeypatch.setattr(purge, "STEP_BYTES", 250)
    batch = batches.NewBatch(
        version_id=version_id, received_us=1, t_min_us=0, t_max_us=1, rows=1, schema_id=None, payload=b"x" * 100
    )
    with store.write() as conn:
        batches.insert_batches(conn, [batch] * 5)
        models.delete_model(conn, name="churn")
        assert [purge.purge_deleted(conn) for _ in range(4)] == [2, 2, 1, 1]
