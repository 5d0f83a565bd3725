"""Joining labels: a window of 1,000,000 records × 1,000,000 labels; labels nobody knows; a trickle.

    python -m benchmarks.join [--rows 1000000] [--windows 720] [--window-rows 100000] [--batches 1000]

Seconds are of one core (processor time) beside the wall's; memory is the peak of the whole process meanwhile. The
baseline of the large window is a pandas merge of the same ids and labels in memory, without a database; that of
labels nobody knows is looking for each batch by itself.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from monitor.columns.batch import encode_batch
from monitor.columns.keyed_ids import Hashes, hash_ids, hash_key
from monitor.columns.roles import Roles
from monitor.evaluate.context import Contexts
from monitor.evaluate.fold import SLICE_ROWS
from monitor.evaluate.id_runs import encode_run
from monitor.evaluate.join import Joiner
from monitor.evaluate.judging_performance import judge_performance
from monitor.evaluate.outcome_rows import encode_outcomes
from monitor.evaluate.reference import set_reference
from monitor.evaluate.window_card import window_card
from monitor.model.entities import Model, Version
from monitor.model.time import HOUR_US
from monitor.performance.scorecard import Scorecard
from monitor.store import models
from monitor.store.engine import Store, open_store
from monitor.store.ids import NewRun, add_run
from monitor.store.labels import LabelBatch, insert_labels
from monitor.store.outcomes import Part, add_outcomes, window_label_heads
from monitor.store.segments import segments
from monitor.store.versions import get_version_by_id
from monitor.store.windows import WindowRow, get_window, list_windows, upsert_window

BATCH = 50_000


def fresh(folder: str) -> tuple[Store, Model, Version]:
    """A store of its own with a model and a version."""
    store = open_store("", data_dir=folder, migrate=True)
    with store.write() as conn:
        model = models.insert_model(conn, Model(name="m", task="binary_classification"))
        version = models.insert_version(conn, Version(model_id=model.id, name="1"))
    return store, model, version


def add_reference(store: Store, *, version_id: int) -> None:
    """A reference whose labels say what the scores are worth."""
    rng = np.random.default_rng(4)
    score = rng.beta(2.0, 3.0, 20_000)
    table = pa.record_batch({"score": score, "label": np.where(rng.random(20_000) < score, "yes", "no").tolist()})
    set_reference(store, version_id=version_id, source=lambda: iter([table]), roles=Roles(positive="yes"), now_us=0)


def add_scored(store: Store, *, version_id: int, keys: Hashes) -> None:
    """What folding keeps of the window's records, in the parts it makes of a million."""
    rng = np.random.default_rng(5)
    with store.read() as conn:
        _, version = get_version_by_id(conn, id=version_id)
    for start in range(0, len(keys), SLICE_ROWS):
        part = keys[start : start + SLICE_ROWS]
        kept = pa.table({"key": pa.array(part), "score": pa.array(rng.beta(2.0, 3.0, len(part)))})
        with store.write() as conn:
            add_outcomes(conn, [Part(version_id=version_id, window_start_us=0, rows=len(part),
                                     payload=encode_outcomes(kept), schema_id=version.schema_id or 0)])  # fmt: skip


def recomputed(store: Store, *, version_id: int) -> Scorecard:
    """The window's scorecard with all its labels, and every metric of it judged."""
    with store.read() as conn:
        context = Contexts().load(conn, version_id=version_id)
        window = get_window(conn, version_id=version_id, start_us=0)
    assert window is not None
    found = window_card(store, context=context, window=window, now_us=HOUR_US)
    assert found is not None
    judge_performance(context, window=window, card=found.card, now_us=HOUR_US, labelled=True)
    return found.card


def add_window(store: Store, *, version_id: int, number: int, keys: Hashes) -> None:
    """A window that holds the keys, as folding would have left it."""
    start_us = number * HOUR_US
    with store.write() as conn:
        upsert_window(conn, WindowRow(version_id=version_id, start_us=start_us, end_us=start_us + HOUR_US,
                                      rows=len(keys), dirty=False))  # fmt: skip
        run = NewRun(level=1, keys=len(keys), payload=encode_run(np.sort(keys)))
        add_run(conn, version_id=version_id, window_start_us=start_us, run=run, fold=1)


def post(store: Store, *, model_id: int, keys: Hashes, values: Any) -> None:
    """The labels as intake stores them, in batches of at most ``BATCH``."""
    for start in range(0, len(keys), BATCH):
        some = pa.record_batch(
            {
                "key": pa.array(keys[start : start + BATCH]),
                "label": pa.array(values[start : start + BATCH], pa.string()),
            }
        )
        batch = LabelBatch(model_id=model_id, received_us=0, rows=some.num_rows, payload=encode_batch(some))
        with store.write() as conn:
            insert_labels(conn, [batch])


def timed(work: Callable[[], Any]) -> tuple[Any, float, float, float]:
    """(what it brought, wall seconds, processor seconds, peak MiB of the process meanwhile)."""
    Path("/proc/self/clear_refs").write_text(
        "5"
    )  # the peak begins anew, https://man7.org/linux/man-pages/man5/proc.5.html
    wall, cpu = time.perf_counter(), time.process_time()
    brought = work()
    spent = time.perf_counter() - wall, time.process_time() - cpu
    lines = Path("/proc/self/status").read_text().splitlines()
    return brought, *spent, int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 1024


def random_keys(rng: np.random.Generator, count: int) -> Hashes:
    """Distinct with near certainty: 64 random bits each."""
    return rng.integers(0, 2**64, count, dtype=np.uint64)


def large_window(rows: int) -> None:
    """One window, all of its records labelled at once."""
    rng = np.random.default_rng(1)
    ids = np.array([f"prediction-{n}" for n in range(rows)], dtype=object)
    values = rng.choice(["yes", "no"], rows)
    with tempfile.TemporaryDirectory() as folder:
        store, model, version = fresh(folder)
        keys = hash_ids(pa.array(ids), key=hash_key(store.secret))
        add_window(store, version_id=version.id, number=0, keys=keys)
        order = rng.permutation(rows)
        post(store, model_id=model.id, keys=keys[order], values=values[order])
        joiner = Joiner(store)
        add_reference(store, version_id=version.id)
        add_scored(store, version_id=version.id, keys=keys)
        done, wall, cpu, memory = timed(lambda: joiner.join(model_id=model.id))
        assert done is not None
        assert done.labels == rows
        again = timed(lambda: recomputed(store, version_id=version.id))
        assert again[0].labelled == rows
        store.close()
    records = pd.DataFrame({"id": ids, "prediction": values})
    labels = pd.DataFrame({"id": ids[order], "label": values[order]})
    _, _, merged, _ = timed(lambda: records.merge(labels.drop_duplicates("id", keep="last"), on="id", how="left"))
    print(f"{rows:,} records × {rows:,} labels in one window: {wall:.2f} s wall, {cpu:.2f} s of a core, "
          f"peak {memory:.0f} MiB")  # fmt: skip
    print(f"performance of that window computed again: {again[1]:.2f} s wall, {again[2]:.2f} s of a core, peak "
          f"{again[3]:.0f} MiB; with the join {cpu + again[2]:.2f} s of a core (budget 3 s, 1,024 MiB)")  # fmt: skip
    print(f"baseline, a pandas merge in memory: {merged:.2f} s of a core, {merged / cpu:.1f} times as long")


def unknown_labels(*, windows: int, window_rows: int, batches: int) -> None:
    """Labels of ids that no window holds, against many windows: one pass, and one batch at a time for a few of them."""
    rng = np.random.default_rng(2)
    with tempfile.TemporaryDirectory() as folder:
        store, model, version = fresh(folder)
        for number in range(windows):
            add_window(store, version_id=version.id, number=number, keys=random_keys(rng, window_rows))
        joiner = Joiner(store)
        for _ in range(batches):
            post(store, model_id=model.id, keys=random_keys(rng, 50), values=["yes"] * 50)
        done, wall, cpu, memory = timed(lambda: joiner.join(model_id=model.id))
        assert done is not None
        post(store, model_id=model.id, keys=random_keys(rng, 50), values=["yes"] * 50)
        _, one_wall, one_cpu, _ = timed(lambda: joiner.join(model_id=model.id))
        store.close()
    what = f"{batches:,} batches of labels nobody knows against {windows} windows of {window_rows:,}"
    print(f"{what}: {wall:.2f} s wall, {cpu:.2f} s of a core, peak {memory:.0f} MiB, "
          f"{done.runs_read} id runs read, once each")  # fmt: skip
    print(f"baseline, a batch at a time: {one_wall:.2f} s wall, {one_cpu:.2f} s of a core each, "
          f"{batches * one_cpu / cpu:.0f} times as long for all")  # fmt: skip


def trickle(*, windows: int, batches: int, together: int) -> None:
    """Small batches over many windows, a pass for so many of them."""
    rng = np.random.default_rng(3)
    with tempfile.TemporaryDirectory() as folder:
        store, model, version = fresh(folder)
        keys = [random_keys(rng, 1_000) for _ in range(windows)]
        for number, own in enumerate(keys):
            add_window(store, version_id=version.id, number=number, keys=own)
        joiner, passes, spent, marks = Joiner(store), 0, 0.0, np.zeros(windows)
        before = np.zeros(windows)
        for number in range(batches):
            some = np.concatenate([own[number : number + 1] for own in keys[:: max(1, windows // 50)]])
            post(store, model_id=model.id, keys=some, values=["yes"] * len(some))
            if (number + 1) % together == 0:
                _, _, cpu, _ = timed(lambda: joiner.join(model_id=model.id))
                passes, spent = passes + 1, spent + cpu
                with store.read() as conn:
                    counted = np.array([w.label_rows or 0 for w in list_windows(conn, version_id=version.id)])
                marks += counted != before
                before = counted
        with store.read() as conn:
            kept = len(segments(conn, model_id=model.id))
            parts = len(window_label_heads(conn, version_id=version.id, window_start_us=0))
        store.close()
    print(f"a trickle of {batches:,} batches over {windows} windows, {together} a pass: {passes} passes, "
          f"{1e3 * spent / passes:.0f} ms of a core each, a window marked {int(marks.max())} times at most; "
          f"{kept} segments, {parts} parts in a window are left")  # fmt: skip


def main() -> None:
    """Prints the three measurements, each with its baseline."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--windows", type=int, default=720)
    parser.add_argument("--window-rows", type=int, default=100_000)
    parser.add_argument("--batches", type=int, default=1_000)
    told = parser.parse_args()
    large_window(told.rows)
    unknown_labels(windows=told.windows, window_rows=told.window_rows, batches=told.batches)
    trickle(windows=100, batches=told.batches, together=250)


if __name__ == "__main__":
    main()
