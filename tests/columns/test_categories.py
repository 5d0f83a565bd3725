"""Codes are only another way to hold texts: what is counted, inferred and conformed is the same."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from monitor.columns.categories import FIRST_LOOK, MOST_NAMES, counted, has_codes, with_codes, without_codes
from monitor.columns.conform import conform
from monitor.columns.infer import SchemaInference, infer_schema
from monitor.columns.roles import Roles
from monitor.columns.table import canonical_batch
from monitor.columns.values import category_counts
from monitor.model.schema import Column, Schema

TEXTS = st.lists(st.text(max_size=3) | st.none(), max_size=40)


def stored(**columns):
    return canonical_batch(pa.RecordBatch.from_pydict(columns), schema=None, roles=Roles(), received_us=0).batch


@given(TEXTS, st.integers(0, 10), st.booleans())
def test_distinct_names_are_counted_whether_texts_or_codes_also_of_a_part(texts, skipped, encoded):
    array = pa.array(texts, pa.string())
    part = (array.dictionary_encode() if encoded else array).slice(skipped)
    names, counts = counted(part)
    assert dict(zip(names.to_pylist(), counts.tolist(), strict=True)) == Counter(
        t for t in texts[skipped:] if t is not None
    )


@given(TEXTS, TEXTS)
def test_the_schema_is_the_same_from_codes_and_merged_from_parts(first, second):
    batches = [stored(k=pa.array(texts, pa.string()), x=pa.array([1.0] * len(texts))) for texts in (first, second)]
    merged = SchemaInference(roles=Roles())
    for batch in batches:
        part = SchemaInference(roles=Roles())
        part.add(with_codes(batch))
        merged.merge(part)
    assert merged.finish() == infer_schema(batches, roles=Roles())


def test_texts_are_told_from_categories_in_parts_as_in_the_whole():
    columns = {
        "few": [f"v{i % 1_000}" for i in range(6_000)],
        "many": [f"v{i}" for i in range(6_000)],
        "late": ["v"] * 5_000 + [f"v{i}" for i in range(1_000)],
        "long": ["é" * 65] * 6_000,
    }
    whole = stored(**columns)
    merged = SchemaInference(roles=Roles())
    for start in range(0, 6_000, 1_500):
        part = SchemaInference(roles=Roles())
        part.add(with_codes(whole.slice(start, 1_500)))
        merged.merge(part)
    assert {c.name: c.type for c in merged.finish().columns} == {
        "few": "categorical", "many": "text", "late": "text", "long": "text",
    }  # fmt: skip
    assert merged.finish() == infer_schema([whole], roles=Roles())


def test_codes_are_made_of_the_typed_texts_with_few_names_and_are_the_same_texts():
    many = [f"v{i}" for i in range(MOST_NAMES + 1)] + ["v0"] * FIRST_LOOK
    batch = stored(id=[str(i) for i in range(len(many))], k=["a", None] * (len(many) // 2) + ["b"], many=many)
    coded = with_codes(batch)
    assert [f.name for f in coded.schema if has_codes(f.type)] == ["f:k"]
    assert without_codes(coded).equals(batch)


def test_codes_stay_codes_where_the_column_is_categorical_and_are_read_where_it_is_not():
    coded = with_codes(stored(k=["1", "x", None], n=["1", "2", None], s=["a", "b", None]))
    schema = Schema(
        columns=(
            Column(name="k", type="categorical"), Column(name="n"),
            Column(name="s", type="categorical", missing=("b",)),
        )
    )  # fmt: skip
    conformed, plain = conform(coded, schema), conform(without_codes(coded), schema)
    assert [f.name for f in conformed.schema if has_codes(f.type)] == ["f:k"]
    assert without_codes(conformed).equals(plain)
    for batch in (conformed, plain):
        found = category_counts(batch, "f:k")
        assert (found.names.to_pylist(), found.counts.tolist(), found.missing) == (["1", "x"], [1, 1], 1)
