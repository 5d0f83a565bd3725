"""How large an Arrow IPC stream becomes when its buffers are decompressed, known before any is.

Every compressed buffer begins with its plain length (https://arrow.apache.org/docs/format/Columnar.html
"Compression"), and the message's flatbuffer says where the buffers are. A few kilobytes may claim gigabytes.
"""

from __future__ import annotations

import struct

import numpy as np
import pyarrow as pa

_HEADER = 2  # Message: version, header type, header, body length
_DICTIONARY_DATA = 1  # DictionaryBatch: id, data, is delta
_BUFFERS, _COMPRESSION = 2, 3  # RecordBatch: length, nodes, buffers, compression


def plain_bytes(stream: bytes) -> int:
    """Bytes of all buffers of the stream's messages, as they claim to be decompressed; shared ones count each time."""
    reader = pa.ipc.MessageReader.open_stream(pa.BufferReader(stream))
    size = 0
    while True:
        try:
            message = reader.read_next_message()
        except StopIteration:
            return size
        if message.type in ("record batch", "dictionary"):
            size += _message_bytes(message)


def _message_bytes(message: pa.Message) -> int:
    meta = memoryview(message.metadata)
    batch = _table(meta, _slot(meta, _unsigned(meta, 0), _HEADER))
    if message.type == "dictionary":
        batch = _table(meta, _slot(meta, batch, _DICTIONARY_DATA))
    vector = _slot(meta, batch, _BUFFERS)
    if vector == 0 or message.body is None:
        return 0
    vector = _table(meta, vector)
    if _slot(meta, batch, _COMPRESSION) == 0:
        # what they say together, for several may lie on the same bytes
        said: list[int] = np.frombuffer(meta, "<i8", 2 * _unsigned(meta, vector), vector + 4)[1::2].tolist()
        return max(sum(length for length in said if length > 0), int(message.body.size))
    body = memoryview(message.body)
    size = 0
    for i in range(_unsigned(meta, vector)):
        offset, length = struct.unpack_from("<qq", meta, vector + 4 + 16 * i)
        if length >= 8:
            (plain,) = struct.unpack_from("<q", body, offset)
            size += length if plain == -1 else plain  # -1: this buffer was left as it is
    return size


def _unsigned(meta: memoryview, at: int) -> int:
    return int(struct.unpack_from("<I", meta, at)[0])


def _table(meta: memoryview, at: int) -> int:
    """Where the table or vector begins that the offset at this place leads to."""
    return at + _unsigned(meta, at)


def _slot(meta: memoryview, table: int, number: int) -> int:
    """Where a table's field stands; 0 if it is not there."""
    vtable = table - int(struct.unpack_from("<i", meta, table)[0])
    if 4 + 2 * number >= struct.unpack_from("<H", meta, vtable)[0]:
        return 0
    offset = int(struct.unpack_from("<H", meta, vtable + 4 + 2 * number)[0])
    return table + offset if offset else 0
