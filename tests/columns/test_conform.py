"""Stored batches brought to a schema, split by window, and back from bytes."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.columns.batch import decode_batch, encode_batch
from monitor.columns.conform import conform
from monitor.columns.roles import Roles
from monitor.columns.split import by_window
from monitor.columns.table import canonical_batch
from monitor.model.errors import InvalidInput
from monitor.model.schema import Column, Schema
from monitor.model.window import WindowSpec

HOUR = 3_600_000_000
AS_NUMBER = Schema(columns=(Column(name="x"),))
AS_CATEGORY = Schema(columns=(Column(name="x", type="categorical"),))


def canonical(table, schema=None, **roles):
    return canonical_batch(pa.RecordBatch.from_pydict(table), schema=schema, roles=Roles(**roles), received_us=5)


def column(batch, name):
    return batch.column(name).to_pylist() if name in batch.schema.names else None


def test_a_raw_value_is_read_again_by_the_columns_new_type():
    stored = canonical({"x": pa.array(["a", "3", None])}, AS_NUMBER).batch
    assert column(stored, "f:x") == [None, None, None]
    assert column(stored, "!f:x") == ['"a"', '"3"', None]
    assert column(conform(stored, AS_CATEGORY), "f:x") == ["a", "3", None]
    assert column(conform(stored, AS_CATEGORY), "!f:x") is None


def test_nothing_is_lost_on_the_way_to_another_schema_and_back():
    stored = canonical({"x": pa.array(["a", "b", None])}, AS_CATEGORY).batch
    assert conform(conform(stored, AS_NUMBER), AS_CATEGORY).equals(conform(stored, AS_CATEGORY))


def test_a_column_the_batch_lacks_is_all_missing_and_an_unknown_one_is_left_out():
    conformed = conform(canonical({"y": [1]}).batch, AS_NUMBER)
    assert conformed.schema.names == ["id", "timestamp", "f:x"]
    assert column(conformed, "f:x") == [None]


def test_conforming_twice_changes_nothing():
    once = conform(canonical({"x": [1.0, float("nan"), None]}).batch, AS_CATEGORY)
    assert conform(once, AS_CATEGORY).equals(once)


def test_columns_never_stored_are_dropped():
    schema = Schema(columns=(Column(name="a", store="none"), Column(name="b", role="ignore"), Column(name="c")))
    done = canonical({"a": [1], "b": [2], "c": [3], "d": [4]}, schema, ignore=("d",))
    assert done.batch.schema.names == ["id", "timestamp", "f:c"]


def test_roles_name_the_columns_and_the_rest_are_features():
    done = canonical(
        {"y": ["a"], "p": [0.5], "t": ["2026-01-01T00:00:00Z"], "key": [7], "age": [3], "label": ["b"]},
        prediction="y", score={"yes": "p"}, timestamp="t", id="key",
    )  # fmt: skip
    assert done.batch.schema.names == ["id", "timestamp", "prediction", "score:yes", "f:age", "label"]
    assert column(done.batch, "id") == ["7"]


def test_a_role_for_a_column_that_is_not_there_is_refused_with_the_nearest_name():
    with pytest.raises(InvalidInput, match="did you mean 'prediction'"):
        canonical({"prediction": [1]}, prediction="predicton")


def test_nested_tables_flatten_with_dots_to_depth_five():
    deep = {"b": {"c": {"d": {"e": {"f": 1}}}}}
    done = canonical({"a": pa.array([deep, None]), "s": pa.array([{"u": 1}, {"u": None}])})
    assert done.batch.schema.names[2:] == ["f:a.b.c.d.e", "f:s.u"]
    assert column(done.batch, "f:a.b.c.d.e") == ['{"f": 1}', None]


@given(st.lists(st.integers(0, 50 * HOUR), max_size=30), st.sampled_from(["1h", "1d"]))
def test_splitting_keeps_every_row_in_its_window_and_in_order(instants, length):
    spec = WindowSpec(length=length, timezone="Europe/Berlin")
    stamps = pa.array(instants, pa.int64()).cast(pa.timestamp("us", "UTC"))
    batch = pa.RecordBatch.from_pydict(
        {"id": pa.array(map(str, range(len(instants))), pa.string()), "timestamp": stamps}
    )
    parts = by_window(batch, spec)
    expected: dict[int, list[str]] = {}
    for row, us in enumerate(instants):
        expected.setdefault(spec.start_of(us), []).append(str(row))
    assert {start: part.column("id").to_pylist() for start, part in parts} == expected
    assert [start for start, _ in parts] == sorted(expected)


@pytest.mark.parametrize("codec", ["ipc", "zstd"])
def test_a_batch_survives_its_bytes(codec):
    batch = canonical({"x": [1.0, None], "s": ["a", "b"], "m": pa.array([[1.0], None])}).batch
    back = decode_batch(encode_batch(batch, codec=codec), codec)
    assert back.equals(batch, check_metadata=True)
    assert encode_batch(batch, codec=codec) == encode_batch(batch, codec=codec)


def test_an_unknown_codec_is_refused():
    with pytest.raises(InvalidInput, match="pickle"):
        decode_batch(b"", "pickle")
