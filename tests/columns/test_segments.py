"""Which rows are in which segment, held against a loop over the rows and against pandas."""

from __future__ import annotations

import math
import operator

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.columns.categories import with_codes
from monitor.columns.conform import conform
from monitor.columns.roles import Roles
from monitor.columns.segments import members
from monitor.columns.table import canonical_batch
from monitor.model.schema import Column, Schema
from monitor.model.segments import Segment, parse_segments, resolve

SCHEMA = Schema(
    columns=(
        Column(name="x"), Column(name="c", type="categorical"),
        Column(name="b", type="boolean", true=("Y",), false=("N",)),
    )
)  # fmt: skip
COMPARE = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}


def conformed(table, schema=SCHEMA):
    batch = pa.RecordBatch.from_pydict(table)
    return conform(canonical_batch(batch, schema=schema, roles=Roles(), received_us=5).batch, schema)


def one(shape, batch, schema=SCHEMA):
    return members([Segment(name="s", shape=shape)], batch, schema=schema)["s"].to_pylist()


def where(batch, schema=SCHEMA, **conditions):
    return one({"where": conditions}, batch, schema)


BATCH = conformed(
    {
        "x": pa.array([1, 2.5, None, -3, math.nan], pa.float64()), "c": ["7", "a", None, "", "A"],
        "b": ["Y", "N", None, "?", "true"],
    }
)  # fmt: skip


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"x": {"eq": 1}}, [1, 0, 0, 0, 0]), ({"x": {"ne": 1}}, [0, 1, 0, 1, 0]),
        ({"x": {"gt": 1}}, [0, 1, 0, 0, 0]), ({"x": {"gte": 1}}, [1, 1, 0, 0, 0]),
        ({"x": {"lt": 1}}, [0, 0, 0, 1, 0]), ({"x": {"lte": 1}}, [1, 0, 0, 1, 0]),
        ({"x": {"in": [1, -3]}}, [1, 0, 0, 1, 0]), ({"x": {"not_in": [1, -3]}}, [0, 1, 0, 0, 0]),
        ({"x": {"is_null": True}}, [0, 0, 1, 0, 1]), ({"x": {"is_null": False}}, [1, 1, 0, 1, 0]),
        ({"c": {"eq": 7}}, [1, 0, 0, 0, 0]), ({"c": {"ne": "a"}}, [1, 0, 0, 1, 1]),
        ({"c": {"eq": ""}}, [0, 0, 0, 1, 0]), ({"c": {"not_in": ["a", "A"]}}, [1, 0, 0, 1, 0]),
        ({"b": {"eq": True}}, [1, 0, 0, 0, 1]), ({"b": {"eq": "Y"}}, [1, 0, 0, 0, 1]),
        ({"b": {"ne": True}}, [0, 1, 0, 0, 0]), ({"b": {"is_null": True}}, [0, 0, 1, 1, 0]),
        ({"x": {"gt": 0}, "c": {"eq": "a"}}, [0, 1, 0, 0, 0]),
        ({"x": {"gt": 0, "lt": 2}}, [1, 0, 0, 0, 0]),
        ({"any": [{"x": 1}, {"c": "A"}]}, [1, 0, 0, 0, 1]),
        ({"b": True, "any": [{"x": 1}, {"c": "a"}]}, [1, 0, 0, 0, 0]),
    ],
)  # fmt: skip
def test_each_operator_says_its_rows_and_is_false_without_a_valid_value(conditions, expected):
    assert where(BATCH, **conditions) == [bool(row) for row in expected]


def test_a_value_by_which_traffic_is_cut_and_the_rest_make_the_whole():
    batch = conformed({"c": ["EU", "US", None, "EU", "CN"]})
    specs = parse_segments([{"by": "c", "top": 1}])
    segments, _ = resolve(specs, schema=SCHEMA, counts={"c": [("EU", 2), ("US", 1), ("CN", 1)]}, rows=5)
    found = members(segments, batch, schema=SCHEMA)
    assert {name: rows.to_pylist() for name, rows in found.items()} == {
        "c=EU": [True, False, False, True, False], "c=(other)": [False, True, True, False, True],
    }  # fmt: skip


def test_the_values_that_the_schema_calls_missing_are_missing():
    schema = Schema(columns=(Column(name="x", missing=(-999,)),))
    batch = conformed({"x": [-999.0, 1.0, None]}, schema)
    assert where(batch, schema, x={"lt": 5}) == [False, True, False]
    assert where(batch, schema, x={"is_null": True}) == [True, False, True]


def test_negative_zero_is_zero():
    batch = conformed({"x": [-0.0, 0.0, 1.0]})
    assert where(batch, x={"in": [0]}) == where(batch, x={"eq": -0.0}) == [True, True, False]


def test_a_column_that_no_row_brought_is_all_missing():
    batch = conformed({"x": [1.0, 2.0]})
    assert where(batch, c={"is_null": True}) == [True, True]
    assert where(batch, c={"ne": "a"}) == [False, False]
    assert one({"by": "c", "other": ["a"]}, batch) == [True, True]


def test_no_rows_are_in_no_segment():
    batch = conformed({"x": [1.0], "c": ["a"]}).slice(0, 0)
    assert where(batch, x=1, c="a") == []
    assert one({"by": "c", "other": ["a"]}, batch) == []


def test_a_column_that_has_become_numeric_has_all_its_rows_in_the_rest():
    batch = conformed({"x": [1.0, None]})
    assert one({"by": "x", "value": "1"}, batch) == [False, False]
    assert one({"by": "x", "other": ["1"]}, batch) == [True, True]


def test_a_number_too_large_for_a_float_is_compared_with_nothing():
    assert where(conformed({"x": [1.0]}), x={"lt": 10**400}) == [False]


values_x = st.one_of(st.none(), st.just("oops"), st.sampled_from([-2.0, -0.0, 0.0, 1.0, 1.5, 3.0]))
values_c = st.one_of(st.none(), st.sampled_from(["a", "b", "1", "1.5", ""]))
numbers = st.sampled_from([-2, 0, 1, 1.5, 2, 3])
texts = st.sampled_from(["a", "b", "1", 1, 1.5, "", "zz"])
on_x = st.one_of(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("eq", "ne", *COMPARE), numbers)).filter(bool),
    st.fixed_dictionaries({"in": st.lists(numbers, min_size=1, max_size=4)}),
    st.fixed_dictionaries({"not_in": st.lists(numbers, min_size=1, max_size=4)}),
    st.fixed_dictionaries({"is_null": st.booleans()}),
)
on_c = st.one_of(
    texts,
    st.fixed_dictionaries({"ne": texts}),
    st.fixed_dictionaries({"in": st.lists(texts, min_size=1, max_size=4)}),
    st.fixed_dictionaries({"not_in": st.lists(texts, min_size=1, max_size=4)}),
    st.fixed_dictionaries({"is_null": st.booleans()}),
)
several = st.fixed_dictionaries({}, optional={"x": on_x, "c": on_c}).filter(bool)
wheres = st.one_of(
    several, st.fixed_dictionaries({"any": st.lists(several, min_size=1, max_size=3)}, optional={"x": on_x})
)


def holds(value, op, wanted):
    """One comparison, as the documentation says it."""
    if op == "is_null":
        return (value is None) == wanted
    if value is None:
        return False
    if op in COMPARE:
        return COMPARE[op](value, wanted)
    among = value in (wanted if isinstance(wanted, list) else [wanted])
    return among if op in ("eq", "in") else not among


def row_fits(row, shape):
    for column, told in shape.items():
        if column == "any":
            if not any(row_fits(row, one) for one in told):
                return False
            continue
        for op, wanted in (told if isinstance(told, dict) else {"eq": told}).items():
            texts = [str(one) for one in wanted] if isinstance(wanted, list) else str(wanted)
            if not holds(row[column], op, texts if column == "c" and op != "is_null" else wanted):
                return False
    return True


@given(rows=st.lists(st.tuples(values_x, values_c), max_size=30), shape=wheres, coded=st.booleans())
def test_the_rows_are_those_a_loop_over_them_finds(rows, shape, coded):
    sent = {"x": pa.array([math.nan if x == "oops" else x for x, _ in rows], pa.float64()),
            "c": pa.array([c for _, c in rows], pa.string())}  # fmt: skip
    batch = conformed(sent)
    (segment,) = parse_segments([{"name": "s", "where": shape}])
    found = one({"where": segment.where.to_json()}, with_codes(batch) if coded else batch)
    plain = [{"x": None if x == "oops" else x, "c": c} for x, c in rows]
    assert found == [row_fits(row, shape) for row in plain]


@given(values=st.lists(st.one_of(st.none(), st.sampled_from("abcdef")), max_size=50), top=st.integers(1, 6))
def test_by_cuts_as_pandas_groups(values, top):
    counts = pd.Series(values, dtype=object).value_counts()
    segments, _ = resolve(
        parse_segments([{"by": "c", "top": top}]), schema=SCHEMA,
        counts={"c": [(str(k), int(n)) for k, n in counts.items()]}, rows=len(values),
    )  # fmt: skip
    found = members(segments, conformed({"c": pa.array(values, pa.string())}), schema=SCHEMA)
    kept = sorted(counts.index, key=lambda v: (-counts[v], v))[:top]
    groups = pd.Series(values, dtype=object).where(lambda s: s.isin(kept), "(other)")
    assert {name: rows.to_pylist() for name, rows in found.items()} == {
        f"c={value}": (groups == value).tolist() for value in [*kept, "(other)"]
    }
    # Each row is in one of them.
    assert np.sum([rows.to_numpy(zero_copy_only=False) for rows in found.values()], axis=0).tolist() == [1] * len(
        values
    )


def test_a_slice_of_a_batch_is_cut_as_a_batch_of_its_own():
    batch = with_codes(conformed({"x": [1.0, 2.0, None, 4.0], "c": ["a", None, "b", "a"]}))
    assert where(batch.slice(1, 3), x={"gte": 2}) == [True, False, True]
    assert where(batch.slice(1, 3), c={"ne": "b"}) == [False, False, True]
    assert where(batch.slice(3), c="a") == [True]
