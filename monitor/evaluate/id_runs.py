"""The ids a window holds already: sorted runs of hashes, merged like a log-structured tree.

A fold adds one run and absorbs the runs that are not much larger than what it brings, so that a window of n
ids has O(log n) small runs and every id is written O(log n) times. A run of more than half the largest size is
*full* and never written again; what grows beyond the largest size is split by hash prefix.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.columns.keyed_ids import Hashes, among, encode_run
from monitor.store.ids import IdRun, NewRun

LARGEST = 1_000_000
FULL_LEVEL = 1
ABSORB_UP_TO = 2  # times the ids gathered so far
PREFIX_BITS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChange:
    """What a fold does to a window's runs: ``absorbed`` are removed, ``added`` written in their place."""

    absorbed: tuple[int, ...]
    added: tuple[NewRun, ...]


def known(hashes: Hashes, runs: Sequence[IdRun], *, read: Callable[[int], Hashes]) -> NDArray[np.bool_]:
    """bool[n]: which of the ascending ``hashes`` some run holds; ``read`` brings a run by its id."""
    found = np.zeros(len(hashes), dtype=np.bool_)
    for run in runs:
        found |= among(hashes, read(run.id))
    return found


def change_runs(
    fresh: Hashes, runs: Sequence[IdRun], *, read: Callable[[int], Hashes], largest: int = LARGEST
) -> RunChange:
    """The runs after ``fresh`` (ascending, in none of them) has joined."""
    absorbed: list[IdRun] = []
    gathered = len(fresh)
    for run in sorted((run for run in runs if run.level < FULL_LEVEL), key=lambda run: run.keys):
        if run.keys > ABSORB_UP_TO * gathered:
            break
        absorbed.append(run)
        gathered += run.keys
    merged = np.sort(np.concatenate([fresh, *(read(run.id) for run in absorbed)])) if absorbed else fresh
    return RunChange(
        absorbed=tuple(run.id for run in absorbed),
        added=tuple(_new_run(part, largest=largest) for part in split_by_prefix(merged, largest=largest)),
    )


def split_by_prefix(hashes: Hashes, *, largest: int) -> list[Hashes]:
    """The ascending, distinct hashes cut in halves of the hash space until each holds at most ``largest``.

    >>> [part.tolist() for part in split_by_prefix(np.array([1, 2, 2**63], dtype=np.uint64), largest=2)]
    [[1, 2], [9223372036854775808]]
    """
    parts: list[Hashes] = []
    left = [(hashes, 0, 64)]  # ascending hashes, the prefix they share, how many bits are below it
    while left:
        part, prefix, bits = left.pop()
        if len(part) <= largest:
            parts += [part] if len(part) else []
            continue
        middle = prefix + (1 << (bits - 1))
        cut = int(np.searchsorted(part, np.uint64(middle)))
        left += [(part[cut:], middle, bits - 1), (part[:cut], prefix, bits - 1)]
    return parts


def _new_run(hashes: Hashes, *, largest: int) -> NewRun:
    return NewRun(
        level=FULL_LEVEL if len(hashes) > largest // 2 else 0,
        prefix=int(hashes[0]) >> (64 - PREFIX_BITS),
        keys=len(hashes),
        payload=encode_run(hashes),
    )
