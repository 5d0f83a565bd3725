"""The six laws of everything that merges, for every kind of scorecard, and the bytes of both."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.performance import Outline, count, decode, empty, encode, merge
from monitor.performance.scorecard import FLOAT_ARRAYS, INTEGER_ARRAYS, TALLIES, Scorecard
from monitor.profile.frames import deflate, inflate
from tests.performance.outlines import KINDS, binary, card_of, rows_of

kinds = st.sampled_from(sorted(KINDS))
seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(0, 40)


def some(kind: str, seed: int, n: int):
    return card_of(KINDS[kind], rows_of(KINDS[kind], n=n, rng=np.random.default_rng(seed)))


def assert_same(a: Scorecard, b: Scorecard) -> None:
    assert a.outline_digest == b.outline_digest
    assert [getattr(a, name) for name in TALLIES] == [getattr(b, name) for name in TALLIES]
    for name in INTEGER_ARRAYS:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        assert getattr(a, name).dtype == np.int64
    for name in FLOAT_ARRAYS:
        scale = np.abs(getattr(a, name)).max(initial=1.0)
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-9, atol=1e-12 * scale)


def test_every_field_of_every_kind_of_scorecard_is_held_to_the_laws():
    assert {"outline_digest", *TALLIES, *INTEGER_ARRAYS, *FLOAT_ARRAYS} == {*Scorecard.__dataclass_fields__}
    assert (len(TALLIES), len(INTEGER_ARRAYS), len(FLOAT_ARRAYS)) == (6, 6, 5)
    assert len(KINDS) == 6
    assert {o.task for o in KINDS.values()} == {"binary_classification", "multiclass_classification", "regression"}


@given(kinds, seeds, sizes)
def test_the_empty_scorecard_is_the_identity(kind, seed, n):
    card, nothing = some(kind, seed, n), empty(KINDS[kind])
    assert_same(merge(card, nothing), card)
    assert_same(merge(nothing, card), card)


@given(kinds, seeds, sizes)
def test_merging_commutes(kind, seed, n):
    a, b = some(kind, seed, n), some(kind, seed + 1, n)
    assert_same(merge(a, b), merge(b, a))


@given(kinds, seeds, sizes)
def test_merging_associates(kind, seed, n):
    a, b, c = (some(kind, seed + i, n) for i in range(3))
    assert_same(merge(merge(a, b), c), merge(a, merge(b, c)))


@given(kinds, seeds, sizes)
def test_any_partition_in_any_order_gives_the_same_scorecard(kind, seed, n):
    outline, rng = KINDS[kind], np.random.default_rng(seed)
    rows, parts, total = rows_of(outline, n=n, rng=rng), rng.integers(0, 4, n), empty(outline)
    for part in rng.permutation(4):
        total = merge(total, card_of(outline, rows, part=rng.permutation(np.flatnonzero(parts == part))))
    assert_same(total, card_of(outline, rows))


@given(kinds, seeds, sizes)
def test_the_codec_gives_back_what_it_took(kind, seed, n):
    card = some(kind, seed, n)
    back = decode(encode(card), KINDS[kind])
    assert_same(back, card)
    for name in FLOAT_ARRAYS:
        np.testing.assert_array_equal(getattr(back, name), getattr(card, name))


@given(kinds, seeds, sizes)
def test_merging_and_counting_leave_their_inputs_alone(kind, seed, n):
    outline = KINDS[kind]
    rows = rows_of(outline, n=n, rng=np.random.default_rng(seed))
    copies = {name: column.copy() for name, column in rows.items()}
    card, other = card_of(outline, rows), some(kind, seed + 1, n)
    before = encode(card), encode(other)
    together = merge(card, other)
    for name in (*INTEGER_ARRAYS, *FLOAT_ARRAYS):
        getattr(together, name)[...] = -1
    assert (encode(card), encode(other)) == before
    for name, column in copies.items():
        np.testing.assert_array_equal(rows[name], column)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_outline_comes_back_from_its_bytes_with_its_digest(kind):
    outline = KINDS[kind]
    back = Outline.decode(outline.encode())
    assert back.digest == outline.digest
    assert (back.classes, back.scored, back.threshold) == (outline.classes, outline.scored, outline.threshold)
    np.testing.assert_array_equal(back.atoms, outline.atoms)


def test_scorecards_of_another_outline_are_refused():
    one, other = binary(), binary(threshold=0.4)
    with pytest.raises(ValueError, match="different outlines"):
        merge(empty(one), empty(other))
    with pytest.raises(ValueError, match="expected format 1 and outline"):
        decode(encode(empty(one)), other)


@given(kinds, seeds, st.data())
def test_damaged_bytes_are_a_value_error_or_a_scorecard(kind, seed, data):
    outline = KINDS[kind]
    body = bytearray(inflate(encode(some(kind, seed, 20))))
    if data.draw(st.booleans()):
        body = body[: data.draw(st.integers(0, len(body) - 1))]
    else:
        body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    for payload in (bytes(body), deflate(bytes(body))):
        with suppress(ValueError):
            back = decode(payload, outline)
            assert all((getattr(back, name) >= 0).all() for name in INTEGER_ARRAYS)


@given(kinds, seeds, st.data())
def test_damaged_outlines_are_a_value_error_or_an_outline(kind, seed, data):
    body = bytearray(inflate(KINDS[kind].encode()))
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(ValueError):
        back = Outline.decode(deflate(bytes(body)))
        assert Outline.decode(back.encode()).digest == back.digest


def test_a_day_of_a_model_with_a_thousand_cells_is_small_in_bytes():
    rng = np.random.default_rng(1)
    outline = binary(scores=rng.uniform(size=50_000))
    scores = rng.uniform(size=(200, 1))
    codes = rng.integers(0, 2, 200).astype(np.int32)
    card = count(outline, prediction=codes, label=codes, scores=scores)
    assert outline.cells > 900
    assert len(encode(card)) < 2_000
