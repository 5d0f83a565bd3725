"""What intake says of rows whose window is sealed, by every way in; only the fold is asked again (``evaluate``)."""

from __future__ import annotations

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor.model.time import DAY_US, HOUR_US, rfc3339
from monitor.store.sealing import OUTCOMES
from monitor.store.windows import WindowRow, upsert_window
from tests.ingest.conftest import CSV, NDJSON, NOW, PARQUET

HOUR = NOW - NOW % HOUR_US
SEALED, OPEN, BEFORE = HOUR - 40 * DAY_US, HOUR - 39 * DAY_US, HOUR - 90 * DAY_US
FEATURES = {"age": 1.0, "color": "red"}


@pytest.fixture
def door(door):
    with door.store.write() as conn:
        for start_us, state, retained in ((SEALED, "sealed", OUTCOMES), (OPEN, "closed", None)):
            window = WindowRow(
                version_id=1, start_us=start_us, end_us=start_us + HOUR_US, state=state, retained=retained
            )  # fmt: skip
            upsert_window(conn, window)
    door.service.invalidate()
    return door


def sent():
    """Five times and whether each is too late: the sealed hour's first and last instant, its neighbours, none."""
    at = [SEALED, SEALED + HOUR_US - 1, SEALED - 1, OPEN + 5, BEFORE]
    return at, [True, True, False, False, False]


def parquet(rows):
    table = pa.table({"id": [r["id"] for r in rows], "timestamp": [r["timestamp"] for r in rows],
                      "age": [1.0] * len(rows), "color": ["red"] * len(rows)})  # fmt: skip
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


BODIES = {
    "structs": (lambda rows: json.dumps({"records": [r | {"features": FEATURES} for r in rows]}), "application/json"),
    "loose": (lambda rows: json.dumps({"records": [r | {"features": FEATURES | {"new": [1]}} for r in rows]}),
              "application/json"),
    "lines": (lambda rows: "\n".join(json.dumps(r | {"features": FEATURES}) for r in rows), NDJSON),
    "csv": (lambda rows: "id,timestamp,age,color\n"
            + "\n".join(f"{r['id']},{r['timestamp']},1,red" for r in rows), CSV),
    "parquet": (parquet, PARQUET),
}  # fmt: skip


@pytest.mark.parametrize("form", BODIES)
def test_a_record_of_a_sealed_window_is_quarantined_and_its_neighbours_are_stored(door, form):
    write, media_type = BODIES[form]
    at, late = sent()
    rows = [{"id": f"r{n}", "timestamp": rfc3339(when)} for n, when in enumerate(at)]
    answer = door.post(write(rows), media_type).json()
    assert (answer["stored"], answer["quarantined"]) == (3, 2)
    assert [(e["index"], e["field"], e["code"]) for e in answer["errors"]] == [
        (n, "timestamp", "too_late") for n, is_late in enumerate(late) if is_late
    ]  # fmt: skip
    assert sorted(row["id"] for row in door.stored()) == ["r2", "r3", "r4"]
    assert [json.loads(q.raw)["id"] for q in door.quarantined()] == ["r0", "r1"]


def test_one_small_record_after_the_other_is_told_so_too_and_the_newest_go_the_short_way(door):
    answers = [
        door.post([{"id": f"r{n}", "timestamp": when, "features": FEATURES}]).json()
        for n, when in enumerate([SEALED + 1, NOW, OPEN + 1])
    ]
    assert [(a["stored"], a["quarantined"]) for a in answers] == [(0, 1), (1, 0), (1, 0)]


def test_strict_handling_refuses_the_request(door):
    refused = door.post([{"id": "r", "timestamp": SEALED, "features": FEATURES}], Prefer="handling=strict")
    assert refused.status_code == 422
    assert [e["code"] for e in refused.json()["errors"]] == ["too_late"]
    assert door.stored() == door.quarantined() == []


def test_put_back_it_is_quarantined_again(door):
    door.post([{"id": "r", "timestamp": SEALED + 1, "features": FEATURES}])
    answer = door.service.replay("m", "1").to_json()
    assert (answer["stored"], answer["quarantined"]) == (0, 1)
    assert [q.code for q in door.quarantined()] == ["too_late"]
    assert door.stored() == []
