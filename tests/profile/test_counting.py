"""Counting, on every way through it, is what numpy's search gives."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model.schema import Column, Schema
from monitor.profile.buckets import ExponentKey, LinearKey, make_buckets
from monitor.profile.build import LayoutBuilder
from monitor.profile.counting import SEARCH_BELOW, cell_counter
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile, ProfileAccumulator, merge, profile_batch
from monitor.profile.search import lower_bounds, search_groups

rng = np.random.default_rng(11)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
N = 3 * SEARCH_BELOW
KINDS = {
    "normal": rng.normal(size=N),
    "zero_inflated": np.where(rng.uniform(size=N) < 0.8, 0.0, rng.exponential(size=N)),
    "constant": np.full(N, -2.5),
    "integer": rng.poisson(40, N).astype(float),
    "cauchy": rng.standard_cauchy(N) ** 3,
    "seconds": 1.7e9 + rng.uniform(size=N),
    "tiny": rng.normal(size=N) * 1e-310,
    "signed zero": np.where(rng.uniform(size=N) < 0.5, -0.0, rng.normal(size=N)),
}
SCHEMA = Schema(columns=(*(Column(name=n) for n in KINDS), Column(name="gone"), Column(name="k", type="categorical")))


def batch(rows: slice, *, missing: float = 0.0, scale: float = 1.0) -> pa.RecordBatch:
    dice = np.random.default_rng(5)
    columns = {}
    for name, values in KINDS.items():
        mask = dice.uniform(size=len(values)) < missing
        columns[f"f:{name}"] = pa.array((values * scale)[rows], mask=mask[rows])
    columns["f:gone"] = pa.nulls(len(values[rows]), pa.float64())
    columns["f:k"] = pa.array([f"c{i % 7}" for i in range(N)][rows])
    return pa.RecordBatch.from_pydict(columns)


@pytest.fixture(scope="module")
def layout() -> Layout:
    builder = LayoutBuilder(SCHEMA)
    builder.add(batch(slice(0, N)))
    return builder.finish()


def oracle(layout: Layout, whole: pa.RecordBatch) -> np.ndarray:
    """The counts of the numeric columns by a search for each value."""
    parts = []
    for column in layout.columns:
        if column.edges is not None:
            values = whole.column(column.stored_name).drop_null().to_numpy(zero_copy_only=False)
            parts.append(np.bincount(np.searchsorted(column.edges, values), minlength=column.cells))
    return np.concatenate(parts)


def numeric_counts(layout: Layout, profile: Profile) -> np.ndarray:
    return profile.counts[layout.numeric[layout.column_of_cell]]


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("scale", [1.0, 1.7])
@pytest.mark.parametrize("rows", [1, 2, 1_000, SEARCH_BELOW - 1, SEARCH_BELOW, N])
def test_every_size_of_batch_is_counted_as_numpy_searches(layout, rows, missing, scale):
    whole = batch(slice(0, rows), missing=missing, scale=scale)
    profile = profile_batch(layout, whole)
    np.testing.assert_array_equal(numeric_counts(layout, profile), oracle(layout, whole))
    for name in KINDS:
        d, values = layout.index(name), whole.column(f"f:{name}").drop_null().to_numpy(zero_copy_only=False)
        assert profile.missing[d] == rows - len(values)
        if len(values):
            assert (profile.minimum[d], profile.maximum[d]) == (values.min(), values.max())
            assert profile.total[d] == pytest.approx(values.sum(), rel=1e-9, abs=1e-9 * np.abs(values).sum())
        else:
            assert np.isnan([profile.minimum[d], profile.maximum[d]]).all()
    assert profile.missing[layout.index("gone")] == rows


def test_a_zero_has_no_sign_in_a_profile(layout):
    zeros = pa.RecordBatch.from_pydict({"f:signed zero": pa.array([-0.0] * 3)})
    profile = profile_batch(layout, zeros)
    assert not np.signbit(profile.minimum[layout.index("signed zero")])
    assert not np.signbit(profile.maximum[layout.index("signed zero")])
    large = pa.RecordBatch.from_pydict({"f:signed zero": pa.array([-0.0] * SEARCH_BELOW)})
    cells = profile_batch(layout, large).counts
    np.testing.assert_array_equal(np.flatnonzero(cells), np.flatnonzero(profile.counts))


def test_large_and_small_batches_of_the_same_rows_give_the_same_profile(layout):
    large = profile_batch(layout, batch(slice(0, N), missing=0.1))
    small = ProfileAccumulator(layout)
    for start in range(0, N, 1_000):
        small.add(batch(slice(start, start + 1_000), missing=0.1))
    added = small.profile()
    for name in ("counts", "missing", "invalid", "minimum", "maximum"):
        np.testing.assert_array_equal(getattr(added, name), getattr(large, name))
    np.testing.assert_allclose(added.total, large.total, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(added.total_squares, large.total_squares, rtol=1e-9)


def test_threads_give_the_same_profile(layout):
    with ThreadPoolExecutor(3) as pool:
        threaded = profile_batch(layout, batch(slice(0, N), missing=0.1), pool=pool)
    alone = profile_batch(layout, batch(slice(0, N), missing=0.1))
    np.testing.assert_array_equal(threaded.counts, alone.counts)
    np.testing.assert_array_equal(threaded.total_squares, alone.total_squares)


def test_a_batch_without_rows_or_columns_changes_nothing(layout):
    profile = profile_batch(layout, batch(slice(0, 50)))
    nothing = profile_batch(layout, batch(slice(0, 0)))
    np.testing.assert_array_equal(merge(profile, nothing).counts, profile.counts)
    strange = profile_batch(layout, pa.RecordBatch.from_pydict({"f:unknown": pa.array([1.0, 2.0])}))
    assert strange.counts.sum() == 0
    assert strange.missing.tolist() == [2] * len(layout.columns)


@given(st.lists(st.lists(FLOATS, max_size=9, unique=True), min_size=1, max_size=6), st.lists(FLOATS, max_size=20))
def test_columns_searched_together_are_each_searched_right(columns, values):
    columns = [np.append(np.unique(np.array(c) + 0.0), np.inf) for c in columns]
    values = np.array(values) + 0.0
    lengths = np.array([len(c) for c in columns])
    edges, starts = np.concatenate(columns), np.cumsum(lengths) - lengths
    for group in search_groups(lengths):
        found = lower_bounds(
            np.tile(values, len(group)), starts=starts[group].repeat(len(values)),
            lengths=lengths[group].repeat(len(values)), edges=edges,
        )  # fmt: skip
        expected = np.concatenate([np.searchsorted(columns[g], values) + starts[g] for g in group])
        np.testing.assert_array_equal(found, expected)


@given(st.lists(FLOATS, min_size=1, max_size=40, unique=True), st.lists(FLOATS, max_size=30), st.booleans())
def test_buckets_are_exact_over_any_edges_and_values(edges, values, as_atoms):
    edges = np.unique(np.array(edges) + 0.0)
    with np.errstate(over="ignore"):
        if as_atoms:
            edges = np.unique(np.concatenate((edges, np.nextafter(edges, -np.inf))))
            edges = edges[np.isfinite(edges)]
        values = np.concatenate((values, edges, np.nextafter(edges, np.inf), np.nextafter(edges, -np.inf))) + 0.0
    values = values[np.isfinite(values)]
    np.testing.assert_array_equal(make_buckets(edges).cells(values), np.searchsorted(edges, values))
    few, many = cell_counter(edges, values=1), cell_counter(edges, values=10**6)
    np.testing.assert_array_equal(few(values), many(values))
    ends = {"low": float(values.min()), "high": float(values.max())} if len(values) else {}
    np.testing.assert_array_equal(many(values, **ends), few(values))


@given(st.lists(FLOATS, min_size=2, max_size=50), st.integers(0, 40), FLOATS, st.floats(1e-300, 1e300))
def test_keys_never_fall_as_values_rise(values, shift, low, scale):
    ordered = np.sort(np.array(values) + 0.0)
    for key in (LinearKey(low=low, scale=scale, size=64), ExponentKey(low=-3, shift=shift, size=64)):
        buckets = key.of(ordered)
        assert np.all(np.diff(buckets) >= 0)
        assert buckets.min() >= 0
        assert buckets.max() < 64


def test_heavy_tails_are_keyed_by_exponent_and_others_linearly():
    heavy, even = (np.unique(np.quantile(x, np.linspace(0, 1, 1_000))) for x in (KINDS["cauchy"], KINDS["normal"]))
    assert isinstance(make_buckets(heavy).key, ExponentKey)
    assert isinstance(make_buckets(even).key, LinearKey)
