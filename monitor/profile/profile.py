"""Profiles: the mergeable summary of one window and segment, all columns of a layout.

Counts are kept flat, one after the other by the layout's offsets, so that merging two profiles is an addition and
comparing them works on whole arrays. A profile depends only on the set of rows, not on their order or batching.
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.profile.counting import SEARCH_BELOW
from monitor.profile.layout import Layout
from monitor.profile.tally import Tally, add_categories, add_numbers, add_small
from monitor.profile.unseen import MAX_UNSEEN, Unseen, merge_unseen

__all__ = ["MAX_UNSEEN", "Profile", "ProfileAccumulator", "Unseen", "empty", "merge", "profile_batch", "subtract"]


class AddColumn(Protocol):
    """Adds one column of a batch to a tally."""

    def __call__(self, tally: Tally, batch: pa.RecordBatch, *, position: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Profile:
    """Counts of ``rows`` rows under one layout of C columns.

    ``counts`` int64[layout.offsets[-1]]; ``missing``, ``invalid`` int64[C]; ``minimum``, ``maximum``, ``total`` (sum)
    and ``total_squares`` (of the differences from ``layout.centres``) float64[C] of the valid numbers (minimum and
    maximum NaN where there are none; 0 sums for categories); ``unseen``: by column, the 100 unseen names of
    smallest hash with their counts.
    """

    layout_digest: str
    rows: int
    counts: NDArray[np.int64]
    missing: NDArray[np.int64]
    invalid: NDArray[np.int64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    total: NDArray[np.float64]
    total_squares: NDArray[np.float64]
    unseen: Unseen


def empty(layout: Layout) -> Profile:
    """The profile of no rows: the identity of ``merge``."""
    return ProfileAccumulator(layout).profile()


def merge(a: Profile, b: Profile) -> Profile:
    """The profile of both sets of rows; ``ValueError`` for different layouts."""
    _same_layout(a, b)
    return Profile(
        layout_digest=a.layout_digest,
        rows=a.rows + b.rows,
        counts=a.counts + b.counts,
        missing=a.missing + b.missing,
        invalid=a.invalid + b.invalid,
        minimum=np.fmin(a.minimum, b.minimum),
        maximum=np.fmax(a.maximum, b.maximum),
        total=a.total + b.total,
        total_squares=a.total_squares + b.total_squares,
        unseen=merge_unseen(a.unseen, b.unseen),
    )


def subtract(a: Profile, b: Profile) -> Profile:
    """The counts of a's rows less b's, which must be among them; minimum, maximum and unseen names stay a's."""
    _same_layout(a, b)
    return Profile(
        layout_digest=a.layout_digest,
        rows=a.rows - b.rows,
        counts=a.counts - b.counts,
        missing=a.missing - b.missing,
        invalid=a.invalid - b.invalid,
        minimum=a.minimum.copy(),
        maximum=a.maximum.copy(),
        total=a.total - b.total,
        total_squares=a.total_squares - b.total_squares,
        unseen={column: dict(names) for column, names in a.unseen.items()},
    )


def profile_batch(layout: Layout, batch: pa.RecordBatch, *, pool: Executor | None = None) -> Profile:
    """The profile of one conformed batch; ``pool`` spreads the columns over threads."""
    accumulator = ProfileAccumulator(layout)
    accumulator.add(batch, pool=pool)
    return accumulator.profile()


class ProfileAccumulator:
    """Adds conformed batches up in place; ``profile()`` gives the sum so far."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._rows = 0
        self._tally = Tally(layout)
        self._numeric = np.flatnonzero(layout.numeric).tolist()
        self._categorical = np.flatnonzero(~layout.numeric).tolist()

    def add(self, batch: pa.RecordBatch, *, pool: Executor | None = None) -> None:
        """Counts the batch's rows in; ``pool`` spreads the columns of a large batch, each writes its own cells."""
        self._rows += batch.num_rows
        each: list[tuple[AddColumn, int]] = [(add_categories, position) for position in self._categorical]
        if batch.num_rows < SEARCH_BELOW:
            add_small(self._tally, batch)
        else:
            each += [(add_numbers, position) for position in self._numeric]
        if pool is None or batch.num_rows < SEARCH_BELOW:
            for add_column, position in each:
                add_column(self._tally, batch, position=position)
        else:
            list(pool.map(lambda one: one[0](self._tally, batch, position=one[1]), each))

    def profile(self) -> Profile:
        """The profile of everything added; later additions do not change it."""
        sums = self._tally
        return Profile(
            layout_digest=self.layout.digest,
            rows=self._rows,
            counts=sums.counts.copy(),
            missing=sums.missing.copy(),
            invalid=sums.invalid.copy(),
            minimum=sums.minimum.copy(),
            maximum=sums.maximum.copy(),
            total=sums.total.copy(),
            total_squares=sums.total_squares.copy(),
            unseen={column: dict(names) for column, names in sorted(sums.unseen.items())},
        )


def _same_layout(a: Profile, b: Profile) -> None:
    if a.layout_digest != b.layout_digest:
        raise ValueError(f"profiles of different layouts: {a.layout_digest[:12]} and {b.layout_digest[:12]}")
