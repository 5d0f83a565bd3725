"""The server that is fuzzed: real, with tokens from a file that no request can revoke, and something of everything."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from monitor.model.time import HOUR_US, rfc3339
from tests.api.tables import ARROW, PARQUET, arrow_of, hour, parquet_of
from tests.faults.cluster import until
from tests.service import Service

API = "/api/v1"
MODEL, VERSION = f"{API}/models/churn", f"{API}/models/churn/versions/1"
HOURS = 4  # of traffic, of which the last is drifted
TOKENS = {role: role.ljust(32, "-") for role in ("admin", "write", "read", "ingest", "metrics")}
TOKENS["limited"] = "limited".ljust(32, "-")
CHECK = {"name": "drift", "kind": "drift", "metric": "psi", "columns": ["age"], "threshold": {"alert": 0.5}}


class Target:
    """A running server with a model ``churn`` that is looked after again wherever a request has taken it away."""

    def __init__(self, data_dir: Path, *, database_url: str, mutation: str | None = None) -> None:
        (data_dir / "tokens.yaml").write_text(_tokens_file(data_dir), encoding="utf-8")
        (data_dir / "server.yaml").write_text(
            f"driftline: 1\nauth: {{tokens_file: {data_dir}/tokens.yaml}}\n", encoding="utf-8"
        )
        self.service = Service(
            data_dir, database_url=database_url, mutation=mutation,
            DRIFTLINE_CONFIG=str(data_dir / "server.yaml"), DRIFTLINE_MAX_BODY_SECONDS="5",
        )  # fmt: skip
        try:
            self.service.start(within_seconds=120)  # how long that takes is nothing that is tested here
        except AssertionError:
            self.service.kill()
            raise
        self.client = httpx.Client(base_url=self.service.url, timeout=60, headers=bearer("admin"))
        self.start = ""

    def fill(self) -> None:
        """The model with a reference, judged windows, an alert and labels, unless all of that is there."""
        if self.client.get(VERSION + "/windows").status_code == 200:
            return
        self.client.delete(MODEL + "/legal-hold")
        self.client.delete(MODEL)
        self._put(MODEL, {"task": "binary_classification", "lateness": "0s", "checks": [CHECK]})
        self._put(VERSION, {})
        self._traffic()
        try:
            until(self._judged, within_seconds=240, what="the windows were not judged")
        except AssertionError as error:
            error.add_note(self.client.get(VERSION + "/windows").text + self.client.get("/readyz").text)
            raise

    def _traffic(self) -> None:
        rng = np.random.default_rng(7)
        now_us = time.time_ns() // 1_000
        first_us = now_us - now_us % HOUR_US - HOURS * HOUR_US
        reference = parquet_of(*(hour(rng, start_us=first_us - k * HOUR_US, rows=100) for k in range(30, 0, -1)))
        roles = {"timestamp": "at", "score": "score"}
        sent = self.client.put(VERSION + "/reference", content=reference, headers=PARQUET, params=roles)
        assert sent.status_code == 201, sent.text
        for k in range(HOURS):
            table = hour(rng, start_us=first_us + k * HOUR_US, rows=100, shift=40.0 if k == HOURS - 1 else 0.0)
            sent = self.client.post(
                VERSION + "/predictions",
                content=arrow_of(table),
                headers=ARROW | bearer("ingest"),
                params={"timestamp": "at"},
            )
            assert sent.status_code == 200, sent.text
        self.start = rfc3339(first_us)
        named = [{"id": f"r{n}", "timestamp": self.start, "age": 1.0, "plan": "pro", "score": 0.5} for n in range(3)]
        unfit = [{"id": "q\u0000", "age": 1.0}]
        for path, records in (("/versions/1/predictions", [*named, *unfit]),
                              ("/labels", [{"id": "r1", "label": True}, {"id": "\u0000", "label": 1}])):  # fmt: skip
            assert self.client.post(MODEL + path, json={"records": records}, headers=bearer("ingest")).is_success

    def _judged(self) -> bool:
        shown = self.client.get(VERSION + "/windows").json()["results"]
        closed = [window for window in shown if window["state"] in ("closed", "revised")]
        return len(closed) >= HOURS and bool(self.client.get(f"{API}/alerts").json()["results"])

    def _put(self, path: str, body: dict[str, Any]) -> None:
        sent = self.client.put(path, json=body)
        assert sent.status_code in (200, 201), sent.text

    def known(self) -> dict[str, str]:
        """What there is for the parameters of paths."""
        alerts = self.client.get(f"{API}/alerts").json()["results"]
        alert = alerts[0]["id"] if alerts else "al_1"
        return {
            "model": "churn", "version": "1", "number": "1", "start": self.start, "alert": alert, "job": "job_1",
            "token": "tok_1", "silence": "sil_1", "erasure": "er_1", "action": "act_1",
        }  # fmt: skip

    def unexpected(self) -> str:
        """What the log says of errors that nobody expected."""
        log = self.service.log.read_text(encoding="utf-8", errors="replace")
        place = log.find("unexpected error")
        return "" if place < 0 else log[place : place + 6_000]

    def close(self) -> None:
        self.client.close()
        assert self.service.stop() == 0


def bearer(name: str) -> dict[str, str]:
    """The header with the token of that name."""
    return {"Authorization": f"Bearer {TOKENS[name]}"}


def _tokens_file(data_dir: Path) -> str:
    lines = ["tokens:"]
    for name, token in TOKENS.items():
        secret = data_dir / f"token-{name}"
        secret.write_text(token, encoding="utf-8")
        secret.chmod(0o600)
        limit = ", models: ['other*']" if name == "limited" else ""
        lines.append(f"  - {{name: {name}, role: {'write' if limit else name}, token_file: {secret}{limit}}}")
    return "\n".join(lines) + "\n"
