"""The stored batch: an Arrow record batch of conventions, and its bytes.

Columns: ``id`` (string) and ``timestamp`` (timestamp[us, UTC]), both without nulls, then columns by
``Column.stored_name``. A null is *missing*. A value that does not fit its column is *invalid*: the main
column is null there and the companion ``!<stored name>`` holds the raw value as JSON text. Field metadata
says how a string column was sent: ``JSON_FORM`` (each value a JSON text, for mixed columns) or
``TEXT_FORM`` (CSV fields, whose type nobody declared).
"""

from __future__ import annotations

import pyarrow as pa

from monitor.model.errors import InvalidInput

ID = "id"
TIMESTAMP = "timestamp"
FEATURE_PREFIX = "f:"
COMPANION_PREFIX = "!"
TIMESTAMP_TYPE = pa.timestamp("us", tz="UTC")
EMBEDDING_TYPE = pa.list_(pa.float64())
JSON_FORM = {b"json": b"1"}
TEXT_FORM = {b"text": b"1"}
CODECS = ("ipc", "zstd")

_ZSTD = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", compression_level=3))
_PLAIN = pa.ipc.IpcWriteOptions()


def encode_batch(batch: pa.RecordBatch, *, codec: str = "ipc") -> bytes:
    """The batch as an Arrow IPC stream of one batch; ``zstd`` compresses its buffers (segments)."""
    return encode_buffer(batch, codec=codec).to_pybytes()  # type: ignore[no-any-return]


def encode_buffer(batch: pa.RecordBatch, *, codec: str = "ipc") -> pa.Buffer:
    """The same bytes as an Arrow buffer: for large batches copying them once more is a tenth of storing them."""
    if codec not in CODECS:
        raise ValueError(f"codec {codec!r} is not one of {', '.join(CODECS)}")
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=_ZSTD if codec == "zstd" else _PLAIN) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def decode_batch(payload: bytes, codec: str = "ipc") -> pa.RecordBatch:
    """The batch of a stored payload; the stream itself says how its buffers are compressed."""
    if codec not in CODECS:
        raise InvalidInput(f"stored batch: codec {codec!r} is not one of {', '.join(CODECS)}")
    with pa.ipc.open_stream(pa.BufferReader(payload)) as reader:
        return reader.read_next_batch()


def companion_of(stored_name: str) -> str:
    """The name of the column that holds the raw invalid values of ``stored_name``.

    >>> companion_of("f:age")
    '!f:age'
    """
    return COMPANION_PREFIX + stored_name


def is_companion(name: str) -> bool:
    """Whether a stored column holds raw invalid values."""
    return name.startswith(COMPANION_PREFIX)


def shown_name(stored_name: str) -> str:
    """The name users know a stored column by: without the feature prefix.

    >>> shown_name("f:age"), shown_name("prediction")
    ('age', 'prediction')
    """
    return stored_name.removeprefix(FEATURE_PREFIX)


def form_of(field: pa.Field) -> str:
    """How a stored or sent column is to be read: ``typed``, ``json`` or ``text``."""
    metadata = field.metadata or {}
    if b"json" in metadata:
        return "json"
    return "text" if b"text" in metadata else "typed"


def field_of(name: str, kind: pa.DataType, *, form: str = "typed") -> pa.Field:
    """An Arrow field that says its form."""
    metadata = {"json": JSON_FORM, "text": TEXT_FORM}.get(form)
    return pa.field(name, kind, metadata=metadata)
