"""Ingest over HTTP, durable, closed loop with many connections, the server on one core.

Baselines of the same run: a Starlette endpoint that reads the body and answers, and a FastAPI endpoint that stores a
row per record through an ORM. Records have 50 features (40 numbers, 10 categories) and a score. "CPU ms" is the
server's processor time a request, which other work on the machine disturbs less.
"""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa

from benchmarks.serving import Load, driftline, post_load, uvicorn_app

NUMBERS, CATEGORIES = 40, 10
ARROW = "application/vnd.apache.arrow.stream"


def table(rows: int, *, seed: int = 1) -> pa.Table:
    """``rows`` records as flat columns: float64 numbers, string categories, a score."""
    rng = np.random.default_rng(seed)
    names = np.array(["red", "green", "blue", "black"])
    columns = {f"n{i}": rng.normal(size=rows).round(6) for i in range(NUMBERS)}
    columns |= {f"c{i}": names[rng.integers(0, 4, rows)] for i in range(CATEGORIES)}
    return pa.table(columns | {"score": rng.uniform(size=rows).round(6)})


def json_body(rows: int) -> bytes:
    """The records as ``{"records": [{"features": …, "score": …}]}``."""
    records = [
        {"features": {k: v for k, v in r.items() if k != "score"}, "score": r["score"]} for r in table(rows).to_pylist()
    ]
    return json.dumps({"records": records}).encode()


def arrow_body(rows: int) -> bytes:
    """The records as an Arrow IPC stream."""
    sink = io.BytesIO()
    data = table(rows)
    with pa.ipc.new_stream(sink, data.schema) as writer:
        writer.write_table(data)
    return sink.getvalue()


def prepare(url: str, model: str = "bench") -> str:
    """The predictions URL of a model with a reference of 5,000 rows."""
    base = f"{url}/api/v1/models/{model}"
    httpx.put(base, json={"task": "binary_classification"}).raise_for_status()
    httpx.put(f"{base}/versions/1", json={}).raise_for_status()
    reference = httpx.put(f"{base}/versions/1/reference", params={"score": "score"}, content=arrow_body(5_000),
                          headers={"Content-Type": ARROW}, timeout=60)  # fmt: skip
    reference.raise_for_status()
    return f"{base}/versions/1/predictions"


def first_token(url: str) -> str:
    """A token of role ingest; from now on the server needs one."""
    admin = httpx.post(f"{url}/api/v1/tokens", json={"role": "admin"}).raise_for_status().json()["token"]
    headers = {"Authorization": f"Bearer {admin}"}
    made = httpx.post(f"{url}/api/v1/tokens", json={"role": "ingest", "models": ["bench*"]}, headers=headers)
    return made.raise_for_status().json()["token"]


CASES = (
    ("JSON, 1 record a request, 64 connections", 1, json_body, "application/json", 64),
    ("JSON, 1 record a request, 256 connections", 1, json_body, "application/json", 256),
    ("JSON, 500 records a request", 500, json_body, "application/json", 16),
    ("Arrow, 500 records a request", 500, arrow_body, ARROW, 16),
    ("Arrow, 5,000 records a request", 5_000, arrow_body, ARROW, 8),
)


def row(name: str, records: int, load: Load, noop: Load) -> str:
    """A line of the table."""
    rate, ratio = load.requests_per_second, load.requests_per_second / noop.requests_per_second
    return (
        f"| {name} | {rate:,.0f} | {rate * records:,.0f} | {load.p50_ms:.1f} | {load.p99_ms:.1f} "
        f"| {ratio:.2f} | {load.server_ms:.2f} | {load.errors} |"
    )


def main() -> None:
    """Prints the table."""
    print("| ingest | requests/s | records/s | p50 ms | p99 ms | ÷ no-op | CPU ms | errors |\n" + "|---" * 8 + "|")
    for name, records, body, content_type, connections in CASES:
        sent = {"body": body(records), "content_type": content_type}
        with uvicorn_app("benchmarks.baselines:noop") as (url, server):
            noop = post_load(url, **sent, connections=connections, server=server)
        with tempfile.TemporaryDirectory() as folder, driftline(Path(folder)) as service:
            server = service.process.pid
            target = prepare(service.url)
            load = post_load(target, **sent, connections=connections, server=server)
            guarded = post_load(target, **sent, connections=connections, server=server, token=first_token(service.url))
        print(row(f"{name}: no-op Starlette", records, noop, noop))
        print(row(f"{name}: Driftline", records, load, noop), flush=True)
        print(row(f"{name}: Driftline, with a token", records, guarded, noop), flush=True)
        if content_type == "application/json" and connections != 256:
            with (
                tempfile.TemporaryDirectory() as folder,
                uvicorn_app("benchmarks.orm_app:app", BASELINE_DATABASE_URL=f"sqlite:///{folder}/orm.db") as (
                    url,
                    server,
                ),
            ):
                rows = post_load(url, **sent, connections=8, server=server)
            print(row(f"{name}: a row per record, ORM", records, rows, noop), flush=True)


if __name__ == "__main__":
    main()
