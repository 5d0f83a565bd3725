from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from monitor.model.time import HOUR_US, rfc3339
from tests.api.tables import ARROW, CSV, NDJSON, PARQUET, arrow_of, csv_of, hour, parquet_of

M = "/api/v1/models/churn"
V = M + "/versions/42"
REF = V + "/reference"
ROLES = {"timestamp": "at", "score": "score"}


@pytest.fixture
def march(clock):
    """Thirty hours before now, 100 rows each, as one table."""
    import pyarrow as pa

    rng = np.random.default_rng(3)
    begin = clock.now_us - clock.now_us % HOUR_US
    return pa.concat_tables([hour(rng, start_us=begin - k * HOUR_US, rows=100) for k in range(30, 0, -1)])


def ndjson_of(table) -> bytes:
    lines = []
    for row in table.to_pylist():
        lines.append(json.dumps({**row, "at": row["at"].isoformat()}))
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    ("headers", "encode"),
    [(PARQUET, parquet_of), (ARROW, arrow_of), (CSV, csv_of), (NDJSON, ndjson_of)],
    ids=["parquet", "arrow", "csv", "ndjson"],
)
def test_every_file_format_gives_the_same_reference(churn, march, headers, encode):
    body = encode(march)
    answer = churn.put(REF, content=body, headers=headers, params=ROLES | {"source": "s3://lake/march"})
    assert answer.status_code == 201, answer.text[:500]
    shown = answer.json()
    assert (shown["reference"], shown["rows"], shown["source"]) == (1, 3_000, "s3://lake/march")
    assert shown["digest"] == "sha256:" + hashlib.sha256(body).hexdigest()
    assert {c["name"]: (c["role"], c["type"]) for c in shown["schema"]["columns"]} == {
        "at": ("timestamp", "timestamp"), "age": ("feature", "numeric"), "plan": ("feature", "categorical"),
        "score": ("score", "numeric"),
    }  # fmt: skip
    assert shown["columns"]["age"]["mean"] == pytest.approx(np.mean(march["age"].to_numpy()))
    assert shown["columns"]["plan"]["top"]["free"] == march["plan"].to_pylist().count("free")
    assert "no_label" in {warning["code"] for warning in shown["warnings"]}


def test_the_same_file_and_roles_again_is_200_with_the_same_number(churn, march):
    body = parquet_of(march)
    first = churn.put(REF, content=body, headers=PARQUET, params=ROLES)
    again = churn.put(REF, content=body, headers=PARQUET, params=ROLES)
    other = churn.put(REF, content=body, headers=PARQUET, params=ROLES | {"ignore": "plan"})
    assert [(a.status_code, a.json()["reference"]) for a in (first, again, other)] == [(201, 1), (200, 1), (201, 2)]


def test_who_prefers_a_brief_answer_gets_one_without_the_columns(churn, march):
    body = parquet_of(march)
    brief = churn.put(REF, content=body, headers=PARQUET | {"Prefer": "return=minimal"}, params=ROLES)
    assert (brief.status_code, brief.headers["Preference-Applied"]) == (201, "return=minimal")
    whole = churn.put(REF, content=body, headers=PARQUET, params=ROLES)
    assert "Preference-Applied" not in whole.headers
    assert brief.json() == {name: value for name, value in whole.json().items() if name not in ("schema", "columns")}


def test_references_are_listed_newest_first_and_an_earlier_one_can_be_activated(churn, march):
    for part in (march, march.slice(0, 2_000), march.slice(0, 1_000)):
        assert churn.put(REF, content=parquet_of(part), headers=PARQUET, params=ROLES).status_code == 201
    page = churn.get(V + "/references", params={"limit": 2}).json()
    rest = churn.get(V + "/references", params={"cursor": page["next"]}).json()
    listed = [(r["reference"], r["rows"], r["active"]) for r in page["results"] + rest["results"]]
    assert listed == [(3, 1_000, True), (2, 2_000, False), (1, 3_000, False)]
    back = churn.post(V + "/reference/1/activate")
    assert (back.status_code, back.json()["reference"]) == (200, 1)
    active = churn.get(REF)
    assert (active.json()["reference"], active.json()["rows"], active.headers["etag"]) == (1, 3_000, '"1"')
    assert active.json()["columns"]["age"]["rows"] == 3_000
    assert churn.get(V).json()["reference"] == 1
    assert churn.post(V + "/reference/9/activate").status_code == 404
    assert churn.post(V + "/reference/0/activate").status_code == 422


def test_if_match_names_the_active_reference(churn, march):
    churn.put(REF, content=parquet_of(march), headers=PARQUET, params=ROLES)
    body = parquet_of(march.slice(0, 500))
    assert churn.put(REF, content=body, headers=PARQUET | {"If-Match": '"7"'}, params=ROLES).status_code == 412
    assert churn.put(REF, content=body, headers=PARQUET | {"If-Match": '"1"'}, params=ROLES).status_code == 201


@pytest.mark.parametrize(
    ("content", "headers", "params", "status", "part"),
    [
        (b"", CSV, {}, 422, "empty"),
        (b"PAR1 is not enough", PARQUET, {}, 400, "Parquet"),
        (b"a,b\n", CSV, {}, 422, "row"),
        (b"a,a\n1,2\n", CSV, {}, 422, "there twice"),
        (b"[1]\n", NDJSON, {}, 400, "line 1"),
        (b"\xff\xff\xff", ARROW, {}, 400, "arrow.stream"),
        (b"DLP1 not really", {"Content-Type": "application/vnd.driftline.profile"}, {}, 400, "damaged"),
        (b"a\n1\n", {"Content-Type": "application/json"}, {}, 415, "expected one of"),
        (b"a\n1\n", CSV | {"Content-Encoding": "gzip"}, {}, 415, "gzip"),
        (b"a\n1\n", CSV, {"prediction": "b"}, 422, "does not have"),
        (b"a\n1\n", CSV, {"predicton": "a"}, 422, "did you mean 'prediction'"),
        (b"plan,age\n1,2\n", CSV, {"ignore": "plam"}, 422, "did you mean 'plan'"),
        (b"region\n1\n", CSV, {"segment": "regoin"}, 422, "did you mean 'region'"),
        (b"a\n1\n", CSV, {"source": "x" * 3_000}, 422, "source"),
    ],
)
def test_a_file_that_cannot_be_a_reference_is_refused_in_words(embedded, content, headers, params, status, part):
    answer = embedded.put(REF, content=content, headers=headers, params=params)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert part in answer.json()["detail"]
    assert embedded.get(REF).status_code == 404
    assert embedded.get(V + "/references").json()["results"] == []


def test_a_column_that_makes_segments_is_marked_in_the_schema(churn, march):
    answer = churn.put(REF, content=parquet_of(march), headers=PARQUET, params=ROLES | {"segment": "plan"})
    assert answer.status_code == 201, answer.text[:500]
    marked = {column["name"]: column.get("segment", False) for column in answer.json()["schema"]["columns"]}
    assert marked == {"at": False, "age": False, "plan": True, "score": False}
    schema = churn.get(V).json()["schema"]
    assert churn.put(V, json={"schema": schema}).json()["schema"] == schema


def test_an_upload_leaves_no_file_behind_whether_it_succeeds_or_fails(churn, march, settings):
    churn.put(REF, content=parquet_of(march), headers=PARQUET, params=ROLES)
    churn.put(REF, content=b"nonsense", headers=PARQUET)
    assert list(settings.upload_dir.iterdir()) == []


def test_a_reference_over_its_limit_is_413(settings, clock):
    from dataclasses import replace

    from monitor.app import create_app
    from tests.api.running import client_of

    small = replace(settings, max_reference_bytes=10_000)
    with client_of(create_app(small, jobs=False, now_us=clock)) as client:
        client.put(M, json={})
        client.put(V, json={})
        answer = client.put(REF, content=iter([b"a\n", *[b"1\n" * 1_000] * 10]), headers=CSV)
        assert (answer.status_code, "MAX_REFERENCE_BYTES" in answer.json()["detail"]) == (413, True)


def test_a_reference_can_be_made_of_stored_rows(churn, march, clock, tick):
    assert churn.post(V + "/predictions", content=arrow_of(march), headers=ARROW, params={"timestamp": "at"}).is_success
    tick()
    begin = clock.now_us - clock.now_us % HOUR_US
    span = {"from": rfc3339(begin - 20 * HOUR_US), "to": rfc3339(begin)}
    made = churn.post(REF, params=span)
    assert (made.status_code, made.json()["rows"]) == (201, 2_000), made.text[:300]
    assert made.json()["source"].startswith("stored:")
    assert churn.post(REF, params={"from": span["from"]}).status_code == 422
    assert churn.post(REF, params={"from": "1990-01-01", "to": "1990-01-02"}).status_code == 422


def test_relayout_makes_new_cells_from_a_reference(churn, march, tick):
    churn.put(REF, content=parquet_of(march), headers=PARQUET, params=ROLES)
    job = churn.post(M + "/relayout", params={"reference": 1})
    assert (job.status_code, job.json()["state"]) == (202, "queued")
    tick()
    assert churn.get(job.headers["location"]).json() == {"id": job.json()["id"], "state": "done", "progress": 1.0}
    assert churn.post(M + "/relayout", params={"reference": 5}).status_code == 404
    assert churn.get("/api/v1/jobs/job_999").status_code == 404
