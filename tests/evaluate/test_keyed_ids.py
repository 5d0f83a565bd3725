from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from monitor.columns.keyed_ids import among, decode_run, first_rows, hash_ids, hash_key
from monitor.evaluate.id_runs import change_runs, known, split_by_prefix
from monitor.store.ids import IdRun

KEY = hash_key(b"sixteen bytes...")
HASHES = st.lists(st.integers(0, 2**64 - 1), max_size=60).map(lambda xs: np.array(xs, dtype=np.uint64))


def test_another_secret_gives_other_hashes():
    ids = pa.array(["a", "b"])
    assert not (hash_ids(ids, key=KEY) == hash_ids(ids, key=hash_key(b"other bytes here"))).any()


def test_a_hash_depends_on_its_text_alone():
    texts = ["", "a", "ä", "日本", "x" * 256, "a"]
    alone = [hash_ids(pa.array([text]), key=KEY)[0] for text in texts]
    assert hash_ids(pa.array(texts), key=KEY).tolist() == alone


@given(hashes=HASHES)
def test_first_rows_are_those_of_a_dictionary_that_keeps_the_first(hashes):
    first: dict[int, int] = {}
    for row, value in enumerate(hashes.tolist()):
        first.setdefault(value, row)
    distinct, rows = first_rows(hashes)
    assert dict(zip(distinct.tolist(), rows.tolist(), strict=True)) == first


@given(hashes=HASHES, run=HASHES)
def test_among_is_membership(hashes, run):
    hashes, run = np.unique(hashes), np.unique(run)
    assert among(hashes, run).tolist() == [value in set(run.tolist()) for value in hashes.tolist()]


@given(hashes=HASHES, largest=st.integers(1, 20))
def test_splitting_keeps_order_and_bounds(hashes, largest):
    parts = split_by_prefix(np.unique(hashes), largest=largest)
    assert [h for part in parts for h in part.tolist()] == np.unique(hashes).tolist()
    assert all(len(part) <= largest for part in parts)


class Runs:
    """Runs as the store would keep them."""

    def __init__(self) -> None:
        self.kept: dict[int, tuple[IdRun, np.ndarray]] = {}
        self.written = 0

    def apply(self, fresh: np.ndarray, *, largest: int) -> None:
        change = change_runs(fresh, self.metas(), read=self.read, largest=largest)
        for id in change.absorbed:
            del self.kept[id]
        for run in change.added:
            id = self.written = self.written + 1
            meta = IdRun(id=id, version_id=1, window_start_us=0, level=run.level, prefix=run.prefix, keys=run.keys,
                         bytes=len(run.payload))  # fmt: skip
            self.kept[id] = (meta, decode_run(run.payload))

    def metas(self) -> list[IdRun]:
        return [meta for meta, _ in self.kept.values()]

    def read(self, id: int) -> np.ndarray:
        return self.kept[id][1]


@given(slices=st.lists(HASHES, max_size=12), largest=st.integers(2, 40))
def test_runs_hold_exactly_what_was_added_whatever_the_slices(slices, largest):
    runs, model = Runs(), set()
    for hashes in slices:
        distinct = np.unique(hashes)
        fresh = distinct[~known(distinct, runs.metas(), read=runs.read)]
        assert set(fresh.tolist()) == set(distinct.tolist()) - model
        if len(fresh):
            runs.apply(fresh, largest=largest)
        model |= set(distinct.tolist())
    held = [value for _, run in runs.kept.values() for value in run.tolist()]
    assert sorted(held) == sorted(model)
    assert all(len(run) <= largest for _, run in runs.kept.values())


def test_many_small_folds_leave_few_runs():
    rng, runs = np.random.default_rng(3), Runs()
    for _ in range(500):
        runs.apply(np.unique(rng.integers(0, 2**64, 100, dtype=np.uint64)), largest=1_000_000)
    assert len(runs.kept) <= 10
    assert runs.written <= 500
