"""One column of one model drifts, and exactly that alert arrives at a webhook behind Alertmanager, and resolves."""

from __future__ import annotations

import io
import time
from collections.abc import Callable

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from monitor.model.time import HOUR_US, MINUTE_US, SECOND_US
from tests.e2e.alerting import Webhook, alertmanager, prometheus
from tests.service import Service

MODELS = ("churn", "fraud", "price")
DRIFTING, COLUMN = "fraud", "f07"
COLUMNS = tuple(f"f{n:02}" for n in range(20))
REFERENCE_WINDOWS, WINDOW_ROWS = 120, 100
AHEAD = 6  # minutes of healthy traffic that are there before their time: rows up to ten minutes ahead are taken
ALERT_SECONDS, RESOLVE_SECONDS = 60.0, 150.0


def table(start_us: int, windows: int, *, seed: int, shifted: str | None = None) -> pa.Table:
    """``WINDOW_ROWS`` rows a minute: 18 normal columns and two categories; ``shifted`` is 4 sd higher."""
    dice = np.random.default_rng(seed)
    rows = windows * WINDOW_ROWS
    columns: dict[str, object] = {name: dice.normal(size=rows) for name in COLUMNS[:18]}
    columns |= {name: dice.choice(["a", "b", "c"], size=rows, p=[0.6, 0.3, 0.1]) for name in COLUMNS[18:]}
    if shifted is not None:
        columns[shifted] = columns[shifted] + 4.0
    step_us = MINUTE_US // WINDOW_ROWS
    stamps = pa.array(start_us + np.arange(rows) * step_us, pa.timestamp("us", tz="UTC"))
    return pa.table({"timestamp": stamps, **columns})


def set_up(api: httpx.Client, model: str, *, now_us: int) -> None:
    settings = {"task": "none", "team": f"team-{model}", "window": "1m", "lateness": "1s"}
    assert api.put(f"/models/{model}", json=settings).status_code == 201
    assert api.put(f"/models/{model}/versions/1", json={}).status_code == 201
    start_us = now_us - now_us % MINUTE_US - 24 * HOUR_US
    sink = io.BytesIO()
    pa.parquet.write_table(table(start_us, REFERENCE_WINDOWS, seed=MODELS.index(model)), sink)
    answer = api.put(
        f"/models/{model}/versions/1/reference", params={"timestamp": "timestamp"}, content=sink.getvalue(),
        headers={"Content-Type": "application/vnd.apache.parquet"},
    )  # fmt: skip
    assert answer.status_code == 201, answer.text


def post(api: httpx.Client, model: str, rows: pa.Table) -> None:
    records = [
        {"timestamp": record.pop("timestamp").isoformat(), "features": record}
        for record in rows.to_pylist()
    ]  # fmt: skip
    answer = api.post(f"/models/{model}/versions/1/predictions", json={"records": records})
    assert answer.status_code == 200, answer.text
    assert answer.json()["stored"] == len(records)


def wait_for(found: Callable[[], list], *, seconds: float, what: Callable[[], str]) -> list:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if answer := found():
            return answer
        time.sleep(0.5)
    raise AssertionError(what())


def now_us() -> int:
    return time.time_ns() // 1000


@pytest.mark.slow
@pytest.mark.alone
def test_one_drifting_column_of_one_model_is_one_alert_that_names_it_and_resolves(tmp_path):
    service, webhook = Service(tmp_path), Webhook()
    service.start()
    try:
        with (
            httpx.Client(base_url=f"{service.url}/api/v1", timeout=60) as api,
            alertmanager(tmp_path, webhook=webhook.url) as manager,
            prometheus(tmp_path, target=service.url.removeprefix("http://"), alertmanager=manager) as server,
        ):
            for model in MODELS:
                set_up(api, model, now_us=now_us())
            minute_us = now_us() - now_us() % MINUTE_US
            # The alert has to last: late in a minute the drift goes on through the minute that is open.
            drifted = 1 if now_us() - minute_us < 20 * SECOND_US else 2
            for model in MODELS:
                seed = 100 + MODELS.index(model)
                post(api, model, table(minute_us - 3 * MINUTE_US, 2, seed=seed))
                healthy_us = minute_us - MINUTE_US
                if model == DRIFTING:
                    post(api, model, table(healthy_us, drifted, seed=seed + 10, shifted=COLUMN))
                    healthy_us += drifted * MINUTE_US
                post(api, model, table(healthy_us, AHEAD, seed=seed + 20))

            def seen() -> str:
                alerts = httpx.get(f"{server}/api/v1/alerts").text
                status = {m: api.get(f"/models/{m}/versions/1/status").json() for m in MODELS}
                return f"at the webhook: {webhook.received}\nin Prometheus: {alerts}\nstatus: {status}"

            (alert,) = wait_for(lambda: webhook.with_status("firing"), seconds=ALERT_SECONDS, what=seen)
            assert alert["labels"] == {
                "alertname": "DriftlineCheckFailing", "model": DRIFTING, "version": "1", "check": "drift",
                "severity": "warning", "team": f"team-{DRIFTING}",
            }  # fmt: skip
            assert alert["annotations"]["columns"] == COLUMN
            assert f"1 column(s) failing: {COLUMN} surprise" in alert["annotations"]["description"]
            assert alert["annotations"]["runbook"] == "docs/runbook.md#driftlinecheckfailing"

            (resolved,) = wait_for(lambda: webhook.with_status("resolved"), seconds=RESOLVE_SECONDS, what=seen)
            assert resolved["labels"] == alert["labels"]
            assert {(a["labels"]["model"], a["labels"]["check"]) for a in webhook.received} == {(DRIFTING, "drift")}
            assert httpx.get(f"{server}/api/v1/alerts").json()["data"]["alerts"] == []
            judged = {m: api.get(f"/models/{m}/versions/1/status").json() for m in MODELS}
            assert {m: found["status"] for m, found in judged.items()} == dict.fromkeys(MODELS, "ok")
    finally:
        service.stop()
        webhook.close()
