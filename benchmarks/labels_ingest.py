"""A request of 50,000 labels beside one of 50,000 predictions: from the body to the answer, durable, on one core.

Both go through the ingest service of one process with a SQLite store, without HTTP, one after the other in turns. The
labels are looked up in 16 windows of 62,500 records each. Times are processor seconds of the least disturbed of the
rounds, and what passed on the clock beside them (commits wait for the disk).
"""

from __future__ import annotations

import asyncio
import io
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from monitor.columns.keyed_ids import encode_run, hash_ids, hash_key
from monitor.ingest.limits import Limits
from monitor.ingest.service import IngestService
from monitor.ingest.uuid7 import make_ids
from monitor.model.entities import Model, Version
from monitor.model.schema import Column, Schema
from monitor.store import Store, models, open_store, schemas
from monitor.store.ids import NewRun, add_run
from monitor.telemetry import Telemetry

ROWS, WINDOWS, FEATURES, ROUNDS = 50_000, 16, 10, 7
HOUR_US = 3_600_000_000
NOW_US = 1_772_366_400_000_000
ARROW, CSV, JSON = "application/vnd.apache.arrow.stream", "text/csv", "application/json"
SCHEMA = Schema(columns=(*(Column(name=f"n{i}") for i in range(FEATURES)), Column(name="score", role="score")))


@dataclass(frozen=True)
class Case:
    """A body, its type, and the endpoint that takes it."""

    name: str
    body: bytes
    media_type: str
    beside: str  # the predictions it is held against; empty for those themselves


def arrow(table: pa.Table) -> bytes:
    """The table as an Arrow IPC stream."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def cases(ids: pa.Array) -> list[Case]:
    """Predictions first, then the same number of labels in each form."""
    rng = np.random.default_rng(1)
    features = {f"n{i}": rng.normal(size=ROWS) for i in range(FEATURES)}
    predictions = pa.table({"id": ids, "timestamp": np.full(ROWS, NOW_US), **features, "score": rng.uniform(size=ROWS)})
    answers = rng.integers(0, 2, ROWS)
    scored = [
        {"id": i, "features": {"n0": x}, "score": s}
        for i, x, s in zip(ids.to_pylist(), features["n0"].round(6).tolist(), answers.tolist(), strict=True)
    ]
    plain = [f"order-{i}" for i in range(ROWS)]
    records = [{"id": i, "label": v} for i, v in zip(ids.to_pylist(), answers.tolist(), strict=True)]
    lines = "\n".join(["id,label", *(f"{r['id']},{r['label']}" for r in records)])
    in_arrow, in_json = f"predictions, Arrow, {FEATURES} features", "predictions, JSON, 1 feature"
    return [
        Case(in_arrow, arrow(predictions), ARROW, ""),
        Case(in_json, compact(scored), JSON, ""),
        Case("labels, Arrow, nothing says when", arrow(pa.table({"id": plain, "label": answers})), ARROW, in_arrow),
        Case("labels, Arrow, matched", arrow(pa.table({"id": ids, "label": answers})), ARROW, in_arrow),
        Case("labels, CSV, matched", lines.encode(), CSV, in_arrow),
        Case("labels, JSON, matched", compact(records), JSON, in_json),
    ]  # fmt: skip


def compact(records: list[dict[str, Any]]) -> bytes:
    """The records as a JSON body."""
    return json.dumps({"records": records}, separators=(",", ":")).encode()


def prepare(store: Store) -> pa.Array:
    """A model whose last 16 windows hold 62,500 records each; the ids of 50,000 of them."""
    with store.write() as conn:
        model = models.insert_model(conn, Model(name="bench", task="binary_classification"))
        version = models.insert_version(conn, Version(model_id=model.id, name="1"))
        schemas.save_schema(conn, version_id=version.id, schema=SCHEMA)
    chosen = []
    for window in range(WINDOWS):
        start = NOW_US - (WINDOWS - window) * HOUR_US
        ids = make_ids(62_500, now_us=start + 60_000_000)
        keys = np.sort(hash_ids(ids, key=hash_key(store.secret)))
        with store.write() as conn:
            add_run(conn, version_id=version.id, window_start_us=start,
                    run=NewRun(level=0, keys=len(keys), payload=encode_run(keys)))  # fmt: skip
        chosen.append(ids.slice(0, ROWS // WINDOWS))
    return pa.concat_arrays(chosen)


async def answered(service: IngestService, case: Case) -> dict[str, Any]:
    """What the request is answered."""
    path = {"model": "bench"} | ({} if case.beside else {"version": "1"})
    scope = {"path_params": path, "query_string": b"", "headers": [(b"content-type", case.media_type.encode())]}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": case.body}

    answer = await (service.answer_labels if case.beside else service.answer)(scope, receive)
    return json.loads(answer.body)


def main() -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        store = open_store("", data_dir=Path(folder), migrate=True)
        service = IngestService(store, Telemetry(), limits=Limits(), clock=lambda: NOW_US)
        measured = cases(prepare(store))
        best = {case.name: [float("inf"), float("inf")] for case in measured}
        answers = {}
        for _ in range(ROUNDS):
            for case in measured:
                began, cpu = time.perf_counter(), time.process_time()
                answers[case.name] = runner.run(answered(service, case))
                spent = (time.process_time() - cpu, time.perf_counter() - began)
                best[case.name] = [min(a, b) for a, b in zip(best[case.name], spent, strict=True)]
        service.close()
        store.close()
    print("| request of 50,000 | MB | processor ms | clock ms | ÷ predictions | matched |\n|---|---|---|---|---|---|")
    for case in measured:
        cpu, clock = best[case.name]
        ratio = cpu / best[case.beside or case.name][0]
        print(f"| {case.name} | {len(case.body) / 1e6:.1f} | {cpu * 1e3:.0f} | {clock * 1e3:.0f} | {ratio:.2f} "
              f"| {answers[case.name].get('matched', '')} |")  # fmt: skip


if __name__ == "__main__":
    main()
