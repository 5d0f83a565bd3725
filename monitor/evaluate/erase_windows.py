"""What is kept of erased records beside the log, by the hashes of their ids: ids, outcomes, labels of their windows."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from monitor.columns.batch import decode_batch, encode_batch
from monitor.columns.keyed_ids import Hashes, among, decode_run, encode_run
from monitor.evaluate.id_runs import PREFIX_BITS
from monitor.evaluate.label_codec import decode_labels, encode_labels, take_labels
from monitor.evaluate.outcome_rows import KEY
from monitor.model.errors import FenceLost
from monitor.store.engine import Store
from monitor.store.erased_labels import windows_behind
from monitor.store.erasures import Erasing, disturb, erasing
from monitor.store.ids import IdRun, NewRun, id_runs, replace_runs, run_fold, run_payload
from monitor.store.outcomes import Part, outcomes, replace_outcomes, replace_window_labels, window_labels
from monitor.store.sealing import OUTCOMES
from monitor.store.versions import lock_version
from monitor.store.windows import get_window

_LOW = 2 ** (64 - PREFIX_BITS) - 1
_TRIES = 5


def erase_windows(store: Store, *, model_id: int, version_id: int, hashes: Hashes, guard: Erasing) -> None:
    """Erases from all windows of the version that lost a row of the log, now or before, in short transactions.

    Only there: a record that came under such an id since its rows were gone through is a new one.
    """
    after: int | None = None
    while True:
        with store.read() as conn:
            starts = windows_behind(conn, version_id=version_id, after=after)
        for start_us in starts:
            _erase(store, model_id=model_id, version_id=version_id, start_us=start_us, hashes=hashes, guard=guard)
        if not starts:
            return
        after = starts[-1]
        with store.write() as conn:
            guard(conn, "records", 0)


def _erase(
    store: Store, *, model_id: int, version_id: int, start_us: int, hashes: Hashes, guard: Erasing
) -> None:  # fmt: skip
    for _ in range(_TRIES):
        changes = _changes(store, version_id=version_id, start_us=start_us, hashes=hashes)
        try:
            for change, found in changes:
                with erasing(store) as conn:
                    lock_version(conn, id=version_id)
                    disturb(conn, model_id=model_id)
                    change(conn)
                    guard(conn, "records", found)
            return
        except FenceLost:  # folded or joined meanwhile: it is read again; a claim that is lost is lost then too
            continue
    raise FenceLost(f"window {start_us} of version {version_id} changed again and again while it was read")


def _changes(
    store: Store, *, version_id: int, start_us: int, hashes: Hashes
) -> list[tuple[Callable[[Connection], object], int]]:
    """What is to be written, each in a transaction of its own: read and packed outside of it. And how many records
    are found by it, where the log does not have them any more."""
    here: dict[str, Any] = {"version_id": version_id, "window_start_us": start_us}
    found: list[tuple[Callable[[Connection], object], int]] = []
    with store.read() as conn:
        window = get_window(conn, version_id=version_id, start_us=start_us)
        runs = id_runs(conn, **here)
        parts = [(_without_outcomes, replace_outcomes, part) for part in outcomes(conn, **here)]
        parts += [(_without_labels, replace_window_labels, part) for part in window_labels(conn, **here)]
    for run in runs:
        with store.read() as conn:
            keys, fold = decode_run(run_payload(conn, id=run.id)), run_fold(conn, id=run.id)
        if np.isin(keys, hashes).any():
            forgotten = _forgotten(run, keys, hashes=hashes)
            found.append((partial(replace_runs, **here, remove_ids=[run.id], runs=[forgotten], fold=fold), 0))
    for without, put, part in parts:
        left = without(part, hashes=hashes)
        if left is not None:
            change = partial(put, version_id=version_id, ids=[part.id], parts=[left] if left.rows else [])
            alone = put is replace_outcomes and window is not None and window.retained == OUTCOMES
            found.append((change, part.rows - left.rows if alone else 0))
    return found


def _without_outcomes(part: Part, *, hashes: Hashes) -> Part | None:
    """The part without those of the ids; None where it has none."""
    batch = decode_batch(part.payload, "zstd")
    named = np.isin(np.asarray(batch.column(KEY).to_numpy(), dtype=np.uint64), hashes)
    if not named.any():
        return None
    left = batch.filter(pa.array(~named))
    return replace(part, rows=left.num_rows, payload=encode_batch(left, codec="zstd"))


def _without_labels(part: Part, *, hashes: Hashes) -> Part | None:
    """The same of a part of labels."""
    labels = decode_labels(part.payload)
    named = np.isin(labels.keys, hashes)
    if not named.any():
        return None
    left = take_labels(labels, ~named)
    return replace(part, rows=len(left.keys), payload=encode_labels(left))


def _forgotten(run: IdRun, keys: Hashes, *, hashes: Hashes) -> NewRun:
    """The run with as many ids as before, and chance in the place of the erased: the id comes again as a new one."""
    named = np.isin(keys, hashes)
    fresh: set[int] = set()
    for key in keys[named].tolist():
        prefix, other = key & ~_LOW, key
        while other in fresh or among(np.array([other], np.uint64), keys)[0]:
            other = prefix | secrets.randbits(64 - PREFIX_BITS)
        fresh.add(other)
    merged = np.sort(np.concatenate([keys[~named], np.array(sorted(fresh), np.uint64)]))
    return NewRun(level=run.level, keys=run.keys, payload=encode_run(merged), prefix=run.prefix)
