"""Tables as requests carry them."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from monitor.model.time import HOUR_US

PARQUET = {"Content-Type": "application/vnd.apache.parquet"}
ARROW = {"Content-Type": "application/vnd.apache.arrow.stream"}
CSV = {"Content-Type": "text/csv"}
NDJSON = {"Content-Type": "application/x-ndjson"}


def hour(rng, *, start_us, rows, shift=0.0):
    """One hour of traffic: ``at``, ``age`` (moved by ``shift``), ``plan``, ``score``."""
    times = np.linspace(start_us, start_us + HOUR_US - 1, rows).astype("int64")
    return pa.table({
        "at": pa.array(times, pa.timestamp("us", tz="UTC")),
        "age": rng.normal(40 + shift, 10, rows),
        "plan": pa.array(rng.choice(["free", "pro"], rows, p=[0.7, 0.3])),
        "score": rng.random(rows),
    })  # fmt: skip


def parquet_of(*tables) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.concat_tables(tables), sink)
    return sink.getvalue()


def arrow_of(table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def csv_of(table) -> bytes:
    sink = io.BytesIO()
    pyarrow.csv.write_csv(table, sink)
    return sink.getvalue()


def read_arrow(body: bytes) -> pa.Table:
    with pa.ipc.open_stream(body) as reader:
        return reader.read_all()
