"""What a release wrote: a model's few days through its own HTTP interface and jobs, by a clock that the script moves.

``PYTHONPATH=<checkout> python tests/schemas/life.py URL DATA_DIR FACTS`` runs it with that checkout's code, however
old: what a release does not have yet answers 404, 405, 422 or 501 and is left out. FACTS is what a client of it knows
at the end: what was acknowledged, and what it read.
"""

from __future__ import annotations

import importlib.util
import io
import json
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

NOW_US = 1_772_454_600_000_000  # 2026-03-02T12:30:00Z
MINUTE_US, HOUR_US = 60_000_000, 3_600_000_000
M = "/api/v1/models/churn"
V = M + "/versions/42"
HOURS, REFERENCE_HOURS, ROWS = 4, 40, 80
DRIFT = {"name": "drift", "kind": "drift", "metric": "psi", "columns": ["age"], "threshold": {"alert": 1.0}}
CHECKS = [DRIFT, {"name": "volume", "kind": "volume"}]
PERFORMANCE = {"name": "performance", "kind": "performance", "metric": "accuracy"}
BESIDE = {"name": "beside", "kind": "drift", "columns": ["score"], "baseline": {"kind": "previous"}}
NOT_YET = (404, 405, 422, 501)


class Clock:
    """The time that the release believes it is."""

    def __init__(self) -> None:
        self.now_us = NOW_US

    def __call__(self) -> int:
        return self.now_us


class Life:
    """The client, the clock, and what was acknowledged so far."""

    def __init__(self, client: httpx.Client, clock: Clock, tick: Any) -> None:
        self.client, self.clock, self.tick = client, clock, tick
        self.rng = np.random.default_rng(11)
        self.records: dict[str, dict[str, Any]] = {}
        self.labels: dict[str, bool] = {}
        self.begin_us = NOW_US - NOW_US % HOUR_US

    def must(self, method: str, path: str, **more: Any) -> Any:
        """The answer of a route that every release has."""
        answer = self.client.request(method, path, **more)
        if not answer.is_success:
            raise SystemExit(f"{method} {path} answered {answer.status_code}: {answer.text[:500]}")
        return answer.json() if answer.content else None

    def may(self, method: str, path: str, **more: Any) -> Any:
        """The answer of a route, or None where this release does not have it."""
        answer = self.client.request(method, path, **more)
        if answer.status_code not in NOT_YET and not answer.is_success:
            raise SystemExit(f"{method} {path} answered {answer.status_code}: {answer.text[:500]}")
        return answer.json() if answer.is_success and answer.content else None

    def declare(self) -> None:
        """The model with all that this release can say of one, its version, its reference."""
        self.must("PUT", M, json={"task": "binary_classification"})
        for more in (
            {"checks": CHECKS}, {"labels": {"delay": "0s"}}, {"segments": [{"by": "plan", "top": 2}]},
            {"checks": [*CHECKS, PERFORMANCE]}, {"checks": [*CHECKS, PERFORMANCE, BESIDE]},
        ):  # fmt: skip
            self.may("PUT", M, json=more)
        self.must("PUT", V, json={})
        table = pa.concat_tables(
            self.hour(self.begin_us - hour * HOUR_US, rows=ROWS) for hour in range(REFERENCE_HOURS, 0, -1)
        )
        sink = io.BytesIO()
        pq.write_table(table, sink)
        self.must("PUT", V + "/reference", content=sink.getvalue(), params={"timestamp": "at", "score": "score"},
                  headers={"Content-Type": "application/vnd.apache.parquet"})  # fmt: skip
        self.clock.now_us += 10_000_000

    def hour(self, start_us: int, *, rows: int, shift: float = 0.0) -> pa.Table:
        """An hour's rows, of a reference."""
        score = self.rng.random(rows).round(2)
        times = np.linspace(start_us, start_us + HOUR_US - 1, rows).astype("int64")
        return pa.table({
            "at": pa.array(times, pa.timestamp("us", "UTC")), "age": self.rng.normal(40 + shift, 10, rows).round(),
            "plan": self.rng.choice(["free", "pro"], rows, p=[0.7, 0.3]),
            "score": score, "prediction": pa.array((score > 0.5).tolist()),
            "label": pa.array((self.rng.random(rows) < score).tolist()),
        })  # fmt: skip

    def send(self, hour: int, *, shift: float = 0.0, suffix: str = "") -> None:
        """An hour's records, one that cannot be used and one that came before, under a key of its own."""
        table = self.hour(self.begin_us + hour * HOUR_US, rows=ROWS, shift=shift).drop_columns(["label"])
        sent = []
        for number, row in enumerate(table.to_pylist()):
            fields = {"age": row["age"], "plan": row["plan"]}
            at = row["at"].isoformat().replace("+00:00", "Z")
            sent.append({"id": f"r-{hour}{suffix}-{number}", "timestamp": at, "features": fields,
                         "prediction": row["prediction"], "score": row["score"]})  # fmt: skip
        bad = {"id": f"bad-{hour}{suffix}", "timestamp": "never", "features": {"age": 1.0}}
        answer = self.must("POST", V + "/predictions", json={"records": [*sent, bad]},
                           headers={"Idempotency-Key": f"hour-{hour}{suffix}"})  # fmt: skip
        if answer["stored"] != len(sent) or answer["quarantined"] != 1:
            raise SystemExit(f"stored something else: {answer}")
        self.records |= {record["id"]: record for record in sent}

    def label(self, hour: int) -> None:
        """Two thirds of the hour's labels, and one that cannot be used."""
        ids = [id for id in self.records if id.startswith(f"r-{hour}-")][: ROWS * 2 // 3]
        sent = [{"id": id, "label": bool(self.rng.random() < self.records[id]["score"])} for id in ids]
        if self.may("POST", M + "/labels", json={"records": [*sent, {"id": "bad", "label": [1]}]}) is not None:
            self.labels |= {one["id"]: one["label"] for one in sent}

    def live(self) -> None:
        """Hour after hour, judged as they end; the last ones drifted, then one that is fine."""
        for hour in range(HOURS):
            self.clock.now_us = self.begin_us + hour * HOUR_US + 59 * MINUTE_US
            self.send(hour, shift=40.0 if hour in (HOURS - 3, HOURS - 2) else 0.0)
            self.clock.now_us = self.begin_us + (hour + 1) * HOUR_US + 6 * MINUTE_US
            self.tick()
            self.label(hour)
            self.clock.now_us += 2 * MINUTE_US
            self.tick()
            if hour == HOURS - 2:
                self.handle()
        self.clock.now_us += 20 * MINUTE_US
        self.tick()

    def grow_old(self, store: Any) -> None:
        """Another model, whose hours of two days ago are sealed and merged into that day, where this release does."""
        if importlib.util.find_spec("monitor.jobs.profile_merging") is None:
            return
        from monitor.evaluate import merge_profiles
        from monitor.jobs.profile_merging import ProfileMerging
        from monitor.model.profile_ages import ProfileAges

        aged = "/api/v1/models/aged/versions/1"
        self.must("PUT", "/api/v1/models/aged", json={"checks": []})
        self.must("PUT", aged, json={})
        headers = {"Content-Type": "application/vnd.apache.arrow.stream"}
        sent = []
        for hour in (-48, -47, 0):
            sink = io.BytesIO()
            table = self.hour(self.begin_us + hour * HOUR_US, rows=9).drop_columns(["label"])
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
            sent.append(sink.getvalue())
        roles = {"timestamp": "at", "score": "score"}
        self.must("PUT", aged + "/reference", content=sent[0], headers=headers, params=roles)
        for content in sent:
            self.must("POST", aged + "/predictions", content=content, headers=headers, params=roles)
        self.tick()
        with store.write() as conn:
            conn.exec_driver_sql(
                """UPDATE "window" SET state = 'sealed' WHERE version_id IN """
                "(SELECT v.id FROM version v JOIN model m ON m.id = v.model_id WHERE m.name = 'aged')"
            )
        merge_profiles.KEPT_WINDOWS = 1
        ProfileMerging(store, ages=ProfileAges()).run(now_us=self.clock.now_us + 31 * 24 * HOUR_US)

    def handle(self) -> None:
        """What people and Alertmanager do of an alert that fires."""
        firing = self.may("GET", "/api/v1/alerts", params={"state": "firing"})["results"]
        if not firing:
            raise SystemExit("nothing fires")
        alert = next(one for one in firing if one["check"] == "drift")
        one = f"/api/v1/alerts/{alert['id']}"
        self.may("POST", one + "/acknowledge", json={"reason": "looking"})
        self.may("POST", one + "/snooze", json={"until": "4h", "reason": "known"})
        self.may("POST", one + "/verdict", json={"was": "real", "reason": "a new campaign"})
        start = self.may("GET", V + "/windows")["results"][0]["start"]
        self.may("PUT", f"{V}/windows/{start}/mark", json={"healthy": True, "reason": "looked at"})
        self.may("POST", M + "/silences", json={"reason": "the warehouse moves", "end": "2h", "checks": ["volume"]})
        self.may("POST", V + "/drill", json={"kind": "route"})
        labels = {"alertname": "DriftlineCheckFailing", "model": "churn", "version": "42", "check": "drift",
                  "severity": alert["severity"]}  # fmt: skip
        began = alert.get("since", alert.get("at"))
        told = {"status": "firing", "labels": labels, "annotations": {}, "startsAt": began,
                "endsAt": "0001-01-01T00:00:00Z", "fingerprint": "d4e2"}  # fmt: skip
        self.may(
            "POST",
            "/api/v1/alertmanager",
            json={"version": "4", "groupKey": "g", "receiver": "ml-ops", "status": "firing", "alerts": [told]},
        )

    def end(self) -> None:
        """What is done last: an erasure, a hold, labels and records that wait, a token (from then on all need one)."""
        gone = "r-1-0"
        if self.may("POST", M + "/erase", json={"ids": [gone], "reason": "asked for"}) is not None:
            del self.records[gone]
            self.labels.pop(gone, None)
            self.tick()
        self.may("PUT", M + "/legal-hold", json={"reason": "case 7"})
        self.send(HOURS - 1, suffix="late")
        self.label(HOURS - 1)

    def facts(self) -> dict[str, Any]:
        """What a client knows in the end."""
        results = self.must("GET", V + "/results", params={"limit": 10_000})["results"]
        kept = ("window_start", "segment", "column", "metric", "value", "rows", "status")
        alerts = self.must("GET", "/api/v1/alerts", params={"limit": 1000})["results"]
        windows = self.must("GET", V + "/windows")["results"]
        return {
            "now_us": self.clock.now_us, "records": self.records, "labels": self.labels,
            "results": [{name: row.get(name) for name in kept} for row in results],
            "alerts": [{name: row[name] for name in ("id", "check", "status", "state")} for row in alerts],
            "windows": [{name: row[name] for name in ("start", "rows", "state")} for row in windows],
            "quarantined": len(self.must("GET", V + "/quarantine", params={"limit": 1000})["results"]),
        }  # fmt: skip


def main() -> None:
    """Runs the code that ``PYTHONPATH`` names."""
    from monitor.app import create_app
    from monitor.jobs.runner import JobRunner
    from monitor.jobs.settings import JobSettings
    from monitor.settings import Settings
    from tests.api.running import client_of

    url, data_dir, facts = sys.argv[1:]
    clock = Clock()
    application = create_app(Settings(database_url=url, data_dir=Path(data_dir)), jobs=False, now_us=clock)
    services = application.state.services
    eager = {"fold_interval_us": 0, "workers": 1}
    if "gather_us" in JobSettings.__slots__:
        eager["gather_us"] = 0
    runner = JobRunner(services.store, services.telemetry, now_us=clock, settings=JobSettings(**eager))
    with client_of(application) as client:
        life = Life(client, clock, runner.tick)
        life.declare()
        life.live()
        life.grow_old(services.store)
        life.end()
        found = life.facts()
        life.may("POST", "/api/v1/tokens", json={"name": "fixture", "role": "admin"})
    Path(facts).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
