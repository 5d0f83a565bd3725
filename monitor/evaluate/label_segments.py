"""The labels of a model that joins have looked for: sorted segments, merged like a log-structured tree.

A join adds its labels as one segment and absorbs those not much larger than what it brings, so that a model of n
labels has O(log n) small segments and every label is written O(log n) times. A segment of more than half the largest
size is *full* and never written again. Of a label given again the older one stays, in another segment, until the two
are merged; the higher ``seq`` counts wherever they meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from monitor.evaluate.label_codec import Labels, join_labels, newest, take_labels
from monitor.model.time import DAY_US
from monitor.store.segments import LabelSegment

LARGEST_ROWS = 1_000_000
LARGEST_BYTES = 64 * 2**20
GENERATION_US = 30 * DAY_US
ABSORB_UP_TO = 2  # times the labels gathered so far

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The labels of a segment, ascending by key, and which of them have been found in a record: bool[n]."""

    labels: Labels
    found: Mask

    @property
    def unmatched(self) -> int:
        """How many labels are in no record so far; those withdrawn wait for none."""
        return int((~self.found & ~withdrawn(self.labels)).sum())


def withdrawn(labels: Labels) -> Mask:
    """bool[n]: which of the labels are null."""
    return np.asarray(labels.values.is_null().to_numpy(zero_copy_only=False), dtype=np.bool_)


def absorbed(
    stored: Sequence[LabelSegment], *, rows: int, received_us: int, size: int = 0, largest: int = LARGEST_ROWS
) -> list[LabelSegment]:
    """The segments that ``rows`` new labels of ``size`` bytes are merged with, the smallest first.

    Not those that began more than ``GENERATION_US`` before the new ones were received: a segment goes when all of it
    has waited long enough.
    """
    chosen: list[LabelSegment] = []
    since_us = received_us - GENERATION_US
    small = [
        one
        for one in stored
        if one.rows <= largest // 2 and one.bytes <= LARGEST_BYTES // 2 and one.first_received_us >= since_us
    ]
    for one in sorted(small, key=lambda one: (one.rows, one.id)):
        if one.rows > ABSORB_UP_TO * rows or size + one.bytes > LARGEST_BYTES:
            break
        chosen.append(one)
        rows, size = rows + one.rows, size + one.bytes
    return chosen


def merge(segments: Sequence[Kept]) -> Kept:
    """One segment of all labels, the last of each key; a label is found where any of the segments says so."""
    whole = join_labels([one.labels for one in segments])
    found = np.concatenate([one.found for one in segments])
    labels, _ = newest(whole)
    return Kept(labels=labels, found=_found_keys(whole, found, labels=labels))


def split(kept: Kept, *, largest: int = LARGEST_ROWS, largest_bytes: int = LARGEST_BYTES) -> list[Kept]:
    """The labels cut by key into equal segments of at most so many labels and bytes each."""
    rows = len(kept.labels.keys)
    pieces = max(-(-rows // largest), -(-kept.labels.nbytes // largest_bytes), 1)
    cuts = [rows * n // pieces for n in range(pieces + 1)]
    return [
        Kept(labels=take_labels(kept.labels, np.arange(a, b)), found=kept.found[a:b])
        for a, b in pairwise(cuts)
        if a < b
    ]


def encode_found(found: Mask) -> bytes:
    """A bit a label."""
    return np.packbits(found).tobytes()


def decode_found(stored: bytes, *, rows: int) -> Mask:
    """The reverse of ``encode_found``: bool[rows], writable.

    >>> decode_found(encode_found(np.array([True, False, True])), rows=3).tolist()
    [True, False, True]
    """
    return np.unpackbits(np.frombuffer(stored, np.uint8), count=rows).astype(np.bool_)


def _found_keys(whole: Labels, found: Mask, *, labels: Labels) -> Mask:
    """bool[len(labels)]: which keys were found by any of their labels: the record is there for the last one too."""
    hits = np.zeros(len(labels.keys), dtype=np.bool_)
    hits[np.searchsorted(labels.keys, whole.keys[found])] = True
    return hits
