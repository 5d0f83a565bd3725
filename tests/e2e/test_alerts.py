"""One column of one model drifts, and exactly that alert arrives at a webhook behind Alertmanager, and resolves.

Prometheus and Alertmanager run with the shipped configurations; every rule's expression is asked of this Prometheus.
"""

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
from tests.e2e import rule_queries
from tests.e2e.alerting import TOKENS, Webhook, alertmanager, prometheus
from tests.service import Service

MODELS = ("churn", "fraud", "price")
DRIFTING, COLUMN = "fraud", "f07"
COLUMNS = tuple(f"f{n:02}" for n in range(20))
REFERENCE_WINDOWS, FEW_WINDOWS, WINDOW_ROWS = 120, 35, 100
AHEAD = 6  # minutes of healthy traffic that are there before their time: rows up to ten minutes ahead are taken
ALERT_SECONDS, QUERIES_SECONDS, RESOLVE_SECONDS = 60.0, 40.0, 200.0
HUSHED = "hushed"  # drifts as well, and is silenced
OTHERS = ("quiet", "thin", "scored", HUSHED)
BODY_BYTES = 1 << 20
PUBLIC_URL = "https://drift.example.org"


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


def set_up(api: httpx.Client, model: str, *, now_us: int, roles: tuple[str, ...] = (), **settings) -> None:
    """A model of one-minute windows with a reference of yesterday; ``roles`` beside the timestamp's."""
    known = {"task": "none", "team": f"team-{model}", "window": "1m", "lateness": "1s"}
    assert api.put(f"/models/{model}", json=known | settings).status_code == 201
    assert api.put(f"/models/{model}/versions/1", json={}).status_code == 201
    start_us = now_us - now_us % MINUTE_US - 24 * HOUR_US
    windows = REFERENCE_WINDOWS if model in (*MODELS, HUSHED) else FEW_WINDOWS
    rows = table(start_us, windows, seed=(*MODELS, *OTHERS).index(model))
    for role in roles:
        rows = rows.append_column(role, rows[COLUMNS[0]])
    sink = io.BytesIO()
    pa.parquet.write_table(rows, sink)
    answer = api.put(
        f"/models/{model}/versions/1/reference", params={role: role for role in ("timestamp", *roles)},
        content=sink.getvalue(), headers={"Content-Type": "application/vnd.apache.parquet"},
    )  # fmt: skip
    assert answer.status_code == 201, answer.text


def post(api: httpx.Client, model: str, rows: pa.Table, **more) -> None:
    records = [
        {"timestamp": record.pop("timestamp").isoformat(), "features": record, **more}
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


def set_up_others(api: httpx.Client, *, minute_us: int) -> None:
    """Models that say what the healthy and the drifting ones do not: silent, too few rows, too few labels."""
    drift = [{"name": "drift", "kind": "drift"}]  # without the check of volume, which would alarm of the silence
    for model in ("quiet", "thin"):
        set_up(api, model, now_us=minute_us, checks=drift)
    post(api, "quiet", table(minute_us - HOUR_US, 1, seed=1))
    thin = table(minute_us - 2 * MINUTE_US, 2, seed=2)
    post(api, "thin", thin.take(pa.array(range(0, thin.num_rows, 10))))
    checks = [{"name": "worth", "kind": "performance", "severity": "critical"}]
    set_up(
        api, "scored", now_us=minute_us, roles=("prediction", "label"), task="regression", checks=checks,
        labels={"min_coverage": 0.5},
    )  # fmt: skip
    post(api, "scored", table(minute_us - MINUTE_US, 1, seed=3), prediction=1.0)
    set_up(api, HUSHED, now_us=minute_us)
    silence = {"reason": "maintenance", "end": "1h"}
    assert api.post(f"/models/{HUSHED}/silences", json=silence).status_code == 201
    send_what_cannot_be_taken(api)


def send_what_cannot_be_taken(api: httpx.Client) -> None:
    """A record for the quarantine, labels of ids nobody has, and a body beyond the limit."""
    path = "/models/thin/versions/1/predictions"
    assert api.post(path, json={"records": [{"timestamp": "never"}] * 20}).json()["quarantined"] == 20
    labels = [{"id": f"nobody-{n}", "label": 1.0} for n in range(3)]
    assert api.post("/models/scored/labels", json={"records": labels}).status_code == 200
    headers = {"Content-Type": "application/json"}
    assert api.post(path, content=b" " * (BODY_BYTES + 1), headers=headers).status_code == 413


def ask_every_rule(server: str, *, api: httpx.Client) -> None:
    """Every expression answers within the time, or is listed with the reason why it does not."""
    silent = set(rule_queries.expressions()) - rule_queries.EMPTY.keys() - rule_queries.EITHER.keys()
    unmatched = rule_queries.selectors()
    assert rule_queries.ABSENT.keys() <= unmatched
    unmatched -= rule_queries.ABSENT.keys()
    assert len(silent) >= 20
    until = time.monotonic() + QUERIES_SECONDS
    while (silent or unmatched) and time.monotonic() < until:
        send_what_cannot_be_taken(api)  # a rate needs two scrapes that differ
        time.sleep(1)
        expressions = rule_queries.expressions()
        silent -= {name for name in silent if rule_queries.ask(server, query=expressions[name])}
        unmatched -= {one for one in unmatched if rule_queries.ask(server, query=f"last_over_time({one}[5m])")}
    assert (silent, unmatched) == (set(), set())
    for name, reason in rule_queries.EMPTY.items():
        assert rule_queries.ask(server, query=rule_queries.expressions()[name]) == [], f"{name} is not empty: {reason}"
    for name in rule_queries.EITHER:
        rule_queries.ask(server, query=rule_queries.expressions()[name])


@pytest.mark.slow
@pytest.mark.alone
def test_one_drifting_column_of_one_model_is_one_alert_that_names_it_and_resolves(tmp_path):
    service = Service(tmp_path, DRIFTLINE_PUBLIC_URL=PUBLIC_URL, DRIFTLINE_MAX_BODY_BYTES=str(BODY_BYTES))
    webhook = Webhook()
    service.start()
    try:
        with (
            httpx.Client(base_url=f"{service.url}/api/v1", timeout=60) as api,
            alertmanager(tmp_path, webhook=webhook.url) as manager,
            prometheus(tmp_path, target=service.url.removeprefix("http://"), alertmanager=manager) as server,
        ):
            for model in MODELS:
                set_up(api, model, now_us=now_us())
            set_up_others(api, minute_us=now_us() - now_us() % MINUTE_US)
            minute_us = now_us() - now_us() % MINUTE_US
            # The alert has to last: late in a minute the drift goes on through the minute that is open.
            drifted = 1 if now_us() - minute_us < 20 * SECOND_US else 2
            for model in (*MODELS, HUSHED):
                seed = 100 + (*MODELS, HUSHED).index(model)
                post(api, model, table(minute_us - 3 * MINUTE_US, 2, seed=seed))
                healthy_us = minute_us - MINUTE_US
                if model in (DRIFTING, HUSHED):
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
            assert alert["annotations"]["description"].startswith(
                f"1 column(s) failing: {COLUMN} (100% of the evidence, "
            )
            assert alert["annotations"]["runbook_url"] == f"{PUBLIC_URL}/runbooks/DriftlineCheckFailing"
            assert (
                alert["annotations"]["link"] == f"{PUBLIC_URL}/api/v1/models/{DRIFTING}/versions/1/results?latest=true"
            )
            assert webhook.authorizations == {f"Bearer {TOKENS['alertmanager']}"}
            ask_every_rule(server, api=api)

            (resolved,) = wait_for(lambda: webhook.with_status("resolved"), seconds=RESOLVE_SECONDS, what=seen)
            assert resolved["labels"] == alert["labels"]
            assert {(a["labels"]["model"], a["labels"]["check"]) for a in webhook.received} == {(DRIFTING, "drift")}
            firing = httpx.get(f"{server}/api/v1/alerts").json()["data"]["alerts"]
            assert {a["labels"]["alertname"] for a in firing if a["labels"].get("model") in MODELS} == set()
            judged = {m: api.get(f"/models/{m}/versions/1/status").json() for m in MODELS}
            assert {m: found["status"] for m, found in judged.items()} == dict.fromkeys(MODELS, "ok")
            hushed = api.get("/alerts", params={"model": HUSHED}).json()["results"]  # kept, and told to nobody
            assert ("drift", "alert", ()) in {(a["check"], a["status"], tuple(a["notified"] or ())) for a in hushed}
    finally:
        service.stop()
        webhook.close()
