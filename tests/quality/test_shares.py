"""Shares of missing, invalid, unseen and out-of-range values, counted again by pandas on raw values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from monitor.columns.conform import conform
from monitor.model.schema import Column, Schema
from monitor.profile.build import LayoutBuilder
from monitor.profile.profile import empty, profile_batch
from monitor.quality.shares import METRICS, measure

SCHEMA = Schema(columns=(Column(name="age"), Column(name="flag"), Column(name="city", type="categorical")))


def _side(rng, n, *, shift=0.0, cities=("rome", "oslo")):
    age = rng.normal(40 + shift, 10, n)
    age[rng.uniform(size=n) < 0.1] = np.nan
    return pd.DataFrame(
        {
            "age": age,
            "flag": rng.integers(0, 2, n) * (1.0 if shift == 0 else 0.5),
            "city": rng.choice(np.array([*cities, None], dtype=object), n),
        }
    )


def _batch(frame, *, bad=0):
    """The frame as a batch; the last ``bad`` ages are texts."""
    ages = [None if np.isnan(v) else repr(float(v)) for v in frame.age]
    for row in range(len(frame) - bad, len(frame)):
        ages[row] = '"old"'
    columns = {
        "id": pa.array([str(i) for i in range(len(frame))]),
        "timestamp": pa.array([0] * len(frame), pa.timestamp("us", "UTC")),
        "f:age": pa.array(ages, pa.string()),
        "f:flag": pa.array(frame.flag.to_numpy(float)),
        "f:city": pa.array(frame.city, pa.string()),
    }
    fields = [
        pa.field(n, a.type, metadata={b"json": b"1"} if n == "f:age" else None) for n, a in columns.items()
    ]  # fmt: skip
    return conform(pa.RecordBatch.from_arrays(list(columns.values()), schema=pa.schema(fields)), SCHEMA)


@pytest.fixture
def measured():
    rng = np.random.default_rng(3)
    reference, current = _side(rng, 900), _side(rng, 400, shift=15, cities=("rome", "kyiv"))
    builder = LayoutBuilder(SCHEMA)
    builder.add(_batch(reference))
    layout = builder.finish()
    profiles = profile_batch(layout, _batch(reference)), profile_batch(layout, _batch(current, bad=20))
    return reference, current, {(m.column, m.metric): m for m in measure(layout, *profiles)}


def test_missing_and_invalid_are_shares_of_all_rows(measured):
    reference, current, found = measured
    assert found["age", "missing"].value == current.age[:380].isna().sum() / 400
    assert found["age", "invalid"].value == 20 / 400
    assert found["city", "missing"].value == current.city.isna().mean()
    assert found["city", "missing"].method["reference"] == reference.city.isna().mean()
    assert (found["age", "missing"].rows, found["age", "missing"].reference_rows) == (400, 900)


def test_out_of_range_is_the_share_of_valid_values_beyond_the_references_extremes(measured):
    reference, current, found = measured
    ages = current.age[:380].dropna()
    beyond = (ages < reference.age.min()) | (ages > reference.age.max())
    assert 0 < beyond.sum() < len(ages)
    assert found["age", "out_of_range"].value == beyond.sum() / len(ages)
    assert found["age", "out_of_range"].rows == len(ages)
    assert found["flag", "out_of_range"].value == 0.0


def test_off_support_sees_values_inside_the_range_that_the_reference_never_had(measured):
    _, current, found = measured
    assert found["flag", "off_support"].value == (current.flag == 0.5).mean()


def test_unseen_is_the_share_of_valid_categories_that_the_reference_does_not_have(measured):
    _, current, found = measured
    assert found["city", "unseen"].value == (current.city == "kyiv").sum() / current.city.notna().sum()


def test_each_kind_of_column_has_the_metrics_that_make_sense_for_it(measured):
    found = measured[2]
    assert {m for c, m in found if c == "age"} == {"missing", "invalid", "out_of_range", "off_support"}
    assert {m for c, m in found if c == "city"} == {"missing", "invalid", "unseen"}
    assert {m for _, m in found} == set(METRICS)


def test_no_rows_are_no_shares():
    builder = LayoutBuilder(SCHEMA)
    builder.add(_batch(_side(np.random.default_rng(1), 50)))
    layout = builder.finish()
    found = measure(layout, empty(layout), empty(layout))
    assert {m.value for m in found} == {None}
    assert {m.reason for m in found} == {"few_rows", "all_missing"}
