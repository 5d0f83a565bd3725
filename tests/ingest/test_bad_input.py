"""Payload faults: each gets the answer the contract names, never an exception, the same on both databases."""

from __future__ import annotations

import gzip
import io
import json
import zlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor.ingest.limits import Limits
from tests.ingest.conftest import ARROW, CSV, JSON, NDJSON, NOW, PARQUET

GOOD = {"id": "g", "features": {"age": 1, "color": "red"}}
SMALL = Limits(max_body_bytes=4 << 20, max_decoded_bytes=1 << 20, max_records=1_000, max_columns=500)


def body(*records):
    return json.dumps({"records": records}).encode()


def parquet(table, **options):
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def arrow(table, compression=None):
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table)
    return sink.getvalue()


ZEROS = b"0" * (8 << 20)
REQUESTS = {
    "empty body": (b"", JSON, {}, 400),
    "no records": (b"{}", JSON, {}, 422),
    "a bare list": (b"[]", JSON, {}, 422),
    "an empty list": (body(), JSON, {}, 422),
    "records that is no list": (b'{"records": 3}', JSON, {}, 422),
    "cut JSON": (b'{"records": [{"id"', JSON, {}, 400),
    "bytes that are no UTF-8": (b'{"records": [{"id": "\xff"}]}', JSON, {}, 400),
    "JSON 200,000 deep": (b'{"records":' + b"[" * 200_000, JSON, {}, 400),
    "a record 1,000 deep": (b'{"records":[{"features":' + b'{"a":' * 1000 + b"1" + b"}" * 1000 + b"}]}", JSON, {}, 400),
    "NDJSON of which nothing reads": (b"not json\nat all\n", NDJSON, {}, 400),
    "NDJSON of blank lines": (b"\n \n\r\n", NDJSON, {}, 422),
    "CSV without a row": (b"age,color\n", CSV, {}, 422),
    "CSV without a header": (b"", CSV, {}, 422),
    "CSV that names a column twice": (b"age,age\n1,2\n", CSV, {}, 422),
    "CSV that is no UTF-8": (b"age,color\n1,\xff\xfe\n", CSV, {}, 400),
    "garbage as Parquet": (b"PAR1 garbage PAR1", PARQUET, {}, 400),
    "cut Parquet": (parquet(pa.table({"age": [1]}))[:-9], PARQUET, {}, 400),
    "garbage as Arrow": (b"\xff\xff\xff\xff\x10\x00\x00\x00garbage", ARROW, {}, 400),
    "cut Arrow": (arrow(pa.table({"age": list(range(100))}))[:-400], ARROW, {}, 400),
    "an Arrow stream without rows": (arrow(pa.table({"age": pa.array([], pa.int64())})), ARROW, {}, 422),
    "a Parquet dictionary that expands to gigabytes": (
        parquet(pa.table({"color": pa.array(["x" * 500_000] * 900)})),
        PARQUET,
        {},
        413,
    ),
    "an Arrow stream that decompresses to much more": (
        arrow(pa.table({"color": ["0" * (8 << 20)]}), compression="zstd"),
        ARROW,
        {},
        413,
    ),
    "an unknown type": (b"x", "text/plain", {}, 415),
    "no type": (b"x", "", {}, 415),
    "another charset": (body(GOOD), "application/json; charset=utf-16", {}, 415),
    "an unknown encoding": (b"x", JSON, {"content_encoding": "br"}, 415),
    "a gzip bomb": (gzip.compress(ZEROS), JSON, {"content_encoding": "gzip"}, 413),
    "a zstd bomb": (pa.compress(ZEROS, codec="zstd", asbytes=True), JSON, {"content_encoding": "zstd"}, 413),
    "a zstd frame with a huge window": (
        b"\x28\xb5\x2f\xfd\x00\xf8" + b"\x00" * 20,
        JSON,
        {"content_encoding": "zstd"},
        413,
    ),
    "truncated gzip": (gzip.compress(body(GOOD))[:-6], JSON, {"content_encoding": "gzip"}, 400),
    "truncated zstd": (
        pa.compress(body(GOOD), codec="zstd", asbytes=True)[:-6],
        JSON,
        {"content_encoding": "zstd"},
        400,
    ),
    "no gzip at all": (body(GOOD), JSON, {"content_encoding": "gzip"}, 400),
    "too many bytes": (body(GOOD) + b" " * (5 << 20), JSON, {}, 413),
    "too many records": (body(*[GOOD] * 1_001), JSON, {}, 413),
    "too many lines": (b'{"age":1}\n' * 1_001, NDJSON, {}, 413),
    "too many rows": (b"age\n" + b"1\n" * 1_001, CSV, {}, 413),
    "10,000 columns": (body({"features": {f"c{i}": i for i in range(10_000)}}), JSON, {}, 413),
    "400 columns, one a record": (body(*[{f"c{i % 400}": 1} for i in range(1_000)]), JSON, {}, 413),
    "10,000 CSV columns": (",".join(f"c{i}" for i in range(10_000)).encode() + b"\n", CSV, {}, 413),
    "an unusable key": (body(GOOD), JSON, {"idempotency_key": "k" * 300}, 422),
    "an unknown parameter": (body(GOOD), JSON, {"query": "?dryrun=true"}, 422),
    "a role for no column": (b"age\n1\n", CSV, {"query": "?id=key"}, 422),
    "a column name with control characters": (b'"a\x01b",age\n1,2\n', CSV, {}, 422),
    "an unknown model": (body(GOOD), JSON, {"path": "/models/nobody/versions/1"}, 404),
    "an unknown version": (body(GOOD), JSON, {"path": "/models/m/versions/9"}, 404),
    "a name that is none": (body(GOOD), JSON, {"path": "/models/'; DROP/versions/1"}, 422),
}


@pytest.mark.parametrize("fault", REQUESTS)
def test_an_unusable_request_is_refused_and_nothing_is_stored(opened, fault):
    door = opened(limits=SMALL)
    content, media_type, more, status = REQUESTS[fault]
    answer = door.post(content, media_type, **more)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]
    assert (door.stored(), door.quarantined()) == ([], [])
    assert door.service.receiver.budget.used == 0


RECORDS = {
    "a number": (b"5", "not_an_object"),
    "null": (b"null", "not_an_object"),
    "a list": (b"[]", "not_an_object"),
    "features that are none": (b'{"features": 3}', "features"),
    "an unreadable timestamp": (b'{"timestamp": "soon", "features": {}}', "timestamp_unreadable"),
    "timestamp 0": (b'{"timestamp": 0, "features": {}}', "timestamp_unreadable"),
    "a timestamp of 1900": (b'{"timestamp": "1900-01-01T00:00:00Z", "features": {}}', "timestamp_out_of_range"),
    "a timestamp an hour ahead": (b'{"timestamp": %d, "features": {}}' % (NOW + 3_600_000_000), "future"),
    "a long id": (b'{"id": "%s", "features": {}}' % (b"x" * 257), "id_too_long"),
    "an empty id": (b'{"id": "", "features": {}}', "id_empty"),
    "an id with NUL": (b'{"id": "a\\u0000b", "features": {}}', "id_control_characters"),
    "an id with a line break": (b'{"id": "a\\nb", "features": {}}', "id_control_characters"),
    "an id with a lone surrogate": (b'{"id": "\\ud800", "features": {}}', "id_surrogate"),
    "an id that is no text": (b'{"id": [1], "features": {}}', "id_type"),
    "a true id": (b'{"id": true, "features": {}}', "id_type"),
    "a column name with a surrogate": (b'{"features": {"\\udfff": 1}}', "column_name"),
    "an empty column name": (b'{"features": {"": 1}}', "column_name"),
    "a column name of 10,000 characters": (b'{"%s": 1}' % (b"n" * 10_000), "column_name"),
}  # fmt: skip


@pytest.mark.parametrize("fault", RECORDS)
def test_a_poison_record_among_500_is_quarantined_and_the_other_499_are_stored(opened, fault):
    door = opened()
    place = list(RECORDS).index(fault) * 29
    poison, code = RECORDS[fault]
    records = [b'{"id": "r%d", "features": {"age": %d, "color": "red"}}' % (i, i) for i in range(500)]
    records[place] = poison
    answer = door.post(b'{"records": [' + b",".join(records) + b"]}")
    assert answer.status_code == 200, answer.text
    shape = answer.json()
    assert (shape["stored"], shape["quarantined"], shape["duplicate"]) == (499, 1, 0)
    assert [(e["index"], e["code"]) for e in shape["errors"]] == [(place, code)]
    assert [row["id"] for row in door.stored()] == [f"r{i}" for i in range(500) if i != place]
    kept = door.quarantined()
    assert [(q.code, q.position) for q in kept] == [(code, place)]
    assert json.loads(kept[0].raw) == json.loads(poison)
    assert (door.counted("stored"), door.counted("quarantined")) == (499, 1)


@pytest.mark.parametrize("fault", RECORDS)
def test_a_poison_line_costs_only_itself(opened, fault):
    door = opened()
    answer = door.post(b'{"id": "a", "age": 1}\n' + RECORDS[fault][0] + b'\n{"id": "b", "age": 2}\n', NDJSON)
    assert (answer.json()["stored"], answer.json()["errors"][0]["code"]) == (2, RECORDS[fault][1])


VALUES = {
    "NaN": b"NaN", "Infinity": b"Infinity", "1e400": b"1e400", "text": b'"text"', "true": b"true", "a list": b"[1]",
    "5,000 digits": b"9" * 5_000, "a surrogate": b'"\\ud800"',
    "NUL": b'"\\u0000"', "a 1 MB string": b'"' + b"x" * 10**6 + b'"',
    "bidirectional overrides": '"\u202eabc"'.encode(),
}  # fmt: skip


@pytest.mark.parametrize("value", VALUES)
def test_a_value_that_does_not_fit_a_number_column_is_stored_as_invalid(door, value):
    answer = door.post(
        b'{"records": [{"id": "a", "features": {"age": %s}}, {"id": "b", "features": {"age": 2}}]}' % VALUES[value]
    )
    assert answer.status_code == 200, answer.text
    assert (answer.json()["stored"], answer.json()["columns"]["invalid"]) == (2, {"age": 1})
    rows = door.stored()
    assert [row["f:age"] for row in rows] == [None, 2.0]
    assert rows[0]["!f:age"]


def test_thirty_digits_are_a_number_and_the_last_of_two_equal_keys_counts(door):
    assert (
        door.post(b'{"records": [{"features": {"age": 1, "age": 123456789012345678901234567890}}]}').status_code == 200
    )
    assert door.stored()[0]["f:age"] == float(123456789012345678901234567890)


def test_a_10_mb_string_in_a_category_is_taken_within_the_body_limit(door):
    assert door.post(body({"features": {"color": "x" * 7_000_000}})).status_code == 200
    assert len(door.stored()[0]["f:color"]) == 7_000_000


def test_strict_handling_refuses_the_whole_request(door):
    answer = door.post(body(GOOD, 5), prefer="handling=strict")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "not_an_object")
    assert (door.stored(), door.quarantined()) == ([], [])
    assert door.counted("rejected") == 2


def test_a_dry_run_answers_and_stores_nothing(door):
    answer = door.post(body(GOOD, 5), query="?dry_run=true")
    assert (answer.json()["stored"], answer.json()["quarantined"]) == (1, 1)
    assert (door.stored(), door.quarantined()) == ([], [])
    assert door.counted("stored") == 0


def test_records_of_another_model_are_refused_with_the_nearest_names(door):
    answer = door.post(body({"features": {"agee": 1, "colour": "red"}}))
    assert (answer.status_code, answer.json()["code"]) == (422, "columns_do_not_match")
    assert "did you mean 'age'" in answer.json()["detail"]
    assert [e["field"] for e in answer.json()["errors"]] == ["agee", "colour"]


def test_after_a_thousand_records_unknown_columns_alone_are_stored_and_counted(door):
    assert door.post(body(*[{"features": {"age": i}} for i in range(1_000)])).status_code == 200
    answer = door.post(body({"features": {"agee": 1}}))
    assert (answer.status_code, answer.json()["columns"]["unknown"]) == (200, {"agee": 1})


def test_a_body_without_content_length_is_counted_as_it_comes(opened):
    door = opened(limits=SMALL)

    async def pieces():
        for _ in range(6):
            yield b" " * (1 << 20)

    async def send():
        import httpx

        async with httpx.AsyncClient(transport=httpx.ASGITransport(door.app), base_url="http://door") as client:
            return await client.post(
                "/models/m/versions/1/predictions", content=pieces(), headers={"content-type": JSON}
            )

    assert door.runner.run(send()).status_code == 413


def test_gzip_members_one_behind_the_other_are_one_body(door):
    text = body(GOOD)
    assert door.post(gzip.compress(text[:10]) + gzip.compress(text[10:]), content_encoding="gzip").status_code == 200


def test_deflate_is_not_gzip(door):
    assert door.post(zlib.compress(body(GOOD)), content_encoding="gzip").status_code == 400
