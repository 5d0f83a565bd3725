"""Layouts: edges, atoms and categories by DESIGN's rule, whatever the batching."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model.schema import Column, Schema
from monitor.profile.build import LayoutBuilder, extend
from monitor.profile.counting import SEARCH_BELOW, count_cells
from monitor.profile.layout import ColumnLayout, Layout
from monitor.profile.profile import profile_batch

X = Schema(columns=(Column(name="x"),))
K = Schema(columns=(Column(name="k", type="categorical"),))


def numbers(values, name="f:x") -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({name: pa.array(np.asarray(values, float), from_pandas=True)})


def build(schema, *batches, **more) -> Layout:
    builder = LayoutBuilder(schema, **more)
    for one in batches:
        builder.add(one)
    return builder.finish()


rng = np.random.default_rng(3)
COLUMNS = {
    "normal": rng.normal(size=50_000),
    "zero-inflated": np.where(rng.uniform(size=50_000) < 0.9, 0.0, rng.exponential(size=50_000)),
    "integer": rng.poisson(300, 50_000).astype(float),
    "heavy-tailed": rng.standard_cauchy(50_000) ** 3,
    "constant": np.full(50_000, 3.25),
    "constant but for one": np.where(np.arange(50_000) == 7, 9.0, 3.0),
    "many ties": np.round(rng.normal(size=50_000), 2),
    "huge": rng.normal(size=50_000) * 1e307,
    "one row": np.array([4.0]),
    "subnormal": rng.integers(0, 5, 50_000) * 5e-324,
}


@pytest.mark.parametrize("name", COLUMNS)
def test_cells_follow_the_rule_for_atoms_edges_and_range(name):
    values = COLUMNS[name]
    column = build(X, numbers(values)).columns[0]
    edges, atoms = column.edges, column.atoms
    assert np.all(np.diff(edges) > 0)
    assert column.cells == len(atoms) == len(edges) + 1 <= 2_001
    assert edges[0] == np.nextafter(values.min(), -np.inf)
    assert edges[-1] == values.max()
    unique, counts = np.unique(values, return_counts=True)
    expected = unique if len(unique) <= 1_000 else unique[counts > len(values) / 1_000]
    assert sorted(edges[np.flatnonzero(atoms)]) == sorted(expected)
    loose = count_cells(values, edges=edges)[~atoms]
    assert loose.max(initial=0) <= len(values) / 1_000 + 1


@pytest.mark.parametrize("name", COLUMNS)
def test_counting_is_numpys_histogram_for_few_and_for_many_values(name):
    values = COLUMNS[name]
    edges = build(X, numbers(values)).columns[0].edges
    with np.errstate(over="ignore"):
        strangers = np.concatenate(
            (values, values * 1.5, edges, np.nextafter(edges, np.inf), -values, [0.0, -0.0, 1e308, -1e308])
        )
    strangers = strangers[np.isfinite(strangers)]
    expected = np.bincount(np.searchsorted(edges, strangers), minlength=len(edges) + 1)
    assert len(strangers) >= SEARCH_BELOW or name == "one row"
    np.testing.assert_array_equal(count_cells(strangers, edges=edges), expected)
    few = strangers[: SEARCH_BELOW - 1]
    np.testing.assert_array_equal(
        count_cells(few, edges=edges), np.bincount(np.searchsorted(edges, few), minlength=len(edges) + 1)
    )


@given(st.lists(st.floats(-1e308, 1e308), min_size=1, max_size=30, unique=True), st.integers(0, 2**32))
def test_many_values_are_counted_as_few_are_over_any_edges(edges, seed):
    edges = np.unique(np.array(edges) + 0.0)
    dice = np.random.default_rng(seed)
    values = dice.choice(np.concatenate((edges, np.nextafter(edges, np.inf), dice.normal(size=50))), SEARCH_BELOW)
    expected = np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
    np.testing.assert_array_equal(count_cells(np.concatenate((values, values)), edges=edges), 2 * expected)


@pytest.mark.parametrize("sample_rows", [200_000, 5_000])
def test_the_layout_does_not_depend_on_how_the_reference_is_batched(sample_rows):
    values = COLUMNS["normal"]
    whole = build(X, numbers(values), sample_rows=sample_rows)
    cuts = [0, 1, 2, 999, 20_000, 20_001, 50_000]
    parts = build(X, *(numbers(values[a:b]) for a, b in itertools.pairwise(cuts)), sample_rows=sample_rows)
    assert parts.digest == whole.digest
    assert whole.columns[0].edges[-1] == values.max()


def test_a_column_without_values_has_one_cell_and_counts_nothing():
    layout = build(X, numbers([np.nan] * 10))
    assert layout.columns[0].cells == 1
    profile = profile_batch(layout, numbers([np.nan, 2.0]))
    assert (profile.missing.tolist(), profile.counts.tolist()) == ([1], [1])


def test_categories_are_listed_by_count_then_name_and_the_rest_is_other():
    names = [f"c{i:04d}" for i in range(1_500)]
    values = [n for i, n in enumerate(names) for _ in range(3 if i % 2 else 1)]
    layout = build(K, pa.RecordBatch.from_pydict({"f:k": pa.array(values)}))
    column = layout.columns[0]
    expected = [*names[1::2], *names[0::2]][:1_000]  # those that occur three times, then those that occur once
    assert column.categories == tuple(expected)
    profile = profile_batch(layout, pa.RecordBatch.from_pydict({"f:k": pa.array(["c0001", "c1498", "nobody", None])}))
    assert profile.counts[column.category_cell["c0001"]] == 1
    assert profile.counts[column.other_cell] == 1
    assert profile.counts[column.unseen_cell] == 1
    assert profile.unseen == {"k": {"nobody": 1}}


def test_with_over_a_million_categories_unseen_is_unknown_not_wrong():
    column = ColumnLayout(name="k", kind="categorical", categories=("a",), known_hashes=None)
    assert column.cells_of(("a", "never seen")).tolist() == [0, column.other_cell]


def test_a_layout_survives_its_bytes():
    schema = Schema(columns=(Column(name="x"), Column(name="k", type="categorical"), Column(name="p", role="score")))
    rows = {
        "f:x": pa.array(COLUMNS["zero-inflated"]),
        "f:k": pa.array(["a", "é"] * 25_000),
        "score": pa.array(COLUMNS["normal"]),
    }
    layout = build(schema, pa.RecordBatch.from_pydict(rows))
    back = Layout.decode(layout.encode())
    assert back.digest == layout.digest
    assert [c.stored_name for c in back.columns] == ["f:x", "f:k", "score"]
    for a, b in zip(layout.columns, back.columns, strict=True):
        assert (a.categories, a.kind, a.name) == (b.categories, b.kind, b.name)
        np.testing.assert_array_equal(a.edges, b.edges)
        np.testing.assert_array_equal(a.atoms, b.atoms)
        np.testing.assert_array_equal(a.known_hashes, b.known_hashes)


def test_a_version_uses_the_models_cells_where_name_and_kind_agree():
    first = build(X, numbers(COLUMNS["normal"]))
    second = build(
        Schema(columns=(Column(name="x"), Column(name="y"))),
        pa.RecordBatch.from_pydict({"f:x": pa.array([1.0, 2.0]), "f:y": pa.array([5.0, 6.0])}),
    )
    both = extend(first, second)
    assert [c.name for c in both.columns] == ["x", "y"]
    assert both.columns[0] is first.columns[0]
    assert both.columns[1] is second.columns[1]
