"""The same records mean the same in every media type and encoding."""

from __future__ import annotations

import csv
import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.columns.conform import conform
from monitor.columns.roles import Roles
from monitor.ingest.assemble import Reading, read_body
from monitor.ingest.limits import Limits
from monitor.ingest.plan import RecordPlan
from monitor.model.schema import Column, Schema
from monitor.model.time import rfc3339
from monitor.model.window import WindowSpec
from tests.ingest.conftest import ARROW, CSV, JSON, NDJSON, NOW, PARQUET, SCHEMA

READING = Reading(
    schema=SCHEMA, plan=RecordPlan(SCHEMA), roles=Roles(), window=WindowSpec(), received_us=NOW, limits=Limits()
)

texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), max_size=5)
records = st.lists(
    st.fixed_dictionaries(
        {"id": st.integers(0, 10**9).map(str), "timestamp": st.integers(0, NOW).map(rfc3339)},
        optional={
            "age": st.one_of(st.none(), st.floats(-1e6, 1e6, allow_nan=False), st.integers(-1000, 1000)),
            "color": st.one_of(st.none(), texts),
            "prediction": st.sampled_from(["yes", "no"]),
            "score": st.floats(0, 1),
        },
    ),
    min_size=1, max_size=6, unique_by=lambda r: r["id"],
)  # fmt: skip


def nested(record):
    outer = {k: v for k, v in record.items() if k not in ("age", "color")}
    return outer | {"features": {k: v for k, v in record.items() if k in ("age", "color")}}


def as_csv(rows):
    names = ["id", "timestamp", "age", "color", "prediction", "score"]
    out = io.StringIO(newline="")
    out.write(",".join(names) + "\n")
    for row in rows:
        cells = []
        for name in names:
            value = row.get(name)
            text = "" if value is None else value if isinstance(value, str) else repr(value)
            cells.append(
                "" if value is None else '"' + text.replace('"', '""') + '"' if isinstance(value, str) else text
            )
        out.write(",".join(cells) + "\n")
    return out.getvalue().encode()


def as_table(rows):
    types = {"id": pa.string(), "timestamp": pa.string(), "age": pa.float64(), "color": pa.string(),
             "prediction": pa.string(), "score": pa.float64()}  # fmt: skip
    floats = [{k: float(v) if k == "age" and v is not None else v for k, v in r.items()} for r in rows]
    return pa.Table.from_pylist(floats, schema=pa.schema(list(types.items())))


def as_parquet(rows):
    sink = io.BytesIO()
    pq.write_table(as_table(rows), sink)
    return sink.getvalue()


def as_arrow(table):
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def dictionaries(table):
    return table.set_column(3, "color", table.column("color").dictionary_encode())


FORMS = {
    "nested JSON": (JSON, lambda rows: json.dumps({"records": [nested(r) for r in rows]}).encode()),
    "flat JSON": (JSON, lambda rows: json.dumps({"records": rows}).encode()),
    "mixed JSON": (
        JSON, lambda rows: json.dumps({"records": [nested(r) if i % 2 else r for i, r in enumerate(rows)]}).encode(),
    ),
    "NDJSON": (NDJSON, lambda rows: "\n".join(json.dumps(nested(r)) for r in rows).encode()),
    "flat NDJSON": (NDJSON, lambda rows: ("\n\n".join(json.dumps(r) for r in rows) + "\r\n").encode()),
    "CSV": (CSV, as_csv),
    "Parquet": (PARQUET, as_parquet),
    "Arrow": (ARROW, lambda rows: as_arrow(as_table(rows))),
    "Arrow dictionaries": (ARROW, lambda rows: as_arrow(dictionaries(as_table(rows)))),
}  # fmt: skip


def received(form, rows):
    media_type, encode = FORMS[form]
    done = read_body(encode(rows), media_type=media_type, reading=READING)
    assert len(done.batches) == 1
    return done, conform(done.batches[0], SCHEMA)


@given(records)
def test_the_same_records_give_the_same_batch_in_every_media_type(rows):
    first, expected = received("nested JSON", rows)
    assert expected.num_rows == len(rows)
    for form in FORMS:
        done, batch = received(form, rows)
        assert batch.equals(expected), form
        assert (done.missing, done.invalid, done.unknown) == (first.missing, first.invalid, first.unknown), form


ODD = {"age": "text", "color": True, "extra": {"deep": 1}, "score": float("nan")}


def test_odd_values_are_counted_alike_in_json_and_arrow():
    rows = [ODD, {"age": 2.5, "color": 3.0}]
    done = read_body(json.dumps({"records": rows}).encode(), media_type=JSON, reading=READING)
    assert done.batches[0].column("f:color").to_pylist() == ["true", "3"]
    assert (done.invalid, done.unknown, done.missing) == ({"age": 1, "score": 1}, {"extra.deep": 1}, ["prediction"])
    table = pa.table({"age": ["text", None], "score": [float("nan"), None], "extra": [{"deep": 1}, None]})
    done = read_body(as_arrow(table), media_type=ARROW, reading=READING)
    assert (done.invalid, done.unknown) == ({"age": 1, "score": 1}, {"extra.deep": 1})
    assert done.missing == ["color", "prediction"]


def test_csv_tells_a_missing_field_from_an_empty_category():
    done = read_body(b'age,color\n1,\n2,""\n3,NA\n', media_type=CSV, reading=READING)
    assert done.batches[0].column("f:color").to_pylist() == [None, "", "NA"]


def test_a_csv_row_of_other_length_is_quarantined_and_the_others_keep_their_places():
    done = read_body(b"id,age\na,1\nb,2,3\nc,3\n,4\n", media_type=CSV, reading=READING)
    assert [(q.index, q.code) for q in done.quarantined] == [(1, "malformed")]
    assert done.batches[0].column("id").to_pylist()[:2] == ["a", "c"]
    assert [i is None for i in done.ids] == [True, True, True, False]


def test_csv_cells_are_read_as_pythons_csv_reads_them():
    text = 'color,age\n"a,b",1\n"say ""hi""",2\n"two\nlines",3\n'
    done = read_body(text.encode(), media_type=CSV, reading=READING)
    expected = [row["color"] for row in csv.DictReader(io.StringIO(text, newline=""))]
    assert done.batches[0].column("f:color").to_pylist() == expected


def test_large_integers_keep_their_digits_as_ids_and_categories():
    body = b'{"records":[{"id":123456789012345678901234567890,"features":{"color":123456789012345678901234567890}}]}'
    batch = read_body(body, media_type=JSON, reading=READING).batches[0]
    assert batch.column("id").to_pylist() == batch.column("f:color").to_pylist() == ["123456789012345678901234567890"]


def test_a_large_body_is_decoded_in_slices_with_one_answer():
    rows = [{"id": str(i), "features": {"age": i, "color": "x" * 900}} for i in range(2_500)]
    rows[1_700]["features"]["age"] = "poison"
    done = read_body(json.dumps({"records": rows}).encode(), media_type=JSON, reading=READING)
    assert [b.num_rows for b in done.batches] == [1_000, 1_000, 500]
    assert [i for b in done.batches for i in b.column("id").to_pylist()] == [str(i) for i in range(2_500)]
    assert done.invalid == {"age": 1}


def test_without_a_schema_records_are_stored_as_sent():
    reading = Reading(
        schema=None, plan=None, roles=Roles(), window=WindowSpec(), received_us=NOW, limits=Limits()
    )  # fmt: skip
    body = json.dumps({"records": [{"features": {"a": 1, "b": "x", "c": [1, 2], "d": True}, "score": 0.5}]}).encode()
    done = read_body(body, media_type=JSON, reading=reading)
    types = {f.name: str(f.type) for f in done.batches[0].schema}
    assert types["f:a"] == "int64"
    assert types["f:c"].startswith("list<")
    assert (types["f:b"], types["f:d"], types["score"]) == ("string", "bool", "double")
    assert done.unknown == {}


def test_roles_in_the_query_name_the_columns_of_a_table():
    reading = Reading(
        schema=SCHEMA, plan=None, roles=Roles(id="key", score={"": "p"}), window=WindowSpec(), received_us=NOW,
        limits=Limits(),
    )  # fmt: skip
    batch = read_body(b"key,p,age\nk1,0.5,3\n", media_type=CSV, reading=reading).batches[0]
    assert batch.select(["id", "score", "f:age"]).to_pylist() == [{"id": "k1", "score": 0.5, "f:age": 3.0}]


def test_scores_by_class_are_columns_of_their_class():
    schema = Schema(columns=(Column(name="age"), Column(name="p_yes", role="score", class_="yes")))
    reading = Reading(
        schema=schema, plan=RecordPlan(schema), roles=Roles(), window=WindowSpec(), received_us=NOW, limits=Limits()
    )
    body = json.dumps(
        {"records": [{"features": {"age": 1}, "scores": {"yes": 0.25}}, {"age": 1, "p_yes": 0.5}]}
    ).encode()
    assert read_body(body, media_type=JSON, reading=reading).batches[0].column("score:yes").to_pylist() == [0.25, 0.5]


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "identity", ""])
def test_every_encoding_is_taken(door, encoding):
    body = json.dumps({"records": [{"id": "a", "features": {"age": 1.0}}]}).encode()
    packed = {"gzip": gzip.compress, "zstd": lambda b: pa.compress(b, codec="zstd", asbytes=True)}.get(encoding, bytes)
    assert door.post(packed(body), content_encoding=encoding).json()["stored"] == 1
    assert door.stored()[0]["f:age"] == 1.0
