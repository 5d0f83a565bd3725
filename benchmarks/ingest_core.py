"""Ingest without HTTP and without a database: body → canonical batches → bytes, on one core.

The baseline is the plain way: ``json.loads`` and a pandas frame (JSON), or a pandas frame from the table (Arrow).
The last lines are the slow ways that one odd value sends a body: any shape, and the standard library.
"""

from __future__ import annotations

import io
import json
import time

import pandas as pd
import pyarrow as pa

from benchmarks.ingest import ARROW, CATEGORIES, NUMBERS, arrow_body, json_body
from monitor.columns.batch import encode_batch
from monitor.columns.roles import Roles
from monitor.ingest.assemble import Reading, read_body
from monitor.ingest.limits import Limits
from monitor.ingest.plan import RecordPlan
from monitor.ingest.single import quick_rows
from monitor.model.schema import Column, Schema
from monitor.model.window import WindowSpec

JSON = "application/json"
NOW_US = 1_772_366_400_000_000
SCHEMA = Schema(
    columns=(
        *(Column(name=f"n{i}") for i in range(NUMBERS)),
        *(Column(name=f"c{i}", type="categorical") for i in range(CATEGORIES)),
        Column(name="score", role="score"),
    )
)
PLAN = RecordPlan(SCHEMA)
READING = Reading(
    schema=SCHEMA, plan=PLAN, roles=Roles(), window=WindowSpec(), received_us=NOW_US, limits=Limits()
)  # fmt: skip


def best_seconds(step, *, seconds: float = 1.0) -> float:
    """Processor time of the run least disturbed by others, of those that fit the time."""
    step()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.process_time()
        step()
        best = min(best, time.process_time() - began)
    return best


def stored(body: bytes, media_type: str) -> list[bytes]:
    """What ingest does to a body before the commit."""
    return [encode_batch(b) for b in read_body(body, media_type=media_type, reading=READING).batches]


def json_to_pandas(body: bytes) -> pd.DataFrame:
    """The plain way for JSON."""
    return pd.DataFrame([r["features"] | {"score": r["score"]} for r in json.loads(body)["records"]])


def arrow_to_pandas(body: bytes) -> pd.DataFrame:
    """The plain way for Arrow."""
    return pa.ipc.open_stream(io.BytesIO(body)).read_all().to_pandas()


def merged_rows(body: bytes, requests: int) -> bytes:
    """Single-record requests decoded one by one and merged into one batch, as a group commit does."""
    ids, times, rows = [], [], []
    for _ in range(requests):
        one = quick_rows(body, media_type=JSON, plan=PLAN, received_us=NOW_US, limits=READING.limits)
        ids += one.ids
        times += one.instants_us
        rows += one.rows
    return encode_batch(PLAN.batch(ids, times, rows))


def odd_body(start: bytes) -> bytes:
    """500 records of which the first begins otherwise."""
    return json_body(500).replace(b'{"n0": ', start, 1)


def main() -> None:
    """Prints the table."""
    print("| body | records/s | µs a record | × baseline |\n|---|---|---|---|")
    single = json_body(1)
    plain = best_seconds(lambda: [json_to_pandas(single) for _ in range(32)], seconds=0.5) / 32
    for group in (1, 16, 64):
        took = best_seconds(lambda group=group: merged_rows(single, group)) / group
        print(f"| JSON, 1 record, {group} requests a group | {1 / took:,.0f} | {took * 1e6:.1f} | {plain / took:.1f} |")
    for name, body, media_type, rows, baseline in (
        ("JSON, 500 records", json_body(500), JSON, 500, json_to_pandas),
        ("JSON, 5,000 records", json_body(5_000), JSON, 5_000, json_to_pandas),
        ("Arrow, 500 records", arrow_body(500), ARROW, 500, arrow_to_pandas),
        ("Arrow, 5,000 records", arrow_body(5_000), ARROW, 5_000, arrow_to_pandas),
        ("JSON, 500 records, one unknown column", odd_body(b'{"new": 1, "n0": '), JSON, 500, json_to_pandas),
        ("JSON, 500 records, one NaN", odd_body(b'{"new": NaN, "n0": '), JSON, 500, json_to_pandas),
    ):  # fmt: skip
        took = best_seconds(lambda body=body, media_type=media_type: stored(body, media_type)) / rows
        ratio = best_seconds(lambda body=body, baseline=baseline: baseline(body), seconds=0.5) / rows / took
        print(f"| {name} | {1 / took:,.0f} | {took * 1e6:.1f} | {ratio:.1f} |")


if __name__ == "__main__":
    main()
