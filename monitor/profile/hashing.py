"""64-bit hashes of names and rows: the same on every machine, in every process, for ever."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray


def hash_names(names: Iterable[str]) -> NDArray[np.uint64]:
    """BLAKE2b-64 of each name (UTF-8; lone surrogates kept), uint64[n].

    >>> hash_names(["a", "b"]).tolist() == hash_names(["a", "b"]).tolist()
    True
    """
    digests = b"".join(blake2b(n.encode("utf-8", "surrogatepass"), digest_size=8).digest() for n in names)
    return np.frombuffer(digests, "<u8").astype(np.uint64)


def mix(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser: a bijection of uint64[n] whose output looks random.

    Source: Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators.
    """
    z = keys + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
