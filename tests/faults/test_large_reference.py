"""A reference of hundreds of megabytes is streamed to a file and read in pieces: memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from tests.faults.pair import API, CSV, MIB, PARQUET, Server, forget_peak
from tests.service import Service

# Of a server's resident memory, whatever the reference's size: 2 GiB were measured to take no more than 300 MiB do.
MOST_GROWTH = {PARQUET: 384 * MIB, CSV: 640 * MIB}
BYTES = 300 * MIB
ROWS = 50_000


def pieces_of(seed: int) -> Iterator[pa.Table]:
    rng = np.random.default_rng(seed)
    while True:
        columns = {f"n{i}": rng.normal(size=ROWS) for i in range(16)}
        yield pa.table(columns | {"plan": pa.array(rng.choice(["alpha", "beta", "gamma"], ROWS))})


def write(path: Path, media_type: str) -> int:
    """A file of ``BYTES``, written in pieces; its rows."""
    rows = 0
    pieces = pieces_of(1)
    first = next(pieces)
    with path.open("wb") as file:
        writer = (
            pq.ParquetWriter(file, first.schema) if media_type == PARQUET else pyarrow.csv.CSVWriter(file, first.schema)
        )
        with writer:
            while file.tell() < BYTES:
                writer.write_table(first if rows == 0 else next(pieces))
                rows += ROWS
    return rows


def read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(MIB):
            yield piece


@pytest.mark.slow
@pytest.mark.parametrize("media_type", [PARQUET, pytest.param(CSV, marks=pytest.mark.whole)])
def test_a_reference_of_300_mib_takes_a_bounded_part_of_it_as_memory(tmp_path, media_type):
    path = tmp_path / "reference"
    rows = write(path, media_type)
    server = Server(Service(tmp_path))
    try:
        version = f"{API}/models/m/versions/1"
        assert server.client.put(f"{API}/models/m", json={}).status_code == 201
        assert server.client.put(version, json={}).status_code == 201
        forget_peak(server.pid)
        answer = server.client.put(
            version + "/reference", content=read(path), headers={"Content-Type": media_type}, timeout=120
        )
        assert (answer.status_code, answer.json()["rows"]) == (201, rows)
        assert server.growth < MOST_GROWTH[media_type], f"{server.growth / MIB:.0f} MiB"
        assert list((tmp_path / "uploads").iterdir()) == []
    finally:
        server.close()
        path.unlink()
