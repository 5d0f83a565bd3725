"""Labels by the hashed id of their record: read from stored payloads, the last of each key kept, written again.

A payload is an Arrow record batch of ``key`` (uint64), ``label`` (string: a category's text, or float64 for a model
of regression; null withdraws) and ``seq`` (int64: what orders the labels of one key). A batch as it came has no
``seq``: its id and the position in it are the order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.columns.batch import decode_batch, encode_batch
from monitor.columns.keyed_ids import Hashes
from monitor.columns.text import category_text
from monitor.store.outcomes import Part

KEY, SEQ, LABEL = "key", "seq", "label"
POSITION_BITS = 20  # of a label in its batch; the batch's id stands above them

Positions = NDArray[np.int64]


class Labels(NamedTuple):
    """Labels side by side: ``keys`` uint64[n], ``seqs`` int64[n], ``values`` Arrow [n].

    ``values`` are texts (dictionary<int32, string>) or numbers (float64); null is a label withdrawn.
    """

    keys: Hashes
    seqs: Positions
    values: pa.Array

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return int(self.keys.nbytes + self.seqs.nbytes + self.values.nbytes)


def no_labels() -> Labels:
    """None at all."""
    return Labels(np.empty(0, np.uint64), np.empty(0, np.int64), pa.array([], pa.float64()))


def read_batch(payload: bytes, *, batch_id: int) -> Labels:
    """The labels of a batch as it came, in its order."""
    batch = decode_batch(payload)
    seqs = (batch_id << POSITION_BITS) + np.arange(batch.num_rows, dtype=np.int64)
    return Labels(_keys(batch), seqs, _in_memory(batch.column(LABEL)))


def decode_labels(payload: bytes) -> Labels:
    """The labels of a stored part or segment, ascending by key."""
    batch = decode_batch(payload)
    return Labels(_keys(batch), np.asarray(batch.column(SEQ).to_numpy()), _in_memory(batch.column(LABEL)))


def encode_labels(labels: Labels) -> bytes:
    """The stored form of labels; the reverse of ``decode_labels``."""
    values = labels.values
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    return encode_batch(
        pa.record_batch({KEY: pa.array(labels.keys), SEQ: pa.array(labels.seqs), LABEL: values}), codec="zstd"
    )


def take_labels(labels: Labels, positions: NDArray[Any]) -> Labels:
    """Those of the labels, by position or by mask."""
    if positions.dtype == np.bool_:
        positions = np.flatnonzero(positions)
    return Labels(labels.keys[positions], labels.seqs[positions], labels.values.take(pa.array(positions)))


def join_labels(parts: Sequence[Labels]) -> Labels:
    """The labels of all parts one after the other; numbers beside texts become texts, so that nothing is lost."""
    filled = [part for part in parts if len(part.keys)]
    if len(filled) < 2:
        return filled[0] if filled else no_labels()
    texts = any(pa.types.is_dictionary(part.values.type) for part in filled)
    values = pa.chunked_array([_texts(part.values) if texts else part.values for part in filled])
    if texts:
        values = values.unify_dictionaries()
    combined = values.combine_chunks()
    if isinstance(combined, pa.ChunkedArray):
        combined = combined.chunk(0)
    return Labels(
        np.concatenate([part.keys for part in filled]), np.concatenate([part.seqs for part in filled]), combined
    )


def newest(labels: Labels) -> tuple[Labels, Positions]:
    """The last label of each key, ascending by key, and where each stood; of equal ``seq`` the first."""
    keys = labels.keys
    order = np.argsort(keys, kind="stable")
    ordered, seqs = keys[order], labels.seqs[order]
    again = ordered[1:] == ordered[:-1]
    if not again.any():
        return take_labels(labels, order), order
    if (again & (seqs[1:] <= seqs[:-1])).any():  # not in the order they came: the costly way
        order = np.lexsort((-np.arange(len(keys)), labels.seqs, keys))
        ordered = keys[order]
        again = ordered[1:] == ordered[:-1]
    order = order[np.append(~again, True)]
    return take_labels(labels, order), order


def merged_labels(parts: Iterable[Part], *, numeric: bool | None = None) -> Labels:
    """The labels in force of a window whose parts these are: the last of each key, ascending by key.

    A null among them is a label withdrawn. ``numeric`` says what the model's task takes now: numbers (a text that is
    none becomes NaN, which is a label that cannot be used and not one withdrawn) or texts (a number becomes its
    category's text); None leaves them as they were sent.
    """
    labels = newest(join_labels([decode_labels(part.payload) for part in parts]))[0]
    if numeric is None:
        return labels
    return labels._replace(values=numbers_of(labels.values) if numeric else _texts(labels.values))


def numbers_of(values: pa.Array) -> pa.Array:
    """Labels as float64: a text that is no number is NaN, null stays null.

    >>> numbers_of(pa.array(["1.5", "yes", None]).dictionary_encode()).to_pylist()
    [1.5, nan, None]
    """
    if not pa.types.is_dictionary(values.type):
        return values
    numbers = [None if text is None else _number(text) for text in values.dictionary.to_pylist()]
    return pa.array(numbers, pa.float64()).take(values.indices)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _texts(values: pa.Array) -> pa.Array:
    """Labels as category texts, dictionary-encoded; NaN, which is no category, as ``NaN``."""
    if pa.types.is_dictionary(values.type):
        return values
    encoded = values.dictionary_encode()
    names = [None if v is None else category_text(v) or "NaN" for v in encoded.dictionary.to_pylist()]
    return pa.array(names, pa.string()).dictionary_encode().take(encoded.indices)


def _keys(batch: pa.RecordBatch) -> Hashes:
    return np.asarray(batch.column(KEY).to_numpy(), dtype=np.uint64)


def _in_memory(values: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(values.type) or pa.types.is_float64(values.type):
        return values
    if pa.types.is_string(values.type):
        return values.dictionary_encode()
    return pc.cast(values, pa.float64())  # all withdrawn: null fits both
