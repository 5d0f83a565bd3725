"""The claimed size of Arrow streams against what pyarrow makes of them."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest

from monitor.ingest.ipc_size import plain_bytes


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
