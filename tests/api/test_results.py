from __future__ import annotations

import csv
import io

import numpy as np
import pyarrow as pa

from monitor.api.result_rows import FIELDS
from monitor.model.time import HOUR_US, MINUTE_US, rfc3339
from tests.api.conftest import HOURS
from tests.api.tables import ARROW, arrow_of, hour, read_arrow

M = "/api/v1/models/churn"
V = M + "/versions/42"


def rows_of(client, **params):
    return client.get(V + "/results", params=params).json()["results"]


def test_a_result_row_has_every_field_of_the_contract(judged):
    row = rows_of(judged, latest="true", column="age", metric="psi")[0]
    assert list(row) == list(FIELDS)
    assert (row["model"], row["version"], row["reference"], row["partial"], row["segment"]) == (
        "churn", "42", 1, False, "",
    )  # fmt: skip
    assert (row["window_start"], row["window_end"]) == (
        rfc3339(judged.starts[2]), rfc3339(judged.starts[2] + HOUR_US),
    )  # fmt: skip
    assert (row["rows"], row["reference_rows"], row["revision"]) == (120, HOURS * 120, 1)
    assert (row["value"] > 1.0, isinstance(row["method"], dict)) == (True, True)


def test_results_are_newest_first_and_from_to_is_half_open(judged):
    starts = [rfc3339(s) for s in judged.starts]
    seen = [row["window_start"] for row in rows_of(judged, column="age", metric="psi")]
    assert seen == starts[::-1]
    middle = rows_of(judged, column="age", metric="psi", **{"from": starts[1], "to": starts[2]})
    assert [row["window_start"] for row in middle] == [starts[1]]


def test_pages_of_any_size_bring_every_row_once(judged):
    whole = rows_of(judged)
    for limit in (1, 7, 50):
        seen, cursor = [], None
        while True:
            params = {"limit": limit} | ({"cursor": cursor} if cursor else {})
            page = judged.get(V + "/results", params=params).json()
            assert len(page["results"]) <= limit
            seen += page["results"]
            cursor = page["next"]
            if cursor is None or (limit == 1 and len(seen) > 30):
                break
        assert seen == whole[: len(seen)]
        assert limit == 1 or len(seen) == len(whole)


def test_filters_keep_what_was_asked_for(judged):
    assert {row["kind"] for row in rows_of(judged, kind="quality")} == {"quality"}
    assert {row["column"] for row in rows_of(judged, column="plan")} == {"plan"}
    assert {row["column"] for row in rows_of(judged, column="")} == {""}
    assert rows_of(judged, column="nope") == []
    assert {row["window_start"] for row in rows_of(judged, latest="true")} == {rfc3339(judged.starts[2])}


def test_csv_and_arrow_hold_the_same_rows_as_json(judged):
    rows = rows_of(judged, latest="true")
    text = judged.get(V + "/results", params={"latest": "true"}, headers={"Accept": "text/csv"})
    table = judged.get(V + "/results", params={"latest": "true"}, headers={"Accept": ARROW["Content-Type"]})
    assert (text.headers["content-type"].split(";")[0], table.headers["content-type"]) == (
        "text/csv", ARROW["Content-Type"],
    )  # fmt: skip
    read = list(csv.DictReader(io.StringIO(text.text)))
    arrow = read_arrow(table.content)
    assert arrow.schema.names == list(FIELDS) == list(read[0])
    assert [float(r["value"]) if r["value"] else None for r in read] == [r["value"] for r in rows]
    assert arrow["value"].to_pylist() == [r["value"] for r in rows]
    assert [r["window_start"] for r in read] == [r["window_start"] for r in rows]
    assert arrow.schema.field("window_start").type == pa.timestamp("us", tz="UTC")


def test_a_page_of_csv_names_the_next_one_in_its_link(judged):
    first = judged.get(V + "/results", params={"limit": 5}, headers={"Accept": "text/csv"})
    link = first.headers["link"]
    assert link.endswith('>; rel="next"')
    following = judged.get(V + "/results" + link[1:].partition(">")[0]).json()["results"]
    assert following == rows_of(judged)[5:10]


def test_the_open_window_is_judged_when_asked_and_stored_nowhere(judged, clock):
    now_us = judged.starts[2] + HOUR_US + 10 * MINUTE_US
    clock.now_us = now_us
    records = [{"features": {"age": 40.0, "plan": "pro"}, "score": 0.5}] * 60
    judged.post(V + "/predictions", json={"records": records})
    partial = rows_of(judged, partial="true", column="age", metric="psi")
    assert [(row["partial"], row["rows"]) for row in partial][:2] == [(True, 60), (False, 120)]
    assert [row["partial"] for row in rows_of(judged, column="age", metric="psi")] == [False] * 3


def test_the_profile_shows_reference_and_current_side_by_side(judged):
    shown = judged.get(V + "/profile", params={"column": "age"}).json()
    assert (shown["reference"]["rows"], shown["current"]["rows"]) == (HOURS * 120, 120)
    assert shown["current"]["mean"] > shown["reference"]["mean"] + 30
    for side in shown.values():
        assert len(side["counts"]) == len(side["edges"]) + 1
        assert sum(side["counts"]) == side["rows"] - side["missing"] - side["invalid"]
    span = {"from": rfc3339(judged.starts[0]), "to": rfc3339(judged.starts[2])}
    assert judged.get(V + "/profile", params={"column": "plan"} | span).json()["current"]["rows"] == 240
    assert set(judged.get(V + "/profile").json()["current"]["columns"]) == {"age", "plan", "score"}
    unknown = judged.get(V + "/profile", params={"column": "agee"})
    assert (unknown.status_code, "did you mean 'age'" in unknown.json()["detail"]) == (404, True)


def test_a_version_that_nothing_is_known_of_has_no_profile_and_says_what_to_do(churn):
    answer = churn.get(V + "/profile")
    assert (answer.status_code, "PUT …/reference" in answer.json()["detail"]) == (404, True)


def test_windows_show_what_is_empty_between_and_how_the_newest_stands(judged, clock):
    clock.now_us = judged.starts[2] + 4 * HOUR_US + MINUTE_US
    shown = judged.get(V + "/windows").json()["results"]
    states = {rfc3339(s): "closed" for s in judged.starts} | {
        rfc3339(judged.starts[2] + HOUR_US): "empty", rfc3339(judged.starts[2] + 2 * HOUR_US): "empty",
        rfc3339(judged.starts[2] + 3 * HOUR_US): "pending", rfc3339(judged.starts[2] + 4 * HOUR_US): "open",
    }  # fmt: skip
    assert {w["start"]: w["state"] for w in shown} == states
    assert [w["rows"] for w in shown] == [120, 120, 120, 0, 0, 0, 0]
    seen, cursor = [], None
    for _ in range(4):
        page = judged.get(V + "/windows", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += page["results"]
        cursor = page["next"]
    assert (seen, cursor) == (shown, None)
    some = judged.get(V + "/windows", params={"from": shown[1]["start"], "to": shown[4]["start"]}).json()["results"]
    assert some == shown[1:4]


def test_a_window_without_rows_is_pending_until_the_feeds_usual_lag_has_passed(churn, clock, tick):
    for _ in range(2):  # each hour comes 40 minutes after its end
        start_us = clock.now_us // HOUR_US * HOUR_US
        clock.now_us = start_us + HOUR_US + 40 * MINUTE_US
        rows = [{"id": f"r{start_us}-{i}", "timestamp": start_us + i, "features": {"age": i}} for i in range(5)]
        assert churn.post(V + "/predictions", json={"records": rows}).status_code == 200
        tick()
    end_us = start_us + 2 * HOUR_US  # of the hour that nothing came for
    states = []
    for minutes in (10, 39, 50):
        clock.now_us = end_us + minutes * MINUTE_US
        shown = churn.get(V + "/windows", params={"from": rfc3339(end_us - HOUR_US), "to": rfc3339(end_us)})
        states.append([w["state"] for w in shown.json()["results"]])
    assert states == [["pending"], ["pending"], ["empty"]]


def test_windows_of_loaded_history_have_no_empty_ones_between(churn, clock, tick):
    rng = np.random.default_rng(1)
    for days in (30, 20):
        table = hour(rng, start_us=clock.now_us - clock.now_us % HOUR_US - days * 24 * HOUR_US, rows=60)
        churn.post(V + "/predictions", content=arrow_of(table), headers=ARROW, params={"timestamp": "at"})
    churn.put(V, json={"schema": [{"name": "age"}, {"name": "plan", "type": "categorical"}]})
    tick()
    assert [w["rows"] for w in churn.get(V + "/windows").json()["results"]] == [60, 60]


def test_evaluate_computes_windows_again_and_their_revision_goes_up(judged, tick):
    job = judged.post(V + "/evaluate", params={"from": rfc3339(judged.starts[1])})
    assert (job.status_code, job.json()["state"], job.headers["location"]) == (
        202, "queued", f"/api/v1/jobs/{job.json()['id']}",
    )  # fmt: skip
    tick()
    assert judged.get(job.headers["location"]).json()["state"] == "done"
    shown = judged.get(V + "/windows", params={"to": rfc3339(judged.starts[2] + 1)}).json()["results"]
    assert [(w["revision"], w["state"]) for w in shown] == [(1, "closed"), (2, "revised"), (2, "revised")]


def test_status_names_the_checks_the_open_window_and_what_comes_next(judged):
    shown = judged.get(V + "/status").json()
    assert {c["name"] for c in shown["checks"]} == {"drift", "missing", "invalid", "unseen", "volume", "schema"}
    assert set(shown["open"]) == {"window_start", "rows", "ends_in"}
    assert shown["calibration"]["state"] in ("learning", "extrapolated", "calibrated")
    assert set(shown) == {"status", "checks", "segments", "open", "next", "calibration", "alarms"}
    assert shown["segments"] == []


def test_alerts_are_transitions_in_pages(judged):
    shown = judged.get("/api/v1/alerts").json()["results"]
    for alert in shown:
        one = judged.get(f"/api/v1/alerts/{alert['id']}").json()
        assert alert | {"explanation": one["explanation"], "why": one["why"]} == one
    firing = judged.get("/api/v1/alerts", params={"state": "firing", "model": "churn"}).json()["results"]
    assert firing == [alert for alert in shown if alert["state"] == "firing"]
    assert judged.get("/api/v1/alerts", params={"model": "other"}).json()["results"] == []
    assert judged.get("/api/v1/alerts", params={"state": "burning"}).status_code == 422
    assert [judged.get(f"/api/v1/alerts/{i}").status_code for i in ("al_0", "al_99999", "x", "9" * 30)] == [404] * 4
