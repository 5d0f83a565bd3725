"""Tables of any size, batch by batch, in bounded memory."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from monitor.columns.roles import Roles
from monitor.columns.table import canonical_batch
from monitor.ingest.open_table import SLICE_ROWS, TABLE_TYPES, media_type_of, open_table
from monitor.model.errors import InvalidInput, Malformed, UnsupportedMedia

PARQUET, CSV, NDJSON, ARROW = TABLE_TYPES
ROWS = 3_000


def table(rows=ROWS):
    rng = np.random.default_rng(5)
    colors = pa.array(rng.choice(["red", "", "two words", "ü"], rows), mask=rng.random(rows) < 0.1)
    return pa.table({"key": pa.array([f"k{i}" for i in range(rows)]), "n": rng.normal(size=rows), "color": colors})


def written(path, media_type, rows=ROWS):
    data = table(rows)
    if media_type == PARQUET:
        pq.write_table(data, path, row_group_size=1_000)
    elif media_type == CSV:
        pa_csv.write_csv(data, path)
    elif media_type == NDJSON:
        path.write_text("".join(json.dumps(row) + "\n" for row in data.to_pylist()))
    else:
        with pa.ipc.new_stream(path, data.schema) as writer:
            writer.write_table(data)
    return path


def canonical(batches):
    parts = [canonical_batch(b, schema=None, roles=Roles(id="key"), received_us=0).batch for b in batches]
    return [row for part in parts for row in part.to_pylist()]


@pytest.mark.parametrize("media_type", TABLE_TYPES)
def test_every_format_gives_the_same_rows(tmp_path, media_type):
    rows = canonical(open_table(written(tmp_path / "t", media_type), media_type))
    expected = table().to_pylist()
    assert [r["id"] for r in rows] == [e["key"] for e in expected]
    assert [r["f:color"] for r in rows] == [e["color"] for e in expected]
    assert [float(r["f:n"]) for r in rows] == pytest.approx([e["n"] for e in expected], rel=1e-12)


@pytest.mark.parametrize("media_type", TABLE_TYPES)
def test_batches_are_bounded_and_memory_does_not_grow_with_the_file(tmp_path, media_type):
    path = written(tmp_path / "t", media_type, 200_000)
    pool = pa.default_memory_pool()
    before = pool.bytes_allocated()
    largest = rows = 0
    for batch in open_table(path, media_type):
        rows += batch.num_rows
        assert batch.num_rows <= SLICE_ROWS
        largest = max(largest, pool.bytes_allocated() - before)
    assert rows == 200_000
    assert largest < 64 << 20


def test_an_arrow_file_reads_as_a_stream_does(tmp_path):
    data = table(10)
    with pa.ipc.new_file(tmp_path / "f.feather", data.schema) as writer:
        writer.write_table(data)
    assert canonical(open_table(tmp_path / "f.feather", ARROW)) == canonical(data.to_batches())


@pytest.mark.parametrize("media_type", TABLE_TYPES)
@pytest.mark.parametrize("content", [b"garbage", b"\x00\xff" * 500, b"{]\n"])
def test_what_is_not_its_media_type_is_malformed_or_empty(tmp_path, media_type, content):
    path = tmp_path / "t"
    path.write_bytes(content)
    with pytest.raises((Malformed, InvalidInput)):
        list(open_table(path, media_type))


def test_no_rows_are_refused(tmp_path):
    (tmp_path / "t").write_bytes(b"a,b\n")
    with pytest.raises(InvalidInput, match="no row"):
        list(open_table(tmp_path / "t", CSV))


def test_a_line_that_is_no_object_is_named(tmp_path):
    (tmp_path / "t").write_bytes(b'{"a": 1}\n\n{"a": 2}\n[3]\n')
    with pytest.raises(Malformed, match="line 4"):
        list(open_table(tmp_path / "t", NDJSON))


def test_an_open_quote_is_said_and_not_read_to_the_end_of_memory(tmp_path):
    (tmp_path / "t").write_bytes(b'a,b\n1,"' + b"x" * (20 << 20))
    with pytest.raises(Malformed, match="quote"):
        list(open_table(tmp_path / "t", CSV))


def test_nested_lines_are_named_as_users_name_their_columns(tmp_path):
    (tmp_path / "t").write_text(json.dumps({"id": 1, "features": {"a": {"b": 2}}, "scores": {"yes": 0.5}}) + "\n")
    assert next(open_table(tmp_path / "t", NDJSON)).to_pylist() == [{"id": 1, "a.b": 2, "score:yes": 0.5}]


def test_a_files_name_says_its_media_type():
    assert [media_type_of(f"x.{s}") for s in ("parquet", "CSV", "jsonl", "arrow")] == [PARQUET, CSV, NDJSON, ARROW]
    with pytest.raises(UnsupportedMedia, match=r"\.csv"):
        media_type_of("x.xlsx")
    with pytest.raises(UnsupportedMedia):
        list(open_table("x", "text/plain"))
