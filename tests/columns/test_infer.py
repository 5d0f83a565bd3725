"""Inference: the rules of API 1, and the same schema however the rows were batched."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from monitor.columns.batch import JSON_FORM, TEXT_FORM
from monitor.columns.infer import infer_schema
from monitor.columns.roles import Roles
from monitor.columns.sent import as_sent
from monitor.columns.table import canonical_columns


def stored(**columns):
    sent = {f"f:{name}": as_sent(values) for name, values in columns.items()}
    rows = len(next(iter(columns.values())))
    return canonical_columns(sent, rows=rows, schema=None, received_us=0).batch


def types(*batches, **roles):
    return {c.name: c.type for c in infer_schema(batches, roles=Roles(**roles)).columns}


def test_each_kind_of_column_gets_its_type():
    assert types(
        stored(
            n=[1, 2.5, None], code=["a", "b", None], flag=[True, False, None], vector=[[1, 2], [3, 4], None],
            long=["x" * 65, "y" * 65, None], none=[None, None, None],
        )
    ) == {
        "n": "numeric", "code": "categorical", "flag": "categorical", "vector": "embedding", "long": "text",
        "none": "numeric",
    }  # fmt: skip


def test_over_a_thousand_distinct_strings_are_text_whatever_the_batches():
    halves = [stored(s=[f"v{i}" for i in range(a, a + 501)]) for a in (0, 501)]
    assert types(*halves) == {"s": "text"}
    assert types(stored(s=[f"v{i % 1000}" for i in range(3000)])) == {"s": "categorical"}


def test_a_few_texts_do_not_make_a_number_column_a_category():
    assert types(stored(x=[1.5] * 99 + ["oops"])) == {"x": "numeric"}
    assert types(stored(x=[1.5] * 5 + ["oops"] * 5)) == {"x": "categorical"}


def test_csv_columns_are_numbers_unless_they_have_leading_zeros():
    fields = [pa.field("id", pa.string()), pa.field("timestamp", pa.timestamp("us", "UTC"))]
    fields += [pa.field(f"f:{n}", pa.string(), metadata=TEXT_FORM) for n in ("n", "zip", "mix")]
    ids = pa.array(["", ""])
    times = pa.array([0, 0]).cast(pa.timestamp("us", "UTC"))
    columns = [pa.array(["1", "-2.5e3"]), pa.array(["01234", "99999"]), pa.array(["NaN", "3"])]
    batch = pa.RecordBatch.from_arrays([ids, times, *columns], schema=pa.schema(fields))
    assert types(batch) == {"n": "numeric", "zip": "categorical", "mix": "numeric"}


def test_roles_make_contexts_segments_codes_and_named_outputs():
    batch = canonical_columns(
        {"prediction": as_sent(["a"]), "score:yes": as_sent([0.5]), "f:region": as_sent([1]), "f:zip": as_sent([1])},
        rows=1, schema=None, received_us=0,
    ).batch  # fmt: skip
    roles = Roles(
        prediction="y",
        score={"yes": "p_yes"},
        context=("region",),
        segment=("region",),
        categorical=("zip",),
        timestamp="t",
    )
    schema = infer_schema([batch], roles=roles)
    assert [(c.name, c.role, c.type, c.segment) for c in schema.columns] == [
        ("t", "timestamp", "timestamp", False), ("y", "prediction", "categorical", False),
        ("p_yes", "score", "numeric", False), ("region", "context", "numeric", True),
        ("zip", "feature", "categorical", False),
    ]  # fmt: skip
    assert schema.inferred
    assert schema.by_name["p_yes"].class_ == "yes"


def test_a_role_whose_name_a_feature_has_gets_another():
    batch = canonical_columns(
        {"f:prediction": as_sent([1]), "prediction": as_sent([2]), "f:record.score": as_sent([3]),
         "score": as_sent([4]), "f:score": as_sent([5])},
        rows=1, schema=None, received_us=0,
    ).batch  # fmt: skip
    assert {c.stored_name: c.name for c in infer_schema([batch], roles=Roles()).columns} == {
        "f:prediction": "prediction", "prediction": "record.prediction", "f:record.score": "record.score",
        "f:score": "score", "score": "record.record.score",
    }  # fmt: skip


def test_roles_survive_json_and_are_read_from_a_query():
    roles = Roles.from_query(
        [("score", "yes:p"), ("score", "s"), ("ignore", "a"), ("label", "l"), ("source", "s3://x")]
    )
    assert roles == Roles(score={"yes": "p", "": "s"}, ignore=("a",), label="l")
    assert Roles.from_json(roles.to_json()) == roles


values = st.one_of(st.none(), st.integers(-5, 5), st.text(max_size=3), st.booleans())


@given(st.lists(values, min_size=1, max_size=40), st.integers(1, 7))
def test_the_schema_does_not_depend_on_the_batching(column, step):
    whole = infer_schema([stored(x=column)], roles=Roles())
    cut = infer_schema([stored(x=column[i : i + step]) for i in range(0, len(column), step)], roles=Roles())
    assert cut == whole


def test_a_mixed_column_is_kept_as_json_texts():
    batch = stored(x=["a", 1, True])
    assert batch.schema.field("f:x").metadata == JSON_FORM
    assert batch.column("f:x").to_pylist() == ['"a"', "1", "true"]
