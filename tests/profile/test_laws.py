"""The six laws of everything that merges, over random rows, partitions and batchings."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.model.schema import Column, Schema
from monitor.profile import codec
from monitor.profile.build import LayoutBuilder
from monitor.profile.layout import Layout
from monitor.profile.profile import MAX_UNSEEN, ProfileAccumulator, empty, merge, profile_batch, subtract

SCHEMA = Schema(columns=(Column(name="x"), Column(name="k", type="categorical"), Column(name="flag", type="boolean")))
MERGEABLES = {"counts", "rows", "missing", "invalid", "minimum", "maximum", "total", "total_squares", "unseen"}
_numbers = st.one_of(
    st.none(), st.sampled_from([0.0, -0.0, 1.0, 2.5, 7.0]), st.floats(-1e9, 1e9, allow_subnormal=False)
)
_row = st.tuples(
    _numbers,
    st.sampled_from([None, "a", "b", "new", "zzz", "é"]),
    st.sampled_from([None, "true", "false"]),
    st.booleans(),
)
rows = st.lists(_row, max_size=40)


def batch(records) -> pa.RecordBatch:
    x = [None if bad else r for r, _, _, bad in records]
    columns = {
        "id": pa.array([str(i) for i in range(len(records))]),
        "timestamp": pa.array([0] * len(records), pa.timestamp("us", "UTC")),
        "f:x": pa.array(x, pa.float64()),
        "!f:x": pa.array(['"text"' if bad else None for *_, bad in records], pa.string()),
        "f:k": pa.array([k for _, k, _, _ in records], pa.string()),
        "f:flag": pa.array([f for _, _, f, _ in records], pa.string()),
    }
    return pa.RecordBatch.from_pydict(columns)


def layout_of(records) -> Layout:
    builder = LayoutBuilder(SCHEMA)
    builder.add(batch(records))
    return builder.finish()


REFERENCE = layout_of([(float(v), k, f, False) for v in (0, 1, 1, 2, 5) for k in "aab" for f in ("true", "false")])


def assert_same(a, b) -> None:
    assert a.layout_digest == b.layout_digest
    assert (a.rows, a.unseen) == (b.rows, b.unseen)
    for name in ("counts", "missing", "invalid", "minimum", "maximum"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    scale = np.maximum(np.abs(a.maximum), np.abs(a.minimum))
    atol = 1e-9 * np.nanmax(np.append(scale**2 * max(a.rows, 1), 1.0))
    for name in ("total", "total_squares"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-9, atol=atol)


def test_every_mergeable_part_of_a_profile_is_held_to_the_laws():
    assert {*empty(REFERENCE).__dataclass_fields__} - {"layout_digest"} == MERGEABLES
    assert len(MERGEABLES) == 9


@given(rows)
def test_the_empty_profile_is_the_identity(records):
    p = profile_batch(REFERENCE, batch(records))
    assert_same(merge(p, empty(REFERENCE)), p)
    assert_same(merge(empty(REFERENCE), p), p)


@given(rows, rows)
def test_merging_commutes(a, b):
    p, q = (profile_batch(REFERENCE, batch(r)) for r in (a, b))
    assert_same(merge(p, q), merge(q, p))


@given(rows, rows, rows)
def test_merging_associates(a, b, c):
    p, q, r = (profile_batch(REFERENCE, batch(x)) for x in (a, b, c))
    assert_same(merge(merge(p, q), r), merge(p, merge(q, r)))


@settings(max_examples=60)
@given(rows, st.lists(st.integers(0, 3), min_size=40, max_size=40), st.randoms())
def test_any_partition_in_any_order_gives_the_same_profile(records, parts, dice):
    whole = profile_batch(REFERENCE, batch(records))
    pieces = [[r for r, p in zip(records, parts, strict=False) if p == part] for part in range(4)]
    dice.shuffle(pieces)
    accumulator = ProfileAccumulator(REFERENCE)
    for piece in pieces:
        accumulator.add(batch(piece))
    assert_same(accumulator.profile(), whole)


@given(rows)
def test_the_codec_gives_back_what_it_took(records):
    p = profile_batch(REFERENCE, batch(records))
    back = codec.decode(codec.encode(p), REFERENCE)
    assert_same(back, p)
    np.testing.assert_array_equal(back.total_squares, p.total_squares)


@given(rows, rows)
def test_merging_leaves_its_inputs_alone_and_subtracting_undoes_it(a, b):
    p, q = (profile_batch(REFERENCE, batch(r)) for r in (a, b))
    before = codec.encode(p), codec.encode(q)
    together = merge(p, q)
    rest = subtract(together, q)
    together.counts[:] = -1
    assert (codec.encode(p), codec.encode(q)) == before
    np.testing.assert_array_equal(rest.counts, p.counts)
    assert rest.rows == p.rows


@given(rows)
def test_rows_are_missing_invalid_or_in_a_cell(records):
    p = profile_batch(REFERENCE, batch(records))
    in_cells = np.add.reduceat(p.counts, REFERENCE.offsets[:-1])
    np.testing.assert_array_equal(in_cells + p.missing + p.invalid, p.rows)
    assert p.invalid[0] == sum(bad for *_, bad in records)


def test_profiles_of_different_layouts_do_not_merge():
    other = layout_of([(9.0, "q", "true", False)])
    with pytest.raises(ValueError, match="different layouts"):
        merge(empty(REFERENCE), empty(other))
    with pytest.raises(ValueError, match="expected format"):
        codec.decode(codec.encode(empty(REFERENCE)), other)


def test_only_the_hundred_unseen_names_of_smallest_hash_are_kept_with_exact_counts():
    names = [f"new-{i}" for i in range(300)]
    first, second = ([(None, n, None, False) for n in part] for part in (names * 2, names[::-1]))
    merged = merge(*(profile_batch(REFERENCE, batch(part)) for part in (first, second)))
    assert len(merged.unseen["k"]) == MAX_UNSEEN
    assert set(merged.unseen["k"].values()) == {3}
    d = REFERENCE.index("k")
    assert merged.counts[REFERENCE.offsets[d + 1] - 1] == 900
