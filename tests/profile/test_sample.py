"""The sample and the census of a reference: all of its rows, whatever order and batches they come in."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.model.schema import Column, Schema
from monitor.profile import layout as layout_module
from monitor.profile.build import LayoutBuilder, extend
from monitor.profile.cells import atoms_of, numeric_cells
from monitor.profile.census import CategoryCensus, NumberCensus
from monitor.profile.hashing import hash_strings
from monitor.profile.layout import Layout
from monitor.profile.profile import profile_batch
from monitor.profile.sample import RowSample, row_keys

SCHEMA = Schema(columns=(Column(name="x"), Column(name="k", type="categorical")))
INSTANT = pa.timestamp("us", "UTC")


def records(n: int, *, seed: int = 0, ids: bool = True) -> pa.RecordBatch:
    dice = np.random.default_rng(seed)
    return pa.RecordBatch.from_pydict(
        {
            "id": pa.array([f"r{i}" if ids else "" for i in range(n)]),
            "timestamp": pa.array(np.arange(n)).cast(INSTANT),
            "f:x": pa.array(np.where(dice.uniform(size=n) < 0.4, 0.0, dice.normal(size=n))),
            "f:k": pa.array(dice.integers(0, 3_000, n).astype(str)),
        }
    )


def build(*batches: pa.RecordBatch, rows: int = 5_000, schema: Schema = SCHEMA) -> Layout:
    builder = LayoutBuilder(schema, sample_rows=rows)
    for batch in batches:
        builder.add(batch)
    return builder.finish()


@pytest.mark.parametrize("ids", [True, False])
@settings(max_examples=12, deadline=None)
@given(cuts=st.lists(st.integers(0, 20_000), max_size=8))
def test_the_layout_is_the_same_however_the_reference_is_cut(ids, cuts):
    whole = records(20_000, ids=ids)
    ends = [0, *sorted(cuts), 20_000]
    parts = [whole.slice(a, b - a) for a, b in itertools.pairwise(ends)]
    assert build(*parts).digest == build(whole).digest


def test_rows_with_ids_give_the_same_layout_in_any_order():
    whole = records(20_000)
    shuffled = whole.take(pa.array(np.random.default_rng(1).permutation(20_000)))
    assert build(shuffled).digest == build(whole).digest


def test_a_sample_is_bounded_and_fair():
    sample = RowSample(["f:x"], limit=1_000)
    for seed in range(20):
        sample.add(records(5_000, seed=seed).set_column(0, "id", pa.array([f"{seed}-{i}" for i in range(5_000)])))
        assert sample._held <= 1_250
    kept = sample.column("f:x", kind=pa.float64()).to_numpy()
    assert len(kept) == 1_000
    assert np.mean(kept == 0.0) == pytest.approx(0.4, abs=5 * np.sqrt(0.24 / 1_000))


def test_rows_of_one_id_are_sampled_apart_and_ties_go_to_the_earlier():
    n = 4_000
    same = pa.RecordBatch.from_pydict(
        {"id": pa.array(["user"] * n), "timestamp": pa.array(np.zeros(n, int)).cast(INSTANT),
         "f:x": pa.array(np.arange(n, dtype=float))}
    )  # fmt: skip
    sample = RowSample(["f:x"], limit=1_000)
    for start in range(0, n, 300):
        sample.add(same.slice(start, 300))
    assert sample.column("f:x", kind=pa.float64()).to_pylist() == list(np.arange(1_000.0))
    apart = same.set_column(1, "timestamp", pa.array(np.arange(n)).cast(INSTANT))
    assert len(np.unique(row_keys(apart, first_row=0))) == n


def test_the_thousandth_and_first_value_ends_the_atoms_wherever_it_comes():
    thousand = pa.RecordBatch.from_pydict({"f:x": pa.array(np.tile(np.arange(1_000.0), 30))})
    last = pa.RecordBatch.from_pydict({"f:x": pa.array([0.5])})
    exact, early, late = NumberCensus("f:x"), NumberCensus("f:x"), NumberCensus("f:x")
    exact.add(thousand)
    for census, parts in ((early, (last, thousand)), (late, (thousand, last))):
        for part in parts:
            census.add(part)
        assert census.distinct is None
    assert exact.distinct is not None
    assert exact.distinct.tolist() == list(range(1_000))
    assert (late.low, late.high) == (0.0, 999.0)


def test_all_values_of_a_long_reference_are_atoms_though_the_sample_misses_some():
    values = np.zeros(50_000)
    values[[7, 49_999]] = [3.0, -8.0]
    column = build(pa.RecordBatch.from_pydict({"f:x": pa.array(values)}), rows=1_000).columns[0]
    assert column.edges is not None
    assert column.edges[np.flatnonzero(column.atoms)].tolist() == [-8.0, 0.0, 3.0]


def test_cells_never_exceed_two_thousand_and_one():
    atoms = np.repeat(np.arange(999.0), 1_002)
    values = np.concatenate((atoms, np.linspace(0.1, 998.9, 1_001_500 - len(atoms))))
    edges, flags = numeric_cells(values, distinct=None, low=-5.0, high=2_000.0)
    assert len(edges) <= 2_000
    assert flags.sum() == 999
    np.testing.assert_array_equal(flags, atoms_of(edges))


def test_a_sparse_column_keeps_its_range_though_the_sample_has_no_value():
    edges, _ = numeric_cells(np.zeros(0), distinct=None, low=1.0, high=9.0)
    assert edges.tolist() == [np.nextafter(1.0, -np.inf), 9.0]
    assert numeric_cells(np.zeros(0), distinct=np.zeros(0), low=np.inf, high=-np.inf)[0].tolist() == []


def test_the_lowest_float_has_a_cell_and_no_edge_below_it():
    lowest = -np.finfo(np.float64).max
    edges, atoms = numeric_cells(np.array([lowest, 1.0]), distinct=np.array([lowest, 1.0]), low=lowest, high=1.0)
    assert np.isfinite(edges).all()
    assert atoms.tolist() == [True, False, True, False]


def test_a_million_categories_are_known_each():
    names = pa.array([f"user-{i:07d}" for i in range(1_000_000)])
    schema = Schema(columns=(Column(name="k", type="categorical"),))
    builder = LayoutBuilder(schema)
    for start in range(0, len(names), 400_000):
        builder.add(pa.RecordBatch.from_pydict({"f:k": names.slice(start, 400_000)}))
    builder.add(pa.RecordBatch.from_pydict({"f:k": names.slice(999_000, 10)}))
    column = builder.finish().columns[0]
    assert column.known_hashes is not None
    assert len(column.known_hashes) == 1_000_000
    assert column.categories[:11] == (*(f"user-{i:07d}" for i in range(999_000, 999_010)), "user-0000000")
    layout = Layout(columns=(column,))
    asked = pa.concat_arrays([names, pa.array(["user-new", "user-new", "nobody"])])
    profile = profile_batch(layout, pa.RecordBatch.from_pydict({"f:k": asked}))
    assert profile.counts[column.other_cell] == 999_000
    assert profile.counts[column.unseen_cell] == 3
    assert profile.unseen == {"k": {"nobody": 1, "user-new": 2}}


def test_with_too_many_categories_the_frequent_ones_are_listed_by_the_sample(monkeypatch):
    monkeypatch.setattr("monitor.profile.census.MAX_KNOWN_CATEGORIES", 2_000)
    monkeypatch.setattr(layout_module, "MAX_KNOWN_CATEGORIES", 2_000)
    often = np.where(np.arange(12_000) % 3 == 0, "often", np.arange(12_000).astype(str))
    rows = records(12_000).set_column(3, "f:k", pa.array(often))
    one = build(rows).columns[1]
    assert one.known_hashes is None
    assert one.categories[0] == "often"
    assert len(one.categories) == 1_000
    parts = build(*(rows.slice(start, 700) for start in range(0, 12_000, 700))).columns[1]
    assert parts.categories == one.categories


def test_the_census_of_categories_is_the_same_however_it_is_cut():
    names = np.random.default_rng(2).integers(0, 5_000, 50_000).astype(str)
    unique, counts = np.unique(names, return_counts=True)
    expected = [unique[i] for i in np.lexsort((unique, -counts))][:1_000]
    for size in (50_000, 3_333, 40):
        census = CategoryCensus("f:k")
        for start in range(0, len(names), size):
            census.add(pa.RecordBatch.from_pydict({"f:k": pa.array(names[start : start + size])}))
        listed, known = census.listed(pa.array([], pa.string()))
        assert listed == tuple(expected)
        np.testing.assert_array_equal(known, np.sort(hash_strings(pa.array(unique))))


def test_a_column_that_was_empty_takes_the_versions_own_cells():
    empty = build(pa.RecordBatch.from_pydict({"f:x": pa.nulls(3, pa.float64())}))
    own = build(pa.RecordBatch.from_pydict({"f:x": pa.array([1.0, 2.0]), "f:k": pa.array(["a", "b"])}))
    assert [c.empty for c in empty.columns] == [True, True]
    assert extend(empty, own).columns == own.columns
    assert extend(own, empty).columns == own.columns


@given(st.lists(st.text(max_size=40) | st.none(), max_size=30), st.integers(0, 5))
def test_strings_hash_by_their_content_wherever_they_lie(texts, skipped):
    array = pa.array(texts, pa.string())
    whole = hash_strings(array).tolist()
    assert hash_strings(array.slice(skipped)).tolist() == whole[skipped:]
    assert [hash_strings(pa.array([t], pa.string())).tolist()[0] for t in texts] == whole
    distinct = {t or "" for t in texts}
    assert len(set(whole)) == len(distinct)


def test_knowing_the_number_of_rows_holds_fewer_and_changes_nothing():
    whole = records(20_000, ids=False)
    plain, told = RowSample(["f:x"], limit=2_000), RowSample(["f:x"], limit=2_000, rows=20_000)
    held = []
    for start in range(0, 20_000, 1_000):
        for sample in (plain, told):
            sample.add(whole.slice(start, 1_000))
        held.append(told._held)
    assert max(held) == 2_000
    assert told.column("f:x", kind=pa.float64()).equals(plain.column("f:x", kind=pa.float64()))
