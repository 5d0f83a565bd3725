"""Records erased by id, on both databases: nothing of them is left, and every count stays."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import sqlalchemy as sa

from monitor.columns.batch import decode_batch
from monitor.evaluate.compact import compact_version
from monitor.model.time import HOUR_US, MINUTE_US, rfc3339
from monitor.store import models, tables
from monitor.verify import verify_store
from tests.api.conftest import VERSION
from tests.api.tables import ARROW, PARQUET, arrow_of, hour, parquet_of
from tests.evaluate.elsewhere import elsewhere

MODEL = "/api/v1/models/churn"
TOKEN, SECRET = "person-4f1c9a7e", "sesame-77aa01"  # the id, and what was said of it: nowhere else
ROWS = 120
pytestmark = pytest.mark.usefixtures("soon")


def post(client, what, body):
    answer = client.post(what, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def labelled(rng, *, start_us):
    table = hour(rng, start_us=start_us, rows=ROWS)
    return table.append_column("label", pa.array(rng.random(ROWS) < table.column("score").to_numpy()))


def record(clock, *, id=TOKEN, **more):
    """A record whose age cannot be read, so that what was sent is kept as it came."""
    return {"id": id, "timestamp": rfc3339(clock.now_us), "age": SECRET, "score": 0.7, **more}


@pytest.fixture
def known(churn, application, tick, clock):
    """A version with three judged hours, in all of which the id is: folded, compacted, repeated, labelled, waiting to
    be folded, waiting for its record, and in both quarantines."""
    rng = np.random.default_rng(5)
    begin = clock.now_us - clock.now_us % HOUR_US
    reference = parquet_of(*(labelled(rng, start_us=begin - k * HOUR_US) for k in range(40, 0, -1)))
    roles = {"timestamp": "at", "score": "score", "label": "label", "positive": "true"}
    sent = churn.put(VERSION + "/reference", content=reference, headers=PARQUET, params=roles)
    assert sent.status_code == 201, sent.text
    for start_us in (begin + k * HOUR_US for k in range(3)):
        clock.now_us = start_us + 50 * MINUTE_US
        traffic = hour(rng, start_us=start_us, rows=ROWS)
        traffic = traffic.append_column("id", pa.array([f"{start_us}-{n}" for n in range(ROWS)]))
        churn.post(VERSION + "/predictions", content=arrow_of(traffic), headers=ARROW,
                   params={"timestamp": "at", "id": "id"})  # fmt: skip
        post(churn, VERSION + "/predictions", {"records": [record(clock)]})
        post(churn, VERSION + "/predictions", {"records": [record(clock, score=0.2)]})
        tick()
        post(
            churn,
            MODEL + "/labels",
            {
                "records": [
                    {"id": TOKEN, "label": True},
                    *({"id": f"{start_us}-{n}", "label": n % 2 == 0} for n in range(50)),
                ]
            },
        )
    clock.now_us += HOUR_US
    for _ in range(3):
        tick()
    far = record(clock, timestamp=rfc3339(clock.now_us + 9 * HOUR_US))
    assert post(churn, VERSION + "/predictions", {"records": [record(clock), far]})["quarantined"] == 1
    assert post(churn, MODEL + "/labels", {"records": [{"id": TOKEN, "label": False}]})["stored"] == 1
    aside = churn.post(MODEL + "/labels", json={"records": [{"id": TOKEN, "label": True, "timestamp": SECRET}]})
    assert aside.json()["quarantined"] == 1, aside.text
    churn.store, churn.begin = application.state.services.store, begin
    return churn


def text_of(value):
    """A value as it is stored, and what a batch says when it is decoded."""
    if not isinstance(value, bytes | memoryview):
        return str(value)
    text = bytes(value).decode("latin-1")
    with suppress(OSError, ValueError):  # no batch
        text += repr(decode_batch(bytes(value), "zstd").to_pydict())
    return text


def traces(store):
    """The tables that have the id or what was said of it, in plain or in a batch."""
    found = []
    with store.read() as conn:
        for table in tables.metadata.sorted_tables:
            texts = [text_of(value) for row in conn.execute(sa.select(table)) for value in row]
            found += [table.name for text in texts if TOKEN in text or SECRET in text]
    return sorted(set(found))


def erase(client, tick, *ids):
    asked = client.post(MODEL + "/erase", json={"ids": list(ids), "reason": "request 114"})
    assert asked.status_code == 202, asked.text
    assert asked.json()["state"] == "queued"
    tick()
    return client.get(f"{MODEL}/erasures/{asked.json()['id']}").json()


def told(client):
    """What was found of every window: results, counts."""
    results = client.get(VERSION + "/results").json()["results"]
    windows = client.get(VERSION + "/windows").json()["results"]
    return results, [{k: v for k, v in w.items() if k not in ("computed_at",)} for w in windows]


def numbers(results):
    """What was found of the data; what was found of labels moves with those that the same tick joins."""
    return [(r["window_start"], r["metric"], r["column"], r["value"], r["rows"], r["status"])
            for r in results if r["kind"] not in ("performance", "estimate")]  # fmt: skip


def test_nothing_of_the_id_is_left_and_results_and_counts_stay(known, tick):
    store = known.store
    with store.read() as conn:
        version_id = models.get_version(conn, model="churn", version="42")[1].id
    assert compact_version(store, version_id=version_id) >= 0
    assert {"log_payload", "quarantine", "label_quarantine"} <= set(traces(store))
    before = told(known)
    done = erase(known, tick, TOKEN, "nobody")
    assert (done["state"], done["ids"], done["error"]) == ("done", 2, None)
    assert (done["records"], done["quarantined"]) == (7, 2)  # two an hour, and the one that waited
    assert done["labels"] >= 1
    assert done["reason"] == "request 114"
    assert traces(store) == []
    after = told(known)
    assert numbers(after[0]) == numbers(before[0])
    assert [(w["rows"], w["deduplicated"]) for w in after[1][:3]] == [(ROWS + 1, 1)] * 3
    assert verify_store(store) == []


def test_on_sqlite_a_vacuum_leaves_no_byte_of_it_in_the_file(known, tick, settings, tmp_path):
    """Batches that were never compacted stand in it in plain, and so do copies that moved cells left behind."""
    if known.store.dialect != "sqlite":
        pytest.skip("what PostgreSQL's dead rows keep until a vacuum, the documents say")
    assert in_files(tmp_path)
    erase(known, tick, TOKEN)
    path = Path(settings.database_url.removeprefix("sqlite:///"))
    elsewhere(path, "VACUUM")
    elsewhere(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    assert not in_files(tmp_path)


def in_files(directory):
    contents = [path.read_bytes() for path in directory.rglob("*") if path.is_file()]
    return any(word.encode() in content for content in contents for word in (TOKEN, SECRET))


def test_again_finds_nothing_and_computing_again_changes_no_count(known, tick, clock):
    erase(known, tick, TOKEN)
    before = told(known)
    again = erase(known, tick, TOKEN)
    assert [again[what] for what in ("records", "labels", "quarantined")] == [0, 0, 0]
    assert known.post(VERSION + "/evaluate").status_code == 202
    tick()
    after = told(known)
    rows = [[(r["metric"], r["column"], r["value"], r["rows"]) for r in found] for found in (before[0], after[0])]
    assert rows[0] == rows[1]
    assert known.post(MODEL + "/relayout").status_code == 202
    tick()
    assert verify_store(known.store) == []
    assert [w["rows"] for w in told(known)[1]] == [w["rows"] for w in before[1]]


def test_an_id_that_comes_again_is_a_new_record_and_an_old_label_finds_nothing(known, tick, clock):
    erase(known, tick, TOKEN)
    window = told(known)[1][-1]
    post(known, MODEL + "/labels", {"records": [{"id": TOKEN, "label": True}]})
    for _ in range(2):
        tick()
    assert told(known)[1][-1].get("label_rows") == window.get("label_rows")
    post(known, VERSION + "/predictions", {"records": [record(clock)]})
    for _ in range(2):
        tick()
    shown = known.get(VERSION + "/records", params={"from": rfc3339(known.begin)}).json()["results"]
    assert [one["id"] for one in shown].count(TOKEN) == 1
    assert verify_store(known.store) == []


@pytest.mark.parametrize("ids", [None, [], "a", [True], [None], [1.5], [""], ["x"] * 10_001])
def test_what_are_no_ids_is_refused(churn, ids):
    answer = churn.post(MODEL + "/erase", json={"ids": ids})
    assert (answer.status_code, answer.json()["code"]) == (422, "ids"), answer.text
    assert churn.get(MODEL + "/erasures").json()["results"] == []


def test_under_a_legal_hold_nothing_is_erased(known, tick):
    asked = known.post(MODEL + "/erase", json={"ids": [TOKEN]}).json()
    before = traces(known.store)
    assert known.put(MODEL + "/legal-hold", json={"reason": "case"}).status_code == 201
    refused = known.post(MODEL + "/erase", json={"ids": [TOKEN]})
    assert (refused.status_code, refused.json()["code"]) == (409, "legal_hold")
    tick()
    now = known.get(f"{MODEL}/erasures/{asked['id']}").json()
    assert now["state"] != "done"
    assert "legal hold" in now["error"]
    assert traces(known.store) == before


def test_a_reference_of_stored_rows_is_told_of(known, tick, clock):
    span = {"from": rfc3339(known.begin), "to": rfc3339(known.begin + 2 * HOUR_US)}
    made = known.post(VERSION + "/reference", params=span)
    assert made.status_code == 201, made.text
    done = erase(known, tick, TOKEN)
    assert done["references"] == [{"version": "42", "reference": made.json()["reference"]}]
