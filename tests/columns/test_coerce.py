"""Values against their column: what fits, what is missing, what is invalid and kept raw."""

from __future__ import annotations

import json
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.columns.coerce import coerce
from monitor.columns.sent import as_sent
from monitor.model.schema import Column

NUMBER = Column(name="n")
CATEGORY = Column(name="c", type="categorical")


def coerced(values, column):
    array, form = as_sent(values)
    done = coerce(array, column, form=form)
    raw = [None] * len(values) if done.raw is None else done.raw.to_pylist()
    return done.values.to_pylist(), raw


def test_text_booleans_and_what_is_not_finite_are_invalid_in_a_number_column():
    values, raw = coerced([1, 2.5, "3", True, float("nan"), float("inf"), None, [1], 10**400], NUMBER)
    assert values == [1.0, 2.5, None, None, None, None, None, None, None]
    assert raw == [None, None, '"3"', "true", "NaN", "Infinity", None, "[1]", str(10**400)]


def test_three_and_3_0_and_text_3_are_one_category():
    assert coerced([3, 3.0, "3", True, -0.0, 1e20, 0.1], CATEGORY)[0] == [
        "3", "3", "3", "true", "0", "100000000000000000000", "0.1",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", [pa.int8(), pa.int64(), pa.uint64(), pa.float32(), pa.float64(), pa.decimal128(9, 2)])
def test_every_number_type_means_the_same_category(kind):
    array = pa.array([Decimal(3), None] if pa.types.is_decimal(kind) else [3, None], kind)
    assert coerce(array, CATEGORY).values.to_pylist() == ["3", None]


def test_dictionary_columns_are_their_values():
    assert coerce(pa.array(["a", None, "b", "a"]).dictionary_encode(), CATEGORY).values.to_pylist() == [
        "a",
        None,
        "b",
        "a",
    ]
    assert coerce(pa.array([1.5, 2.0]).dictionary_encode(), NUMBER).values.to_pylist() == [1.5, 2.0]


def test_a_lone_surrogate_is_an_invalid_category_kept_as_an_escape():
    assert coerced(["a", "\ud800"], CATEGORY) == (["a", None], [None, '"\\ud800"'])


def test_csv_numbers_are_read_and_other_texts_are_invalid():
    array = pa.array(["1", " 2.5 ", "1e3", "", "abc", "NaN", "-inf", None, "0x10", "1_0"])
    done = coerce(array, NUMBER, form="text")
    assert done.values.to_pylist() == [1.0, 2.5, 1000.0, None, None, None, None, None, None, None]
    assert done.raw.to_pylist() == [
        None, None, None, '""', '"abc"', "NaN", "-Infinity", None, '"0x10"', '"1_0"',
    ]  # fmt: skip


def test_declared_sentinels_are_missing_and_not_invalid():
    column = Column(name="n", missing=(-999, ""))
    done = coerce(pa.array(["-999", "", "x", "5"]), column, form="text")
    assert done.values.to_pylist() == [None, None, None, 5.0]
    assert done.raw.to_pylist() == [None, None, '"x"', None]
    assert coerced(["", "a"], Column(name="c", type="categorical", missing=("",)))[0] == [None, "a"]


def test_a_boolean_column_reads_its_words():
    column = Column(name="b", type="boolean", true=("Y",), false=("N",))
    assert coerced(["Y", "N", True, "maybe"], column) == (
        ["true", "false", "true", None],
        [None, None, None, '"maybe"'],
    )
    assert coerced([1, 0, "True"], Column(name="b", type="boolean"))[0] == ["true", "false", "true"]


def test_an_embedding_of_other_dimensions_or_with_gaps_is_invalid():
    column = Column(name="e", type="embedding", dimensions=2)
    values, raw = coerced([[1, 2], [1], [1, None], None, "x"], column)
    assert values == [[1.0, 2.0], None, None, None, None]
    assert raw == [None, "[1]", "[1, null]", None, '"x"']
    fast = coerce(pa.array([[1.0, 2.0], None]), column)
    assert fast.values.to_pylist() == [[1.0, 2.0], None]
    assert coerce(pa.array([[1.0, float("nan")]]), column).raw.to_pylist() == ["[1.0, NaN]"]


@given(
    st.lists(st.one_of(st.none(), st.floats(allow_nan=True), st.integers(-(2**70), 2**70), st.booleans(), st.text()))
)
def test_a_value_is_fitting_missing_or_invalid_and_nothing_else(values):
    main, raw = coerced(values, NUMBER)
    for value, kept, text in zip(values, main, raw, strict=True):
        states = [value is None, kept is not None, text is not None]
        assert states.count(True) == 1
        assert kept is None or np.isfinite(kept)
        if text is not None and not isinstance(value, float):
            assert json.loads(text) == value


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))))
def test_floats_in_a_category_column_are_their_shortest_texts(values):
    expected = [None if v is None else str(int(v)) if v == int(v) else repr(v) for v in values]
    assert coerced(values, CATEGORY)[0] == expected
