"""Segments as users see them: results, profiles, alerts, explanations, the status, metrics, the command line."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from typer.testing import CliRunner

from monitor.cli import build
from monitor.model.time import HOUR_US, MINUTE_US, rfc3339
from tests.api.tables import ARROW, PARQUET, arrow_of, hour, parquet_of

M = "/api/v1/models/churn"
V = M + "/versions/42"
FREE, PRO, REST = "plan=free", "plan=pro", "plan=(other)"
DRIFT = {"name": "drift", "kind": "drift", "metric": "psi", "columns": ["age"], "threshold": {"alert": 0.5}}
CHECKS = [DRIFT | {"segments": ["*"], "min_rows": 10}, {"name": "volume", "kind": "volume"}]


def pro_shifted(table: pa.Table, *, by: float) -> pa.Table:
    """The table with the ages of plan ``pro`` higher."""
    age = pc.add(table["age"], pc.if_else(pc.equal(table["plan"], "pro"), by, 0.0))
    return table.set_column(table.schema.get_field_index("age"), "age", age)


@pytest.fixture
def sliced(churn, clock, tick):
    """Two judged hours of a version cut by its plan; in the second the ages of plan ``pro`` are higher."""
    wanted = {"segments": [{"by": "plan", "top": 2}], "checks": CHECKS}
    assert churn.put(M, json=wanted).status_code == 200
    rng = np.random.default_rng(5)
    begin = clock.now_us - clock.now_us % HOUR_US
    churn.sent = []
    churn.reference = pa.concat_tables(hour(rng, start_us=begin - k * HOUR_US, rows=120) for k in range(40, 0, -1))
    answer = churn.put(
        V + "/reference",
        content=parquet_of(churn.reference),
        headers=PARQUET,
        params={"timestamp": "at", "score": "score"},
    )
    assert answer.status_code == 201, answer.text
    for position in range(2):
        start_us = begin + position * HOUR_US
        clock.now_us = start_us + 59 * MINUTE_US
        churn.sent.append(pro_shifted(hour(rng, start_us=start_us, rows=120), by=25.0 * position))
        churn.post(V + "/predictions", content=arrow_of(churn.sent[-1]), headers=ARROW, params={"timestamp": "at"})
        clock.now_us = start_us + HOUR_US + 6 * MINUTE_US
        tick()
    churn.starts = [begin, begin + HOUR_US]
    return churn


def rows_of(client, **params):
    return client.get(V + "/results", params=params).json()["results"]


def rows_sent(client, plan, *, at=-1):
    return pc.sum(pc.equal(client.sent[at]["plan"], plan)).as_py()


def test_results_are_of_every_segment_unless_one_is_asked_for(sliced):
    found = rows_of(sliced, latest="true")
    assert {row["segment"] for row in found} == {"", FREE, PRO, REST}
    assert {row["window_start"] for row in found} == {rfc3339(sliced.starts[1])}
    for segment, rows in (("", 120), (PRO, rows_sent(sliced, "pro")), (FREE, rows_sent(sliced, "free"))):
        one = rows_of(sliced, segment=segment, column="age", metric="psi")
        assert [(row["segment"], row["window_start"]) for row in one] == [
            (segment, rfc3339(start)) for start in reversed(sliced.starts)
        ]
        assert one[0]["rows"] == rows
        assert one == [row for row in rows_of(sliced, column="age", metric="psi") if row["segment"] == segment]
    assert rows_of(sliced, segment="plan=gold") == []
    assert {row["check"] for row in rows_of(sliced, segment=PRO)} == {"drift"}


def test_pages_of_any_size_bring_the_rows_of_all_segments_once(sliced):
    whole = rows_of(sliced)
    for limit in (1, 2, 3, 5, 7, 100):
        seen, cursor = [], None
        while cursor is not None or not seen:
            page = sliced.get(V + "/results", params={"limit": limit} | ({"cursor": cursor} if cursor else {})).json()
            assert len(page["results"]) <= limit
            seen += page["results"]
            cursor = page["next"]
            if cursor is None:
                break
        assert seen == whole


def test_the_open_window_is_judged_in_every_segment(sliced, clock):
    rng = np.random.default_rng(9)
    clock.now_us = sliced.starts[1] + HOUR_US + 30 * MINUTE_US
    more = hour(rng, start_us=sliced.starts[1] + HOUR_US, rows=120).slice(0, 60)
    sliced.post(V + "/predictions", content=arrow_of(more), headers=ARROW, params={"timestamp": "at"})
    open_rows = [row for row in rows_of(sliced, partial="true", column="age", metric="psi") if row["partial"]]
    pro = pc.sum(pc.equal(more["plan"], "pro")).as_py()
    assert {row["segment"]: row["rows"] for row in open_rows if row["segment"] != REST} == {
        "": 60,
        FREE: 60 - pro,
        PRO: pro,
    }
    alone = [row for row in rows_of(sliced, partial="true", segment=PRO, column="age", metric="psi") if row["partial"]]
    assert alone == [row for row in open_rows if row["segment"] == PRO]


def test_a_profile_is_of_the_segment_that_is_asked_for(sliced):
    found = sliced.get(V + "/profile", params={"segment": PRO, "column": "age"}).json()
    of_pro = pc.equal(sliced.reference["plan"], "pro")
    assert found["reference"]["rows"] == pc.sum(of_pro).as_py()
    assert found["reference"]["mean"] == pytest.approx(pc.mean(sliced.reference["age"].filter(of_pro)).as_py())
    sent = sliced.sent[-1]
    ages = sent["age"].filter(pc.equal(sent["plan"], "pro"))
    assert (found["current"]["rows"], found["current"]["mean"]) == (len(ages), pytest.approx(pc.mean(ages).as_py()))
    assert sliced.get(V + "/profile", params={"segment": ""}).json()["current"]["rows"] == 120
    missing = sliced.get(V + "/profile", params={"segment": "plan=por"})
    assert (missing.status_code, "did you mean 'plan=pro'" in missing.json()["detail"]) == (404, True)


def test_an_alert_names_its_segment_and_is_explained_in_it(sliced):
    (alert,) = sliced.get("/api/v1/alerts", params={"state": "firing"}).json()["results"]
    assert (alert["check"], alert["segment"], alert["status"]) == ("drift", PRO, "alert")
    assert alert["rows"] == rows_sent(sliced, "pro")
    by_segment = {
        name: [one["id"] for one in sliced.get("/api/v1/alerts", params={"segment": name}).json()["results"]]
        for name in (PRO, FREE, "", "plan=por")
    }  # fmt: skip
    assert by_segment == {PRO: [alert["id"]], FREE: [], "": [], "plan=por": []}
    shown = sliced.get(f"/api/v1/alerts/{alert['id']}").json()
    assert "in segment plan=pro" in shown["explanation"]
    assert [story["column"] for story in shown["why"]["columns"]] == ["age"]
    start = rfc3339(sliced.starts[1])
    asked = sliced.post(V + "/explain", json={"start": start, "segment": PRO}).json()
    assert (asked["segment"], asked["status"], asked["explanation"]) == (PRO, "alert", shown["explanation"])
    whole = sliced.post(V + "/explain", json={"start": start, "check": "drift"}).json()
    assert (whole["segment"], whole["status"]) == ("", "ok")
    wrong = sliced.post(V + "/explain", json={"start": start, "segment": "plan=por"})
    assert (wrong.status_code, "did you mean 'plan=pro'" in wrong.json()["detail"]) == (404, True)


def test_the_status_shows_each_segment_and_is_alert_when_one_is(sliced):
    status = sliced.get(V + "/status").json()
    assert {check["name"]: check["status"] for check in status["checks"]} == {"drift": "ok", "volume": "ok"}
    found = {one["segment"]: one for one in status["segments"]}
    assert list(found) == [FREE, PRO, REST]
    assert [(found[name]["status"], found[name]["checks"][0]["name"]) for name in (FREE, PRO)] == [
        ("ok", "drift"),
        ("alert", "drift"),
    ]
    assert (found[REST]["status"], found[REST]["checks"][0]["reason"], found[REST]["reference_rows"]) == (
        "unknown",
        "few_rows",
        0,
    )
    assert status["status"] == "alert"
    model = sliced.get(M).json()
    assert (model["status"], model["worst"]["segment"], model["worst"]["column"]) == ("alert", PRO, "age")


def test_the_series_of_a_segment_say_what_fails_there(sliced, application):
    application.state.services.exporter.refresh()
    lines = sliced.get("/metrics").text.splitlines()
    found = dict(line.rsplit(" ", 1) for line in lines if line.startswith("driftline_") and 'model="churn"' in line)
    known = 'model="churn",version="42"'
    failing = {
        s: found[f'driftline_check_failing{{{known},segment="{s}",check="drift",severity="warning"}}']
        for s in ("", FREE, PRO)
    }
    status = {
        s: found[f'driftline_column_status{{{known},segment="{s}",column="age",check="drift"}}']
        for s in ("", FREE, PRO)
    }
    rows = {s: found[f'driftline_window_rows{{{known},segment="{s}"}}'] for s in ("", PRO, REST)}
    assert failing == {"": "0", FREE: "0", PRO: "1"}
    assert status == {"": "0", FREE: "0", PRO: "2"}
    assert rows == {"": "120", PRO: str(rows_sent(sliced, "pro")), REST: "0"}
    assert float(found[f'driftline_drift_score{{{known},segment="{PRO}",column="age",metric="psi"}}']) > 0.5
    assert found[f'driftline_check_unknown{{{known},segment="{REST}",check="drift",reason="few_rows"}}'] == "1"


def test_a_silence_of_a_segment_holds_back_that_one(sliced):
    body = {"reason": "the price change", "end": "4h", "segments": ["plan=p*"]}
    assert sliced.post(M + "/silences", json=body).status_code == 201
    (alert,) = sliced.get("/api/v1/alerts", params={"state": "firing"}).json()["results"]
    assert (alert["segment"], alert["held_back"]["reason"]) == (PRO, "the price change")
    other = {"reason": "another", "end": "4h", "segments": [""]}
    assert sliced.post(M + "/silences", json=other).status_code == 201
    status = sliced.get(V + "/status").json()
    of_drift = {one["segment"]: one["checks"][0]["held_back"] for one in status["segments"]}
    assert [(of_drift[name] or {}).get("reason") for name in (FREE, PRO)] == [None, "the price change"]
    assert status["checks"][0]["held_back"]["reason"] == "another"


def test_the_command_line_asks_for_a_segment(sliced, monkeypatch):
    monkeypatch.setenv("DRIFTLINE_URL", str(sliced.base_url).rstrip("/"))

    def run(*words):
        done = CliRunner().invoke(build(), list(words), catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    rows = json.loads(run("results", "churn", "42", "--latest", "--segment", PRO, "--json"))
    assert rows == rows_of(sliced, latest="true", segment=PRO)
    assert {row["segment"] for row in json.loads(run("results", "churn", "42", "--latest", "--json"))} == {
        "",
        FREE,
        PRO,
        REST,
    }
    assert "segment" in run("results", "churn", "42", "--latest").splitlines()[0].split()
    assert "in segment plan=pro" in run("explain", "churn", "42", "--segment", PRO)
    assert any(line.split()[:2] == ["drift", PRO] for line in run("status", "churn", "42").splitlines())
