"""The serving application: what it sends, and that it waits when the server says so."""

from __future__ import annotations

import io
import json
from datetime import date

import httpx
import pandas as pd
import pyarrow.parquet as pq
import pytest

from monitor.demo.flights import CATEGORIES, FEATURES
from monitor.demo.server import ServiceFailed
from monitor.demo.serving import BATCH, ServingApplication, batches, parquet


def predictions(rows: int) -> pd.DataFrame:
    columns = {name: ["AA"] * rows if name in CATEGORIES else [1.5] * rows for name in FEATURES}
    stamps = pd.to_datetime(["2026-06-01T09:00:00Z"] * rows)
    table = pd.DataFrame(columns).assign(
        id=[str(n) for n in range(rows)], timestamp=stamps, score=0.25, prediction=False
    )
    return table.assign(late=None, temp=[float("nan"), *[40.0] * (rows - 1)])


def test_a_day_goes_out_in_batches_and_a_missing_value_is_null():
    parts = list(batches(predictions(BATCH + 1)))
    assert [len(part) for part in parts] == [BATCH, 1]
    first = json.loads(json.dumps(parts[0][0], allow_nan=False))
    assert set(first) == {"id", "timestamp", "features", "prediction", "score"}
    assert (first["id"], first["timestamp"], first["prediction"], first["score"]) == (
        "0",
        "2026-06-01T09:00:00Z",
        False,
        0.25,
    )
    assert first["features"] == {name: "AA" if name in CATEGORIES else 1.5 for name in FEATURES} | {"temp": None}


def test_the_reference_is_a_parquet_file_with_the_roles_columns():
    written = pq.read_table(io.BytesIO(parquet(predictions(3))))
    assert written.column_names == ["id", "timestamp", *FEATURES, "prediction", "score", "late"]
    assert str(written.schema.field("timestamp").type) in ("timestamp[us, tz=UTC]", "timestamp[ns, tz=UTC]")


def application(answers: list[httpx.Response], seen: list[httpx.Request]) -> ServingApplication:
    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answers[len(seen) - 1]

    made = ServingApplication("http://demo")
    made._client = httpx.Client(base_url="http://demo/api/v1", transport=httpx.MockTransport(answer))
    return made


def test_a_busy_server_is_asked_again_with_the_same_key():
    seen: list[httpx.Request] = []
    busy = httpx.Response(503, headers={"Retry-After": "0"})
    made = application([busy, busy, httpx.Response(200, json={"stored": 2})], seen)
    assert made.post_day(date(2013, 3, 1), predictions(2)) == 2
    assert [request.headers["Idempotency-Key"] for request in seen] == ["2013-03-01-0"] * 3
    assert len({request.content for request in seen}) == 1


def test_any_other_refusal_ends_the_demo_with_the_servers_words():
    made = application([httpx.Response(422, text="nothing fits")], [])
    with pytest.raises(ServiceFailed, match="answered 422: nothing fits"):
        made.post_day(date(2013, 3, 1), predictions(2))


def test_the_model_is_set_up_with_one_token_and_records_are_posted_with_another():
    seen: list[httpx.Request] = []
    made = application([httpx.Response(200, json={"stored": 0})] * 5, seen)
    made._access, made._ingest_access = {"Authorization": "Bearer w"}, {"Authorization": "Bearer i"}
    made.set_up(predictions(1))
    made.post_day(date(2013, 3, 1), predictions(1))
    made.post_labels(date(2013, 3, 1), predictions(1).assign(late=True))
    sent = [(request.method, request.headers["Authorization"]) for request in seen]
    assert sent == [("PUT", "Bearer w")] * 3 + [("POST", "Bearer i")] * 2
