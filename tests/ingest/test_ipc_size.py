"""The claimed size of Arrow streams against what pyarrow makes of them."""

from __future__ import annotations

import io
import struct

import numpy as np
import pyarrow as pa
import pytest

from monitor.ingest.ipc_size import plain_bytes
from monitor.ingest.limits import Limits
from monitor.ingest.tables import read_arrow
from monitor.model.errors import TooLarge


def stream(table, compression, rows=400):
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, max_chunksize=rows)
    return sink.getvalue()


def table(rows=1_000):
    rng = np.random.default_rng(1)
    texts = pa.array(rng.choice(["a", "bb" * 50], rows))
    return pa.table({"n": rng.normal(size=rows), "z": np.zeros(rows), "s": texts, "d": texts.dictionary_encode()})


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_the_size_is_that_of_the_buffers_read(compression):
    claimed = plain_bytes(stream(table(), compression))
    with pa.ipc.open_stream(stream(table(), compression)) as reader:
        read = sum(batch.nbytes for batch in reader)
    assert abs(claimed - read) < 1_000  # the dictionary is sent once and counted with each batch; padding


def test_a_bomb_is_seen_without_being_set_off():
    bomb = stream(pa.table({"s": ["0" * (256 << 20)]}), "zstd")
    before = pa.default_memory_pool().max_memory()
    assert len(bomb) < 100_000
    assert plain_bytes(bomb) >= 256 << 20
    assert pa.default_memory_pool().max_memory() == before


def on_the_same_bytes(columns: int) -> bytes:
    """A stream of columns of 1,000 numbers that all say that they lie where the first does."""
    whole = stream(pa.table({f"n{i}": np.arange(1_000.0) + i for i in range(columns)}), None, rows=1_000)
    # of each column two buffers: nulls (none) and values, each as offset and length
    written = b"".join(struct.pack("<4q", 8_000 * i, 0, 8_000 * i, 8_000) for i in range(columns))
    assert whole.count(written) == 1
    return whole.replace(written, struct.pack("<4q", 0, 0, 0, 8_000) * columns)


def test_columns_on_the_same_bytes_count_each():
    body = on_the_same_bytes(50)
    with pa.ipc.open_stream(body) as reader:
        batch = reader.read_next_batch()
    assert batch.column(49).equals(batch.column(0))
    assert plain_bytes(body) == batch.nbytes == 50 * 8_000


def test_what_columns_on_the_same_bytes_come_to_is_held_against_the_limit():
    with pytest.raises(TooLarge, match="the table is 400000 bytes read"):
        read_arrow(on_the_same_bytes(50), limits=Limits(max_decoded_bytes=399_999))
