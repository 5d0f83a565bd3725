"""What people read of a profile, against numpy on the raw values."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from monitor.model.schema import Column, Schema
from monitor.profile.build import LayoutBuilder
from monitor.profile.layout import Layout
from monitor.profile.profile import profile_batch
from monitor.profile.summary import QUANTILES, side, summarise_column

rng = np.random.default_rng(4)
VALUES = {
    "normal": rng.normal(3, 2, 30_000),
    "seconds": 1.7e9 + rng.normal(0, 0.5, 30_000),
    "zero_inflated": np.where(rng.uniform(size=30_000) < 0.9, 0.0, rng.exponential(size=30_000)),
    "integer": rng.poisson(5, 30_000).astype(float),
    "constant": np.full(30_000, 7.25),
}


def profiled(values: np.ndarray) -> tuple[Layout, dict]:
    batch = pa.RecordBatch.from_pydict({"f:x": pa.array(values, from_pandas=True)})
    builder = LayoutBuilder(Schema(columns=(Column(name="x"),)))
    builder.add(batch)
    layout = builder.finish()
    return layout, side(layout, profile_batch(layout, batch), column="x")


@pytest.mark.parametrize("name", VALUES)
def test_moments_are_numpys_and_quantiles_are_within_their_cell(name):
    values = VALUES[name]
    layout, shown = profiled(values)
    assert shown["mean"] == pytest.approx(values.mean(), rel=1e-9)
    assert shown["sd"] == pytest.approx(values.std(), rel=1e-6, abs=1e-9)
    assert (shown["min"], shown["max"]) == (values.min(), values.max())
    edges = layout.columns[0].edges
    for q in QUANTILES:
        exact = np.quantile(values, q, method="inverted_cdf")
        cell = np.searchsorted(edges, exact)
        low = edges[cell - 1] if cell else values.min()
        assert low <= shown["quantiles"][str(q)] <= edges[cell]


def test_what_cannot_be_said_is_none():
    _, nothing = profiled(np.full(3, np.nan))
    assert [nothing[key] for key in ("min", "max", "mean", "sd")] == [None] * 4
    assert set(nothing["quantiles"].values()) == {None}
    _, huge = profiled(np.array([1.7e308, 1.6e308, -1.7e308, 1.7e308]))
    assert huge["sd"] is None
    json.dumps([nothing, huge], allow_nan=False)


def test_categories_are_shown_by_count_with_what_is_unlisted():
    names = [f"c{i % 1_200:04d}" for i in range(1_200)] + ["c0007"] * 5
    batch = pa.RecordBatch.from_pydict({"f:k": pa.array(names)})
    builder = LayoutBuilder(Schema(columns=(Column(name="k", type="categorical"),)))
    builder.add(batch)
    layout = builder.finish()
    current = pa.RecordBatch.from_pydict({"f:k": pa.array([*names, "new", None])})
    profile = profile_batch(layout, current)
    summary, whole = (f(layout, profile, column="k") for f in (summarise_column, side))
    assert next(iter(summary["top"].items())) == ("c0007", 6)
    assert whole["categories"]["(other)"] == 200
    assert (whole["unseen"], whole["unseen_rows"], whole["missing"]) == ({"new": 1}, 1, 1)
