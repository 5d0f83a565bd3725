"""A reference's rows, kept in pieces as they come and read again as often as it takes, in bounded memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pyarrow as pa

from monitor.columns.batch import decode_batch, encode_batch
from monitor.store.engine import Store
from monitor.store.references import append_chunk, chunks

PIECE_ROWS = 64_000
IN_MEMORY_BYTES = 64 * 2**20


class ReferenceRows:
    """The canonical batches of one reference: written through to the store, the small ones kept in memory too."""

    def __init__(self, store: Store, *, reference_id: int, memory: int = IN_MEMORY_BYTES) -> None:
        self._store = store
        self._reference_id = reference_id
        self._memory = memory
        self._held: list[pa.RecordBatch] | None = []
        self._pieces = 0
        self._digest = hashlib.sha256()
        self.rows = 0

    @property
    def digest(self) -> str:
        """``sha256:…`` of the pieces, for a reference that came without a file of its own."""
        return f"sha256:{self._digest.hexdigest()}"

    def add(self, batch: pa.RecordBatch) -> None:
        """Keeps one more batch, in pieces of at most ``PIECE_ROWS`` rows, each in a transaction of its own."""
        for start in range(0, batch.num_rows, PIECE_ROWS):
            piece = batch.slice(start, PIECE_ROWS)
            payload = encode_batch(piece, codec="zstd")
            with self._store.write() as conn:
                append_chunk(conn, reference_id=self._reference_id, seq=self._pieces, payload=payload)
            self._digest.update(payload)
            self._pieces += 1
            self.rows += piece.num_rows
            self._hold(piece)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Every batch in the order it came."""
        if self._held is not None:
            return iter(self._held)
        return stored_rows(self._store, reference_id=self._reference_id)

    def _hold(self, piece: pa.RecordBatch) -> None:
        if self._held is None:
            return
        self._memory -= piece.nbytes
        self._held = [*self._held, piece] if self._memory >= 0 else None


def stored_rows(store: Store, *, reference_id: int) -> Iterator[pa.RecordBatch]:
    """The batches of a stored reference, read one piece a transaction."""
    seq = 0
    while True:
        with store.read() as conn:
            payload = chunks(conn, reference_id=reference_id, seq=seq)
        if payload is None:
            return
        yield decode_batch(payload, "zstd")
        seq += 1
