"""Requests that cannot be used: the answer the contract names, the same on both databases, within a stated memory."""

from __future__ import annotations

import gzip
import io
import json
import time
import zlib
from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.faults.pair import API, ARROW, CSV, JSON, MIB, NDJSON, PARQUET, memory_bytes

GZIP, ZSTD = {"content_encoding": "gzip"}, {"content_encoding": "zstd"}


def body(*records: object) -> bytes:
    return json.dumps({"records": records}).encode()


def repeated(head: bytes, item: bytes, times: int, tail: bytes = b"") -> Callable[[], bytes]:
    """``head``, an item so many times with commas between, ``tail``; compressed piece by piece."""

    def made() -> bytes:
        packer = zlib.compressobj(1, wbits=31)
        piece = (item + b",") * 10_000
        pieces = [packer.compress(head)]
        pieces += [packer.compress(piece) for _ in range(times // 10_000)]
        pieces += [packer.compress(item + tail), packer.flush()]
        return b"".join(pieces)

    return made


def gzip_bomb() -> bytes:
    packer = zlib.compressobj(1, wbits=31)
    return b"".join([packer.compress(b"0" * MIB) for _ in range(256)] + [packer.flush()])


def zstd_bomb() -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        for _ in range(256):
            stream.write(b"0" * MIB)
    return sink.getvalue().to_pybytes()


def hundred_megabytes() -> Iterator[bytes]:
    for _ in range(100):
        yield b" " * 10**6


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def arrow(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def nulls(columns: int) -> pa.Table:
    return pa.table({f"c{i}": pa.nulls(50_000, pa.float64()) for i in range(columns)})


def one_category(text: str, *, rows: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), [text])


def sparse(columns: int) -> bytes:
    """50,000 records of one column each: 1 MB that would be a table of so many columns."""
    return b'{"records":[' + b",".join(b'{"c%d":1}' % (i % columns) for i in range(50_000)) + b"]}"


ONE = body({"a": 1})
TABLE = pa.table({"a": [1]})
HEAD = b'{"records":['
# name → (body, content type, headers, status, code, how many records are counted as rejected)
REQUESTS = {
    "no byte": (b"", JSON, {}, 400, "malformed", 1),
    "no record": (body(), JSON, {}, 422, "empty", 1),
    "no line": (b"\n\n", NDJSON, {}, 422, "empty", 1),
    "no row": (b"a,b\n", CSV, {}, 422, "empty", 1),
    "no records field": (b"{}", JSON, {}, 422, "no_records", 1),
    "100 MB declared": (lambda: b" " * 10**8, JSON, {}, 413, "too_large", 1),
    "100 MB chunked": (hundred_megabytes, JSON, {}, 413, "too_large", 1),
    "a gzip bomb": (gzip_bomb, JSON, GZIP, 413, "too_large", 1),
    "a zstd bomb": (zstd_bomb, JSON, ZSTD, 413, "too_large", 1),
    "a gzip bomb of CSV": (gzip_bomb, CSV, GZIP, 413, "too_large", 1),
    "60 MB of zeros": (lambda: gzip.compress(b"0" * 60 * MIB, 1), JSON, GZIP, 400, "malformed", 1),
    "8 million records": (repeated(HEAD, b'{"a":1}', 8_000_000, b"]}"), JSON, GZIP, 413, "too_large", 8_000_001),
    "20 million lines": (lambda: gzip.compress(b"{}\n" * 20_000_000, 1), NDJSON, GZIP, 413, "too_large", 20_000_000),
    "20 million rows": (lambda: gzip.compress(b"1\n" * 20_000_001, 1), CSV, GZIP, 413, "too_large", 20_000_000),
    "50,001 records": (lambda: body(*[{"a": 1}] * 50_001), JSON, {}, 413, "too_large", 50_001),
    "a list of 20 million": (repeated(HEAD + b'{"a":[', b"[]", 20_000_000, b"]}]}"), JSON, GZIP, 413, "too_large", 1),
    "a line of 20 million": (repeated(b'{"a":[', b"1", 20_000_000, b"]}"), NDJSON, GZIP, 413, "too_large", 1),
    "truncated gzip": (gzip.compress(ONE)[:-6], JSON, GZIP, 400, "malformed", 1),
    "truncated zstd": (pa.compress(ONE, "zstd", asbytes=True)[:-6], JSON, ZSTD, 400, "malformed", 1),
    "no gzip at all": (ONE, JSON, GZIP, 400, "malformed", 1),
    "an unknown encoding": (ONE, JSON, {"content_encoding": "br"}, 415, "unsupported_media", 1),
    "an unknown type": (ONE, "application/x-pickle", {}, 415, "unsupported_media", 1),
    "lists 200,000 deep": (HEAD + b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}]}", JSON, {}, 400, "malformed", 1),
    "JSON 200,000 deep, never closed": (b'{"records":' + b"[" * 200_000, JSON, {}, 400, "malformed", 1),
    "objects 200,000 deep": (HEAD + b'{"a":' * 200_000 + b"1" + b"}" * 200_000 + b"]}", JSON, {}, 400, "malformed", 1),
    "10,000 columns": (body({"features": {f"c{i}": i for i in range(10_000)}}), JSON, {}, 413, "too_large", 1),
    "10,000 columns, one a record": (sparse(10_000), JSON, {}, 413, "too_large", 1),
    "10,000 CSV columns": (",".join(f"c{i}" for i in range(10_000)).encode() + b"\n1\n", CSV, {}, 413, "too_large", 1),
    "10,000 Arrow columns": (arrow(pa.table({f"c{i}": [1] for i in range(10_000)})), ARROW, {}, 413, "too_large", 1),
    "100 million nulls of Parquet": (lambda: parquet(nulls(2_000)), PARQUET, {}, 413, "too_large", 1),
    "a dictionary of gigabytes": (
        lambda: parquet(pa.table({"a": one_category("x" * 10**5, rows=20_000)})), PARQUET, {}, 413, "too_large", 1),
    "Parquet magic around garbage": (b"PAR1" + b"\0" * 100 + b"PAR1", PARQUET, {}, 400, "malformed", 1),
    "Arrow called Parquet": (arrow(TABLE), PARQUET, {}, 400, "malformed", 1),
    "Parquet called Arrow": (parquet(TABLE), ARROW, {}, 400, "malformed", 1),
    "Parquet called JSON": (parquet(TABLE), JSON, {}, 400, "malformed", 1),
    "Parquet called CSV": (parquet(TABLE), CSV, {}, 400, "malformed", 1),
    "CSV called JSON": (b"a,b\n1,2\n", JSON, {}, 400, "malformed", 1),
    "CSV called NDJSON": (b"a,b\n1,2\n", NDJSON, {}, 400, "malformed", 1),
    "JSON called Arrow": (ONE, ARROW, {}, 400, "malformed", 1),
    "strict handling": (body({"a": 1}, 5), JSON, {"prefer": "handling=strict"}, 422, "strict", 2),
    "an unusable key": (ONE, JSON, {"idempotency_key": "k" * 300}, 422, "key", 1),
}  # fmt: skip


@pytest.mark.parametrize("fault", REQUESTS)
def test_an_unusable_request_is_refused_counted_and_leaves_nothing(pair, fault):
    content, media_type, headers, status, code, rejected = REQUESTS[fault]
    answer = pair.post(content, media_type, **headers)
    assert (answer.status, answer.json["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert pair.counted() == {"stored": 0, "quarantined": 0, "duplicate": 0, "rejected": rejected}
    assert pair.records() == []
    assert pair.quarantined() == []


def test_the_same_large_request_again_and_again_takes_no_more_memory(pair):
    large = repeated(HEAD, b'{"a":1,"b":"' + b"x" * 500 + b'"}', 30_000, b"]}")()
    for _ in range(2):
        assert pair.post(large, content_encoding="gzip").status == 200
    before = [memory_bytes(server.pid, "VmRSS") for server in pair.servers]
    for _ in range(4):
        assert pair.post(large, content_encoding="gzip").status == 200
    for server, then in zip(pair.servers, before, strict=True):
        assert settled_bytes(server.pid, below=then + 128 * MIB) < then + 128 * MIB
    assert pair.counted()["stored"] == 6 * 30_001


def settled_bytes(pid: int, *, below: int) -> int:
    """What is resident once it is below that, or after half a minute: the rows are folded meanwhile, in the server."""
    until = time.monotonic() + 30
    while (resident := memory_bytes(pid, "VmRSS")) >= below and time.monotonic() < until:
        time.sleep(0.5)
    return resident


@pytest.mark.limit("monitor.ingest.records.PAGE_BYTES")
def test_a_page_of_large_records_is_cut_by_its_bytes_and_the_next_goes_on(pair):
    for start in range(0, 40, 5):
        rows = [{"id": f"r{i:02}", "timestamp": 1_700_000_000 + i, "a": "x" * 10**6} for i in range(start, start + 5)]
        assert pair.post(body(*rows)).status == 200
    ids, cursor, pages = [], "", 0
    while cursor is not None:
        page = pair.ask("GET", f"{pair.version}/records?limit=1000" + (f"&cursor={cursor}" if cursor else ""))
        assert len(page.text) < 32 * MIB
        ids += [record["id"] for record in page.json["results"]]
        cursor, pages = page.json["next"], pages + 1
    assert ids == [f"r{i:02}" for i in range(40)]
    assert pages == 3, "16 records of a megabyte in each"


def test_an_unknown_model_and_version_are_404_and_counted_without_a_label(pair):
    before = [server.counted("")["rejected"] for server in pair.servers]
    for path in (f"{API}/models/nobody/versions/1", f"{pair.version}9", f"{API}/models/nobody"):
        answer = pair.ask("POST", path + "/predictions", content=ONE, headers={"Content-Type": JSON})
        assert (answer.status, answer.json["code"]) == (404, "not_found")
    assert [server.counted("")["rejected"] for server in pair.servers] == [count + 3 for count in before]


def test_a_dry_run_answers_and_counts_nothing(pair):
    answer = pair.post(body({"id": "a", "x": 1}, 5), query="?dry_run=true")
    assert (answer.status, answer.json["stored"], answer.json["quarantined"]) == (200, 1, 1)
    assert pair.post(body({"x": 1}, 5), query="?dry_run=true", prefer="handling=strict").status == 422
    assert sum(pair.counted().values()) == 0
    assert (pair.records(), pair.quarantined()) == ([], [])
