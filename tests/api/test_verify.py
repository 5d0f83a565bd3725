"""A store that is whole has no fault, and each damage that is planted is found, by name and with what to do."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pytest
import sqlalchemy as sa

from monitor.columns.batch import decode_batch, encode_batch
from monitor.model.time import HOUR_US, MINUTE_US, rfc3339
from monitor.store import tables
from monitor.verify import verify_store
from monitor.verify.payloads import READERS
from tests.api.conftest import VERSION
from tests.api.tables import ARROW, PARQUET, arrow_of, hour, parquet_of

pytestmark = pytest.mark.usefixtures("soon")
T = tables.metadata.tables
HOURS, ROWS = 40, 120


def labelled(rng, *, start_us):
    """An hour of the reference, with labels."""
    table = hour(rng, start_us=start_us, rows=ROWS)
    return table.append_column("label", pa.array(rng.random(ROWS) < table.column("score").to_numpy()))


@pytest.fixture
def whole(churn, application, tick, clock):
    """The store behind a version with a labelled reference, three judged hours, repeats, labels found, not found and
    waiting, records not folded yet, a quarantined one."""
    rng = np.random.default_rng(5)
    assert churn.put("/api/v1/models/churn", json={"segments": [{"by": "plan"}]}).status_code == 200
    begin = clock.now_us - clock.now_us % HOUR_US
    reference = parquet_of(*(labelled(rng, start_us=begin - k * HOUR_US) for k in range(HOURS, 0, -1)))
    roles = {"timestamp": "at", "score": "score", "label": "label", "positive": "true"}
    sent = churn.put(VERSION + "/reference", content=reference, headers=PARQUET, params=roles)
    assert sent.status_code == 201, sent.text
    for start_us in (begin + k * HOUR_US for k in range(3)):
        clock.now_us = start_us + 59 * MINUTE_US
        traffic = hour(rng, start_us=start_us, rows=ROWS)
        traffic = traffic.append_column("id", pa.array([f"{start_us}-{n}" for n in range(ROWS)]))
        post(churn, "/predictions", content=arrow_of(traffic), headers=ARROW, params={"timestamp": "at", "id": "id"})
        again = [{"id": f"{start_us}-{n}", "timestamp": rfc3339(start_us + n), "age": 1.0} for n in range(3)]
        post(churn, "/predictions", json={"records": again})
        tick()
        labels = [{"id": f"{start_us}-{n}", "label": n % 2 == 0} for n in range(50)]
        labels += [{"id": f"nobody-{start_us}", "label": True}, {"id": f"withdrawn-{start_us}", "label": None}]
        post(churn, "labels", json={"records": labels})
    clock.now_us += HOUR_US
    for _ in range(3):
        tick()
    post(churn, "/predictions", json={"records": [{"id": "waits", "age": 1.0}, {"id": "x", "timestamp": "never"}]})
    post(churn, "labels", json={"records": [{"id": "waits", "label": True}]})
    return application.state.services.store


def post(client, path, **body):
    sent = client.post((VERSION if path.startswith("/") else "/api/v1/models/churn/") + path, **body)
    assert sent.status_code == 200, sent.text


def test_every_column_of_bytes_is_read_or_known_to_say_nothing_of_itself():
    columns = {(t.name, c.name) for t in T.values() for c in t.c if isinstance(c.type, sa.LargeBinary)}
    read = {(name, column) for name, column, _ in READERS} & columns
    beside = {("reference", "history"), ("reference_segment", "history"), ("label_segment", "found")}  # with their row
    opaque = {("request_key", "answer"), ("token", "digest"), ("notification", "key")}
    assert columns - read - beside == opaque
    assert len(read) >= 16


def test_the_store_that_is_damaged_has_something_in_every_table_with_payloads(whole):
    with whole.read() as conn:
        empty = {name for name, _, _ in READERS if conn.execute(sa.select(T[name]).limit(1)).first() is None}
    assert empty == {"baseline_calibration", "merged_profile"}  # the latter: see test_merge_profiles


def test_a_store_that_is_whole_has_no_fault(whole):
    steps: dict[str, list[tuple[int, int]]] = {}
    assert verify_store(whole, told=lambda what, done, of: steps.setdefault(what, []).append((done, of))) == []
    assert {"what rows name", "counts of versions", "payloads of log_payload", "rows counted again"} <= set(steps)
    assert all(done <= of for told in steps.values() for done, of in told)


def test_hours_without_traffic_are_judged_and_no_fault(whole, clock, tick):
    clock.now_us += 3 * HOUR_US
    tick()
    with whole.read() as conn:
        silent = conn.execute(sa.select(sa.func.count()).where(T["result"].c.rows == 0)).scalar_one()
    assert silent > 0, "none was judged: the run says nothing"
    assert verify_store(whole) == []


def test_an_empty_store_has_no_fault(store):
    assert verify_store(store) == []


def first(table, column):
    """The first row of the table by that column: a condition."""
    c = table.c[column]
    return c == sa.select(sa.func.min(c)).scalar_subquery()


def flipped(table: str, column: str = "payload", *, place: int, bit: int = 0):
    """A change of one bit of one payload, counted from its beginning, or from its end."""

    def change(conn):
        t = T[table]
        key = list(t.primary_key.columns)
        row = conn.execute(sa.select(t).order_by(*key).limit(1)).one()._mapping
        body = bytearray(row[column])
        body[place] ^= 1 << bit
        conn.execute(sa.update(t).where(*[c == row[c.name] for c in key]).values({column: bytes(body)}))

    return change


def with_column(table, name, change):
    """A change of a column of the first batch that is stored there, which is encoded as it was."""

    def rewrite(conn):
        t = T[table]
        key = list(t.primary_key.columns)
        row = conn.execute(sa.select(t).order_by(*key).limit(1)).one()._mapping
        stored = decode_batch(bytes(row["payload"]))
        at = stored.schema.get_field_index(name)
        array = pa.array(change(stored.column(at).to_pylist()), stored.schema.field(at).type)
        payload = encode_batch(stored.set_column(at, stored.schema.field(at), array), codec=row.get("codec", "zstd"))
        conn.execute(sa.update(t).where(*[c == row[c.name] for c in key]).values(payload=payload))
        if table == "log_payload":
            conn.execute(sa.update(batch).where(batch.c.id == row["batch_id"]).values(bytes=len(payload)))

    return rewrite


batch, window, run, result, reference = (T[name] for name in ("log_batch", "window", "id_run", "result", "reference"))
folded = batch.c.fold.is_not(None)
one_batch = batch.c.id == sa.select(sa.func.min(batch.c.id)).where(folded).scalar_subquery()
one_window = first(window, "start_us")


def changed(table, *where, **values):
    return sa.update(table).where(*where).values(**values)


def gone(name, column):
    return sa.delete(T[name]).where(first(T[name], column))


# what is done → (the change, the code of the fault, a part of where)
DAMAGES = {
    "a profile is gone": (sa.delete(T["profile"]).where(T["profile"].c.segment == ""), "profile_missing", "churn 42"),
    "a result is gone": (gone("result", "window_start_us"), "result_missing", "churn 42"),
    "a window is gone": (gone("window", "start_us"), "orphan", "window_start_us"),
    "a window counts a row more": (changed(window, one_window, rows=window.c.rows + 1), "ids", "churn 42"),
    "a window counts a repeat less": (changed(window, one_window, deduplicated=0), "rows", "churn 42"),
    "a batch is gone": (sa.delete(batch).where(one_batch), "rows", "churn 42"),
    "a batch counts a row more": (changed(batch, one_batch, rows=batch.c.rows + 1), "payload", "log_payload"),
    "a batch counts a byte more": (changed(batch, one_batch, bytes=batch.c.bytes + 1), "payload", "log_payload"),
    "a batch says other times": (changed(batch, one_batch, t_min_us=1), "payload", "log_payload"),
    "a batch's records are gone": (gone("log_payload", "batch_id"), "orphan", "log_batch.id"),
    "a batch is taken for unfolded": (changed(batch, one_batch, fold=None, position=None), "rows", "churn 42"),
    "batches hold one place": (changed(batch, folded, fold=1, position=1), "fold_twice", "churn 42"),
    "a fold that has not been": (changed(batch, one_batch, fold=10**6), "fold_number", "churn 42"),
    "a fold without a place": (changed(batch, one_batch, position=None), "fold_place", "churn 42"),
    "ids of a fold are gone": (gone("id_run", "id"), "ids", "churn 42"),
    "a run counts an id more": (changed(run, first(run, "id"), keys=run.c["keys"] + 1), "payload", "id_run"),
    "a result of other rows": (changed(result, rows=result.c.rows + 1), "result_rows", "churn 42"),
    "a result of a revision to come": (changed(result, revision=99), "result_revision", "churn 42"),
    "a result that ends elsewhere": (changed(result, window_end_us=1), "result_end", "churn 42"),
    "a result of no reference": (changed(result, reference_number=7), "orphan", "result.version_id+reference_number"),
    "a version of no reference": (changed(T["version"], reference_id=7), "orphan", "version.reference_id"),
    "a version of no schema": (changed(T["version"], schema_id=77), "orphan", "version.schema_id"),
    "a version of no model": (changed(T["version"], model_id=77), "orphan", "version.model_id"),
    "a layout is gone": (sa.delete(T["layout"]), "orphan", "layout_id"),
    "a layout's digest is another": (changed(T["layout"], digest="0" * 64), "payload", "layout"),
    "a reference counts a row more": (changed(reference, rows=reference.c.rows + 1), "payload", "reference"),
    "a piece of a reference is gone": (changed(T["reference_chunk"], seq=5), "reference_pieces", "reference 1"),
    "labels are counted wrong": (changed(T["label_segment"], unmatched=9), "payload", "label_payload"),
    "labels of a segment are gone": (sa.delete(T["label_payload"]), "orphan", "label_segment.id"),
    "waiting labels are counted wrong": (changed(T["label_batch"], rows=9), "payload", "label_batch"),
    "a bit of id_run is another": (flipped("id_run", place=7, bit=7), "payload", "id_run"),
    "a schema is no JSON": (changed(T["schema"], body="{"), "payload", "schema"),
    **{f"a bit of {table} is another": (flipped(table, column, place=place), "payload", table)
       for table, column, place in (
           ("profile", "payload", 20), ("layout", "body", 40), ("reference", "profile", 40),
           ("reference_chunk", "payload", 8), ("reference_segment", "profile", 40),
           ("log_payload", "payload", 8), ("result", "payload", 0),
           ("calibration", "payload", 0), ("outcome", "payload", 8), ("label_batch", "payload", 8),
           ("label_payload", "payload", 8), ("window_label", "payload", 8), ("scorecard", "payload", 9),
           ("performance", "payload", 9),
       )},
}  # fmt: skip
# what no row and no payload says of itself
ONLY_COUNTED = {
    "an id of a run is another": (flipped("id_run", place=0), "window_ids", "churn 42"),
    "an id of a record is another": (with_column("log_payload", "id", lambda ids: [*ids[:-1], "x"]),
                                     "window_ids", "churn 42"),
    "a number of a record is another": (with_column("log_payload", "f:age", lambda ages: [ages[0] + 30.0, *ages[1:]]),
                                        "window_profile", "churn 42"),
    "a category of a record is another": (with_column("log_payload", "f:plan", lambda plans: ["team", *plans[1:]]),
                                          "window_profile", "churn 42"),
    "a segment's profile is gone": (sa.delete(T["profile"]).where(T["profile"].c.segment == "plan=pro"),
                                    "window_profile", "segment plan=pro"),
    "a number of a reference is another": (with_column("reference_chunk", "f:age", lambda ages: [-5.0, *ages[1:]]),
                                           "reference_profile", "reference 1"),
}  # fmt: skip


def test_each_damage_is_found_without_counting_rows_again(whole):
    missed = {}
    for damage, (change, code, where) in DAMAGES.items():
        with damaged(whole, change):
            found = verify_store(whole, recount=False)
        if not [f for f in found if f.code == code and where in f.where]:
            missed[damage] = [(f.code, f.where, f.found) for f in found]
        assert all(f.remedy and f.found for f in found)
    assert missed == {}
    assert verify_store(whole) == []


def test_what_decodes_and_adds_up_is_found_by_counting_rows_again(whole):
    missed = {}
    for damage, (change, code, where) in ONLY_COUNTED.items():
        with damaged(whole, change):
            assert verify_store(whole, recount=False) == [], damage
            found = verify_store(whole)
        if not [f for f in found if f.code == code and where in f.where]:
            missed[damage] = [(f.code, f.where, f.found) for f in found]
    assert missed == {}


@contextmanager
def damaged(store, change):
    """The store while it is damaged; every row of every table is as it was when the block ends."""
    rows = {}
    with store.read() as conn:
        for table in tables.metadata.sorted_tables:
            rows[table.name] = [dict(row._mapping) for row in conn.execute(sa.select(table))]
    plant(store, change)
    yield
    plant(store, lambda conn: put_back(conn, rows))


def put_back(conn, rows):
    for table in reversed(tables.metadata.sorted_tables):
        conn.execute(sa.delete(table))
    for table in tables.metadata.sorted_tables:
        if rows[table.name]:
            conn.execute(sa.insert(table), rows[table.name])


def plant(store, statement):
    """Changes the store behind its back: what the database enforces is switched off for that."""
    raw = store._writer.connect()
    try:
        if store.dialect == "sqlite":
            raw.exec_driver_sql("ROLLBACK")
            raw.exec_driver_sql("PRAGMA foreign_keys=OFF")
            raw.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            raw.exec_driver_sql("SET LOCAL session_replication_role = replica")
        if callable(statement):
            statement(raw)
        else:
            assert raw.execute(statement).rowcount > 0, "nothing was damaged"
        raw.commit()
        if store.dialect == "sqlite":
            raw.connection.driver_connection.execute("PRAGMA foreign_keys=ON")
    finally:
        raw.close()
