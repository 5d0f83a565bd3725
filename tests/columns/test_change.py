"""A column changed as a fault would: by numpy on its values, others untouched, read again as ingest reads."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from monitor.columns.categories import with_codes
from monitor.columns.change import Change, changed, parse_change, refuse_misfit
from monitor.model.errors import InvalidInput
from monitor.model.schema import Column

AGE = Column(name="age", missing=(-999.0,))
PLAN = Column(name="plan", type="categorical")
ROWS = 1_000


def batch_of(ages=None, plans=None):
    ages = np.arange(ROWS, dtype=float) if ages is None else ages
    raw = pa.array([None] * (len(ages) - 1) + ['"old"'], pa.string())
    return pa.record_batch({
        "id": pa.array([str(n) for n in range(len(ages))]),
        "f:age": pa.array([*ages[:-1].tolist(), None], pa.float64()),
        "!f:age": raw,
        "f:plan": pa.array((["a", "b"] * len(ages))[: len(ages)] if plans is None else plans),
    })  # fmt: skip


def after(column, change, *, batch=None, sd=2.0, seed=1):
    return changed(
        batch or batch_of(), column=column, change=parse_change(change), sd=sd, rng=np.random.default_rng(seed)
    )


@pytest.mark.parametrize(
    ("change", "by"),
    [
        ({"scale": 100}, lambda v: v * 100),
        ({"scale": -0.5}, lambda v: v * -0.5),
        ({"shift_sd": 1.5}, lambda v: v + 3.0),
    ],
)
def test_numbers_are_scaled_and_shifted_as_numpy_does_and_what_was_invalid_stays_so(change, by):
    made = after(AGE, change)
    assert made.column("f:age").to_pylist() == [*by(np.arange(ROWS - 1, dtype=float)).tolist(), None]
    assert made.column("!f:age") == batch_of().column("!f:age")
    assert made.column("f:plan") == batch_of().column("f:plan")
    assert made.column("id") == batch_of().column("id")


def test_a_share_goes_missing_and_the_same_rows_with_the_same_dice():
    made = after(AGE, {"missing": 0.3})
    gone = np.random.default_rng(1).random(ROWS) < 0.3
    assert [v is None for v in made.column("f:age").to_pylist()[:-1]] == gone[:-1].tolist()
    assert made == after(AGE, {"missing": 0.3})
    whole = after(AGE, {"missing": 1})
    assert whole.column("f:age").null_count == ROWS
    assert "!f:age" not in whole.schema.names  # what is missing is not invalid


def test_categories_go_missing_also_where_they_are_codes():
    batch = with_codes(batch_of())
    assert pa.types.is_dictionary(batch.column("f:plan").type)
    assert after(PLAN, {"missing": 1}, batch=batch).column("f:plan").null_count == ROWS


def test_every_value_becomes_the_category():
    assert set(after(PLAN, {"category": "X"}).column("f:plan").to_pylist()) == {"X"}


def test_what_becomes_infinite_or_the_code_for_missing_is_read_as_ingest_reads_it():
    made = after(AGE, {"scale": 1e308}, batch=batch_of(np.array([0.0, 10.0, 2.0])))
    assert made.column("f:age").to_pylist() == [0.0, None, None]
    assert made.column("!f:age").to_pylist() == [None, "Infinity", '"old"']
    assert after(AGE, {"scale": -999}, batch=batch_of(np.array([1.0, 2.0, 0.0]))).column("f:age").to_pylist() == [
        None, -1998.0, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "part"),
    [
        ({}, "expected an object"),
        ({"missing": 0.5, "scale": 2}, "expected an object"),
        ("scale", "expected an object"),
        ({"mising": 0.5}, "did you mean 'missing'"),
        ({"missing": 0}, "above 0"),
        ({"missing": 1.5}, "above 0"),
        ({"missing": True}, "expected a number"),
        ({"scale": "100"}, "expected a number"),
        ({"shift_sd": float("nan")}, "expected a number"),
        ({"category": 5}, "expected a text"),
        ({"category": ""}, "expected a text"),
    ],
)
def test_what_is_no_change_is_refused_in_words(shape, part):
    with pytest.raises(InvalidInput, match=part):
        parse_change(shape)


@pytest.mark.parametrize(
    ("column", "change", "sd", "part"),
    [
        (PLAN, Change(kind="scale", value=2.0), None, "is for numbers"),
        (PLAN, Change(kind="shift_sd", value=2.0), None, "is for numbers"),
        (AGE, Change(kind="category", value="X"), 1.0, "is for categories"),
        (AGE, Change(kind="shift_sd", value=2.0), 0.0, "no spread"),
    ],
)
def test_a_change_that_a_column_cannot_have_is_refused_in_words(column, change, sd, part):
    with pytest.raises(InvalidInput, match=part):
        refuse_misfit(change, column=column, sd=sd)
