"""Labels written in every media type and encoding of ingest."""

from __future__ import annotations

import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq

from tests.ingest.conftest import ARROW, CSV, JSON, NDJSON, PARQUET


def as_json(rows):
    return json.dumps({"records": rows}).encode()


def as_lines(rows):
    return "\n".join(json.dumps(r) for r in rows).encode()


def cell(value):
    if value is None:
        return ""
    text = {True: "true", 3.0: "3"}.get(value, value) if not isinstance(value, str) else value
    return f'"{text}"' if isinstance(value, str) else str(text)


def as_csv(rows):
    return "\n".join(["id,label,timestamp", *(",".join(cell(r.get(n)) for n in ("id", "label", "timestamp"))
                                              for r in rows)]).encode()  # fmt: skip


def as_table(rows):
    """Arrow columns have one type: labels as the texts they are written as."""

    def text(value):
        return value if value is None or isinstance(value, str) else cell(value)

    columns = {"id": [r["id"] for r in rows], "label": [text(r["label"]) for r in rows]}
    columns["timestamp"] = [None if r.get("timestamp") is None else str(r["timestamp"]) for r in rows]
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def as_arrow(table):
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def as_parquet(table):
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


FORMS = {
    "JSON": (JSON, as_json), "NDJSON": (NDJSON, as_lines), "CSV": (CSV, as_csv),
    "Parquet": (PARQUET, lambda rows: as_parquet(as_table(rows))),
    "Arrow": (ARROW, lambda rows: as_arrow(as_table(rows))),
    "Arrow dictionaries": (
        ARROW, lambda rows: as_arrow((t := as_table(rows)).set_column(1, "label", t["label"].dictionary_encode()))
    ),
}  # fmt: skip
PACKED = {
    "gzip": gzip.compress, "zstd": lambda body: pa.compress(body, codec="zstd", asbytes=True), "identity": bytes,
}  # fmt: skip
