"""Record ids as 64-bit keyed hashes: which rows are the first of their id, and ascending runs of them as bytes."""

from __future__ import annotations

import base64
import hashlib

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pandas.util import hash_array

Hashes = NDArray[np.uint64]


def hash_key(secret: bytes) -> str:
    """The SipHash key as 16 ASCII characters (96 bits), derived from the store's secret.

    >>> len(hash_key(bytes(16)))
    16
    """
    return base64.b64encode(hashlib.blake2b(secret, digest_size=12, person=b"driftline-ids").digest()).decode()


def hash_ids(ids: pa.Array, *, key: str) -> Hashes:
    """uint64[n]: SipHash of each id under ``key``; two ids collide once in 2^64 pairs.

    A hash, not the text: eight bytes an id whatever its length, and nothing to read back without the key.

    >>> a, b, c = hash_ids(pa.array(["a", "b", "a"]), key="0123456789abcdef").tolist()
    >>> (a == c, a == b)
    (True, False)
    """
    texts = np.asarray(ids.to_numpy(zero_copy_only=False), dtype=object)
    return np.asarray(hash_array(texts, hash_key=key, categorize=False), dtype=np.uint64)


def first_rows(hashes: Hashes) -> tuple[Hashes, NDArray[np.int64]]:
    """The distinct hashes, ascending, and for each the first row that has it (both of the same length).

    >>> first_rows(np.array([7, 3, 7], dtype=np.uint64))[1].tolist()
    [1, 0]
    """
    distinct, rows = np.unique(hashes, return_index=True)
    return distinct, rows.astype(np.int64, copy=False)


def among(hashes: Hashes, run: Hashes) -> NDArray[np.bool_]:
    """bool[n]: which of the ascending ``hashes`` are in the ascending ``run``.

    >>> among(np.array([1, 5, 9], dtype=np.uint64), np.array([5, 6], dtype=np.uint64)).tolist()
    [False, True, False]
    """
    found = np.zeros(len(hashes), dtype=np.bool_)
    if not len(run):
        return found
    first, last = np.searchsorted(hashes, run[[0, -1]], side="left").tolist()
    inside = hashes[first : last + 1]
    positions = np.minimum(np.searchsorted(run, inside), len(run) - 1)
    found[first : last + 1] = run[positions] == inside
    return found


def encode_run(hashes: Hashes) -> bytes:
    """Eight little-endian bytes a hash: random bits do not compress."""
    return hashes.astype("<u8", copy=False).tobytes()


def decode_run(payload: bytes) -> Hashes:
    """The ascending hashes of a stored run: uint64[n], read-only."""
    return np.frombuffer(payload, dtype="<u8")
