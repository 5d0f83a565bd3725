"""Records in over HTTP, folded, judged against a reference, out by results, alerts and metrics."""

from __future__ import annotations

import time

import numpy as np
import pytest

from monitor.app import create_app
from monitor.jobs.settings import JobSettings
from monitor.model.time import HOUR_US, MINUTE_US, from_us, rfc3339
from tests.api.running import client_of
from tests.api.tables import ARROW, PARQUET, arrow_of, hour, parquet_of

M = "/api/v1/models/churn"
V = M + "/versions/42"


@pytest.fixture
def live(settings, clock):
    """A server whose jobs tick every 200 ms by the test's clock."""
    rhythm = JobSettings(tick_us=200_000, fold_interval_us=0)
    with client_of(create_app(settings, now_us=clock, rhythm=rhythm, refresh_seconds=0.2)) as client:
        yield client


def wait_for(look, *, seconds=60.0):
    """What ``look`` finds, as soon as it finds anything."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come in time")


def test_a_drifted_column_comes_out_as_results_alert_and_series(live, clock):
    rng = np.random.default_rng(7)
    this_hour = clock.now_us - clock.now_us % HOUR_US
    healthy = [hour(rng, start_us=this_hour - k * HOUR_US, rows=400) for k in range(1, 200)]
    live.put(M, json={"task": "binary_classification"})
    live.put(V, json={})
    answer = live.put(V + "/reference", content=parquet_of(*healthy), headers=PARQUET,
                      params={"timestamp": "at", "score": "score"})  # fmt: skip
    assert answer.status_code == 201, answer.text
    assert answer.json()["rows"] == 199 * 400

    clock.now_us = this_hour + 55 * MINUTE_US
    drifted = hour(rng, start_us=this_hour, rows=400, shift=30.0)
    answer = live.post(V + "/predictions", content=arrow_of(drifted), headers=ARROW, params={"timestamp": "at"})
    assert (answer.status_code, answer.json()["stored"]) == (200, 400), answer.text[:500]
    partial = live.get(V + "/results", params={"partial": "true", "metric": "psi"}).json()["results"]
    assert {row["partial"] for row in partial} == {True}

    clock.now_us = this_hour + HOUR_US + 6 * MINUTE_US
    rows = wait_for(lambda: live.get(V + "/results", params={"latest": "true"}).json()["results"])
    by = {(row["column"], row["metric"]): row for row in rows}
    assert by["age", "psi"]["value"] > 0.5 > by["plan", "psi"]["value"]
    assert by["age", "psi"]["window_start"] == rfc3339(this_hour)

    status = live.get(V + "/status").json()
    assert (status["status"], status["calibration"]["state"]) == ("warning", "calibrated") or status
    alert = wait_for(lambda: live.get("/api/v1/alerts", params={"state": "firing"}).json()["results"])[0]
    assert (alert["model"], alert["version"], alert["check"], alert["columns"][0]["column"]) == (
        "churn", "42", "drift", "age",
    )  # fmt: skip
    one = live.get(f"/api/v1/alerts/{alert['id']}").json()
    assert alert | {"explanation": one["explanation"], "why": one["why"]} == one
    shown = live.get(M).json()
    assert (shown["status"], shown["worst"]["column"], shown["rows"]) == (alert["status"], "age", 400)
    series = 'driftline_check_failing{model="churn",version="42",segment="",check="drift",severity="warning"} 1'
    wait_for(lambda: series in live.get("/metrics").text)
    assert from_us(this_hour).hour == 12
