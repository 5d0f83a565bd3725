"""Histories held against baselines: every healthy window against what the same rule would have chosen for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from monitor.alert.against import Against
from monitor.alert.cells import Counts, Flags
from monitor.alert.history import FOLDS, History, fold_of

MOST_WINDOWS = 1_000  # with a baseline each, the newest: every one of them is scored by itself


def held_by(
    history: History, *, places: Callable[[int], Iterable[int]], min_windows: int, source: History | None = None
) -> History:
    """The windows of a history that have ``min_windows`` others, or one, at their ``places``, held against their sum.

    ``places`` gives the starts to look at for a window's start. They are looked for in the history itself, or in
    another one, ``source``, in the same cells.
    """
    source = history if source is None else source
    position = {start: k for k, start in enumerate(source.starts_us.tolist())}
    found = [[position[at] for at in places(start) if at in position] for start in history.starts_us.tolist()]
    kept = [k for k, chosen in enumerate(found) if len(chosen) >= max(min_windows, 1)][-MOST_WINDOWS:]
    count = len(kept)
    against = Against(
        part=np.arange(count), moving=True, rows=np.zeros(count), cells=np.zeros((count, *source.cells.shape[1:])),
        hits=np.zeros((count, *source.hits.shape[1:])),
    )  # fmt: skip
    for at, k in enumerate(kept):
        against.rows[at] = source.rows[found[k]].sum()
        against.cells[at] = source.cells[found[k]].sum(axis=0)
        against.hits[at] = source.hits[found[k]].sum(axis=0)
    return replace(_taken(history, kept), own=sum(k < history.own for k in kept), against=against)


def held_fixed(history: History, *, inside: Flags, total: Counts) -> History:
    """All windows held against ``total``, the sum of fixed ones; those ``inside`` bool[K] of it against it less their
    fold, as a reference's own are."""
    order = np.concatenate([np.flatnonzero(inside), np.flatnonzero(~inside)])
    own = int(inside.sum())
    taken = replace(_taken(history, order.tolist()), own=own)
    fold = np.concatenate([fold_of(own), np.full(len(order) - own, FOLDS)])
    against = Against(
        part=np.where(np.arange(len(order)) < own, fold, FOLDS + 1 + taken.fold), moving=False,
        rows=np.full(len(order), float(total.rows)), cells=np.repeat(total.cells[None], len(order), axis=0),
        hits=np.repeat(total.hits[None], len(order), axis=0),
    )  # fmt: skip
    for each in range(FOLDS):
        out = fold == each
        against.rows[out] -= taken.rows[out].sum()
        against.cells[out] = np.maximum(against.cells[out] - taken.cells[out].sum(axis=0), 0.0)
        against.hits[out] = np.maximum(against.hits[out] - taken.hits[out].sum(axis=0), 0.0)
    return replace(taken, against=against)


def _taken(history: History, kept: list[int]) -> History:
    return replace(
        history, starts_us=history.starts_us[kept], rows=history.rows[kept], cells=history.cells[kept],
        hits=history.hits[kept],
    )  # fmt: skip
