"""Histories from real profiles: folds, ranges and categories of the others, bytes."""

import numpy as np
import pyarrow as pa
import pytest

from monitor.alert.calibrate import calibrate
from monitor.alert.cells import TESTS, build_cells, category_groups, reduce_profile
from monitor.alert.codec import decode_calibration, decode_history, encode_calibration, encode_history
from monitor.alert.history import build_history, fold_of
from monitor.model.schema import Column, Schema
from monitor.profile.build import LayoutBuilder
from monitor.profile.profile import empty, merge, profile_batch

SCHEMA = Schema(
    columns=(
        Column(name="x", type="numeric"), Column(name="flag", type="numeric"),
        Column(name="kind", type="categorical"), Column(name="nothing", type="numeric"),
    )
)  # fmt: skip


def batch(x, kind, *, missing=()):
    x = np.asarray(x, float)
    return pa.RecordBatch.from_pydict(
        {
            "f:x": pa.array(np.where(np.isin(np.arange(len(x)), missing), np.nan, x), from_pandas=True),
            "f:flag": pa.array((x > 0).astype(float)),
            "f:kind": pa.array(list(kind), pa.string()),
            "f:nothing": pa.array([None] * len(x), pa.float64()),
        }
    )


def made_of(batches):
    builder = LayoutBuilder(SCHEMA)
    for each in batches:
        builder.add(each)
    layout = builder.finish()
    profiles = [profile_batch(layout, each) for each in batches]
    whole = empty(layout)
    for profile in profiles:
        whole = merge(whole, profile)
    return layout, whole, list(enumerate(profiles)), profiles


@pytest.fixture(scope="module")
def drifting():
    """Ten windows of 60 rows whose x climbs, with one category of its own in the fourth."""
    rng = np.random.default_rng(0)
    batches = []
    for window in range(10):
        kind = ["a", "b", "c"] * 20
        if window == 3:
            kind[:5] = ["only here"] * 5
        batches.append(batch(rng.normal(window / 2, 1.0, 60), kind, missing=[0] if window % 2 else []))
    return batches, made_of(batches)


def test_five_folds_are_contiguous_and_as_even_as_can_be():
    for windows in (5, 7, 59, 720):
        folds = fold_of(windows)
        assert (np.diff(folds) >= 0).all()
        sizes = np.bincount(folds)
        assert (len(sizes), sizes.max() - sizes.min() <= 1) == (5, True)


def test_judged_cells_are_deciles_and_the_valid_values_add_up(drifting):
    batches, (layout, whole, _, profiles) = drifting
    cells = build_cells(layout, reference=whole)
    counts = reduce_profile(cells, profile=whole)
    values = np.concatenate([np.asarray(b.column("f:x").drop_null(), float) for b in batches])
    edges = np.quantile(values, np.arange(1, 10) / 10, method="inverted_cdf")
    expected = np.bincount(np.searchsorted(edges, values, side="left"), minlength=10)
    assert np.abs(counts.cells[0] - expected).max() <= 1  # a decile may end one value later
    assert counts.cells.sum(axis=1).tolist() == [len(values), 600, 600, 0]
    assert cells.width.tolist() == [10, 2, 5, 0]
    one = reduce_profile(cells, profile=profiles[3])
    assert one.hits[1].tolist() == [1, 0, 0, 60]


def test_a_window_is_held_against_the_reference_less_its_fold(drifting):
    _batches, (layout, whole, windows, profiles) = drifting
    history = build_history(layout, reference=whole, windows=windows)
    for fold in range(5):
        rest = empty(layout)
        for other, profile in zip(fold_of(10), profiles, strict=True):
            rest = merge(rest, profile) if other != fold else rest
        expected = reduce_profile(history.layout_cells, profile=rest)
        assert (history.baseline(fold=fold).cells == expected.cells).all()
        assert (history.baseline(fold=fold).hits[1:3] == expected.hits[1:3]).all()
        assert history.baseline(fold=fold).rows == rest.rows


def test_range_and_categories_in_the_replay_are_those_of_the_other_folds(drifting):
    batches, (layout, whole, windows, _) = drifting
    history = build_history(layout, reference=whole, windows=windows)
    folds = fold_of(10)
    for window in range(10):
        own = np.asarray(batches[window].column("f:x").drop_null(), float)
        others = np.concatenate(
            [
                np.asarray(b.column("f:x").drop_null(), float)
                for b, f in zip(batches, folds, strict=True)
                if f != folds[window]
            ]
        )
        assert history.hits[window, 0, 0] == ((own < others.min()) | (own > others.max())).sum()
        assert history.hits[window, 3, 2] == (5 if window == 3 else 0)


def test_windows_after_the_reference_are_held_against_all_of_it(drifting):
    _batches, (layout, whole, _, _) = drifting
    later = [(20, profile_batch(layout, batch(np.full(60, 99.0), ["new"] * 60)))]
    history = build_history(layout, reference=whole, windows=later, contained=False)
    assert [baseline is history.reference for _, _, baseline in history.parts()] == [True]
    assert (history.hits[0, 0, 0], history.hits[0, 3, 2]) == (60, 60)


def test_windows_that_join_those_of_the_reference_are_held_against_all_of_it_and_they_against_the_rest(drifting):
    _batches, (layout, whole, windows, profiles) = drifting
    own = build_history(layout, reference=whole, windows=windows)
    later = [(20 + n, profile) for n, profile in enumerate(profiles[:7])]
    joined = own.joined(build_history(layout, reference=whole, windows=later, contained=False))
    assert (joined.windows, joined.own, joined.starts_us[-1]) == (17, 10, 26)
    assert joined.fold.tolist() == [*fold_of(10), *fold_of(7)]
    held = np.zeros(17, dtype=int)
    for fold, inside, baseline in joined.parts():
        assert set(joined.fold[inside]) == {fold}
        of_reference = np.flatnonzero(inside)[0] < 10
        expected = own.baseline(fold=fold) if of_reference else joined.reference
        assert (baseline.cells == expected.cells).all()
        held += inside
    assert (held == 1).all()


def test_windows_of_fewer_than_fifty_rows_are_no_examples(drifting):
    _batches, (layout, whole, windows, _) = drifting
    few = (99, profile_batch(layout, batch(np.zeros(49), ["a"] * 49)))
    assert build_history(layout, reference=whole, windows=[*windows, few]).windows == 10


def test_unseen_is_not_replayed_where_categories_have_no_cells_of_their_own():
    rng = np.random.default_rng(1)
    batches = [batch(rng.normal(size=2_000), [f"id{rng.integers(4_000)}" for _ in range(2_000)]) for _ in range(5)]
    layout, whole, windows, _ = made_of(batches)
    assert not build_history(layout, reference=whole, windows=windows).tests[TESTS.index("unseen"), 2]
    assert build_history(layout, reference=whole, windows=windows, contained=False).tests[TESTS.index("unseen"), 2]


def test_histories_and_calibrations_come_back_from_bytes_as_they_were(drifting):
    _batches, (layout, whole, windows, _) = drifting
    history = build_history(layout, reference=whole, windows=windows)
    again = decode_history(encode_history(history))
    assert (again.cells == history.cells).all()
    assert (again.hits == history.hits).all()
    assert again.layout_cells.columns == history.layout_cells.columns
    calibration = calibrate(history, windows_per_month=30.0, per_month=1.0)
    payload = encode_calibration(calibration)
    assert encode_calibration(decode_calibration(payload)) == payload
    assert encode_calibration(calibrate(again, windows_per_month=30.0, per_month=1.0)) == payload
    with pytest.raises(ValueError, match="expected a calibration"):
        decode_calibration(encode_history(history))


def test_nine_categories_stay_and_the_rest_is_one_cell():
    counts = np.array([5, 50, 3, 40, 1, 20, 9, 8, 7, 6, 2, 0, 0])
    group = category_groups(counts)
    assert [int(g) for g in group[[1, 3, 5, 6, 7, 8, 9, 0, 2]]] == list(range(9))
    assert set(group[[4, 10, 11, 12]].tolist()) == {9}
