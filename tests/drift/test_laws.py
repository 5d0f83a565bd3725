"""What must hold for any values and any cells."""

from __future__ import annotations

import warnings
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitor.drift.bins import DECILES, decile_groups
from monitor.drift.chi2 import chi2
from monitor.drift.compare import CATEGORICAL_ONLY, METRICS, compare
from monitor.drift.hellinger import hellinger
from monitor.drift.js import js
from monitor.drift.ks import ks
from monitor.drift.l_infinity import l_infinity
from monitor.drift.psi import psi
from monitor.drift.wasserstein import wasserstein
from monitor.profile.layout import ColumnLayout, Layout
from monitor.profile.profile import Profile, empty

COUNTS = st.lists(st.integers(0, 50), min_size=2, max_size=12)
VALUES = st.lists(
    st.one_of(st.sampled_from([0.0, 1.0, -1.0, 5.0]), st.floats(-10, 10, width=32)), min_size=1, max_size=60
)


def _offsets(*widths: int) -> np.ndarray:
    return np.concatenate(([0], np.cumsum(widths)))


def _cells(values: list[float], edges: np.ndarray) -> np.ndarray:
    """Counts of right-closed cells, by a loop."""
    counts = np.zeros(len(edges) + 1, np.int64)
    for value in values:
        counts[sum(edge < value for edge in edges)] += 1
    return counts


def _scipys_distance(current: list[float], reference: list[float]) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of the p-value of a handful of values, not of the statistic
        return float(stats.ks_2samp(current, reference, method="asymp").statistic)


def _edges(reference: list[float], atoms: set[float]) -> tuple[np.ndarray, np.ndarray]:
    lowest = float(np.nextafter(min(reference), -np.inf))
    ordered = sorted(
        {lowest, max(reference), *reference[::3], *atoms, *(float(np.nextafter(a, -np.inf)) for a in atoms)}
    )
    edges = np.array(ordered)
    alone = np.zeros(len(edges) + 1, bool)
    alone[[int(np.searchsorted(edges, a)) for a in atoms]] = True
    return edges, alone


@given(reference=VALUES, current=VALUES, data=st.data())
def test_the_ks_bracket_holds_scipys_statistic_for_any_cells(reference, current, data):
    atoms = data.draw(st.sets(st.sampled_from(reference)))
    edges, alone = _edges(reference, atoms)
    c, r = _cells(current, edges), _cells(reference, edges)
    found = ks(c, r, offsets=_offsets(len(c)), atoms=alone)
    true = _scipys_distance(current, reference)
    assert found.distance[0] - 1e-12 <= true <= found.upper[0] + 1e-12


@given(reference=VALUES, current=VALUES)
def test_ks_is_exact_where_every_value_of_the_reference_is_an_atom_and_the_current_has_no_other(reference, current):
    current = [reference[int(abs(v)) % len(reference)] for v in current]
    edges, alone = _edges(reference, set(reference))
    c, r = _cells(current, edges), _cells(reference, edges)
    found = ks(c, r, offsets=_offsets(len(c)), atoms=alone)
    assert found.distance[0] == pytest.approx(_scipys_distance(current, reference), abs=1e-12)
    assert found.upper[0] == found.distance[0]


@pytest.mark.parametrize("times", [1, 10**6, 10**10])
def test_ks_is_the_largest_gap_of_running_shares_however_many_rows_there_are(times):
    """By exact fractions; beyond 2**62 pairs of rows the products no longer fit integers."""
    rng = np.random.default_rng(3)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(1, 30, 40))])
    now, then = (rng.integers(0, 9, offsets[-1]) * times for _ in range(2))
    now[offsets[5] : offsets[6]] = 0
    found = ks(now, then, offsets=offsets)
    for d, (begin, end) in enumerate(pairwise(offsets.tolist())):
        f, g = (list(accumulate(int(c) for c in side[begin:end])) for side in (now, then))
        if f[-1] and g[-1]:
            gaps = [abs(Fraction(a, f[-1]) - Fraction(b, g[-1])) for a, b in zip(f, g, strict=True)]
            assert found.distance[d] == pytest.approx(float(max(gaps)), abs=1e-12)
            mass = float(Fraction(int(then[begin:end].max()), g[-1]))
            assert found.upper[d] == pytest.approx(min(float(max(gaps)) + mass, 1.0), abs=1e-12)
        else:
            assert (found.distance[d], found.upper[d]) == (0.0, 0.0)


@given(reference=VALUES, current=VALUES)
def test_the_wasserstein_error_covers_scipys_distance_for_any_cells(reference, current):
    edges, _ = _edges(reference, set())
    c, r = _cells(current, edges), _cells(reference, edges)
    low, high = min(*reference, *current), max(*reference, *current)
    found = wasserstein(c, r, edges=edges, low=low, high=high)
    true = stats.wasserstein_distance(current, reference)
    assert abs(found.distance - true) <= found.error + 1e-9


@given(current=COUNTS, data=st.data())
def test_many_columns_at_once_are_the_same_as_one_by_one(current, data):
    reference = data.draw(st.lists(st.integers(0, 50), min_size=len(current), max_size=len(current)))
    cut = data.draw(st.integers(1, len(current) - 1))
    c, r, offsets = np.array(current), np.array(reference), np.array([0, cut, len(current)])
    for metric in (psi, js, hellinger, l_infinity, lambda *a, offsets: ks(*a, offsets=offsets).distance):
        together = metric(c, r, offsets=offsets)
        apart = [
            metric(c[part], r[part], offsets=_offsets(len(c[part])))[0] for part in (slice(0, cut), slice(cut, None))
        ]
        assert together == pytest.approx(apart, abs=1e-12)


@given(current=COUNTS, data=st.data())
def test_every_metric_is_zero_for_equal_counts_never_negative_and_the_same_seen_from_either_side(current, data):
    reference = data.draw(st.lists(st.integers(0, 50), min_size=len(current), max_size=len(current)))
    c, r, offsets = np.array(current), np.array(reference), _offsets(len(current))
    for metric in (psi, js, hellinger, l_infinity):
        assert metric(c, c, offsets=offsets)[0] == pytest.approx(0.0, abs=1e-12)
        assert metric(c, r, offsets=offsets)[0] >= 0
        assert metric(c, r, offsets=offsets)[0] == pytest.approx(metric(r, c, offsets=offsets)[0], abs=1e-12)
    for bounded in (js, hellinger, l_infinity):
        assert bounded(c, r, offsets=offsets)[0] <= 1 + 1e-12


@given(current=COUNTS, data=st.data())
def test_chi2_is_scipys_after_pooling_what_is_expected_under_five(current, data):
    reference = data.draw(st.lists(st.integers(0, 50), min_size=len(current), max_size=len(current)))
    found = chi2(np.array(current), np.array(reference))
    table = np.array([current, reference], float)
    table = table[:, table.sum(axis=0) > 0]
    if table.size == 0 or not table.sum(axis=1).all():
        assert found is None
        return
    rare = (stats.contingency.expected_freq(table) < 5).any(axis=0)
    if rare.sum() > 1:
        table = np.column_stack((table[:, ~rare], table[:, rare].sum(axis=1)))
    if table.shape[1] < 2:
        assert found is None
        return
    oracle = stats.chi2_contingency(table, correction=False)
    assert (found.freedom, found.pooled) == (oracle.dof, int(rare.sum()))
    assert found.statistic == pytest.approx(oracle.statistic, rel=1e-9, abs=1e-12)
    assert found.p_value == pytest.approx(oracle.pvalue, rel=1e-9, abs=1e-300)


@given(counts=st.lists(st.integers(0, 30), min_size=1, max_size=60))
def test_deciles_are_at_most_ten_runs_of_cells_and_without_atoms_about_a_tenth_each(counts):
    cells = np.array(counts)
    edges = np.arange(len(cells) - 1.0)
    layout = Layout(columns=(ColumnLayout(name="x", kind="numeric", edges=edges, atoms=np.zeros(len(cells), bool)),))
    starts = decile_groups(layout, replace(empty(layout), counts=cells)).starts
    assert starts[0] == 0
    assert (np.diff(starts) > 0).all()
    assert len(starts) <= DECILES
    grouped = np.add.reduceat(cells, starts)
    assert grouped.sum() == cells.sum()
    if cells.sum():
        assert (grouped > 0).all()
        assert grouped.max() <= cells.sum() / DECILES + cells.max()


def test_golden_psi_of_the_published_convention():
    """Two samples of 100 from N(0, 1) and N(1, 1), ten deciles, +½: the exact index of the normals is 1.0."""
    rng = np.random.default_rng(5)
    cuts = stats.norm.ppf(np.arange(1, 10) / 10)
    values = []
    for _ in range(400):
        r, c = (np.bincount(np.searchsorted(cuts, rng.normal(mean, 1, 20_000)), minlength=10) for mean in (0, 1))
        values.append(psi(c, r, offsets=_offsets(10))[0])
    p = np.diff(stats.norm.cdf(np.concatenate(([-np.inf], cuts, [np.inf])), loc=1))
    assert np.mean(values) == pytest.approx(np.sum((p - 0.1) * np.log(p / 0.1)), rel=0.01)


LAYOUT = Layout(
    columns=(
        ColumnLayout(name="all_missing", kind="numeric", edges=np.empty(0), atoms=np.zeros(1, bool)),
        ColumnLayout(
            name="constant", kind="numeric", edges=np.array([np.nextafter(3.0, 0.0), 3.0]),
            atoms=np.array([False, True, False]),
        ),
        ColumnLayout(name="one_category", kind="categorical", categories=("a",), known_hashes=np.empty(0, np.uint64)),
        ColumnLayout(name="carrier", kind="categorical", categories=("UA", "B6"), known_hashes=np.empty(0, np.uint64)),
        ColumnLayout(name="empty_category", kind="categorical", known_hashes=np.empty(0, np.uint64)),
    )
)  # fmt: skip


def _profile(*counts: list[int]) -> Profile:
    flat = np.array([n for column in counts for n in column], np.int64)
    profile = empty(LAYOUT)
    profile.counts[:] = flat
    profile.minimum[1] = profile.maximum[1] = 3.0
    return profile


REFERENCE = _profile([0], [0, 9, 0], [9, 0, 0], [5, 4, 0, 0], [0, 0])


def test_a_column_that_cannot_be_compared_has_no_value_and_says_why():
    found = compare(LAYOUT, REFERENCE, _profile([4], [0, 9, 0], [9, 0, 0], [5, 4, 0, 0], [0, 3]), metrics=METRICS)
    said = {(m.column, m.metric): (m.value, m.reason) for m in found}
    for metric in METRICS:
        if metric not in CATEGORICAL_ONLY:
            assert said["all_missing", metric] == (None, "all_missing")
            assert said["constant", metric] == (None, "constant")
        if metric not in ("ks", "wasserstein", "wasserstein_normalised"):
            assert said["one_category", metric] == (None, "constant")
            assert said["empty_category", metric] == (None, "all_missing")
            assert said["carrier", metric][1] is None


def test_unseen_categories_are_one_cell():
    found = compare(LAYOUT, REFERENCE, _profile([0], [0, 9, 0], [9, 0, 0], [5, 4, 0, 6], [0, 0]), metrics=["psi"])
    carrier = next(m for m in found if m.column == "carrier")
    p, q = np.array([5.5, 4.5, 6.5]) / 16.5, np.array([5.5, 4.5, 0.5]) / 10.5
    assert carrier.value == pytest.approx(np.sum((p - q) * np.log(p / q)), abs=1e-12)
    assert (carrier.method["bins"], carrier.rows, carrier.reference_rows) == (3, 15, 9)


def test_a_constant_that_moves_is_seen_by_range_though_deciles_cannot_tell():
    found = compare(LAYOUT, REFERENCE, _profile([0], [0, 0, 9], [9, 0, 0], [5, 4, 0, 0], [0, 0]))
    psi_of = next(m for m in found if (m.column, m.metric) == ("constant", "psi"))
    assert (psi_of.value, psi_of.reason) == (None, "constant")
    ks_of = next(m for m in found if (m.column, m.metric) == ("constant", "ks"))
    assert ks_of.value == 1.0


def test_the_bins_of_a_reference_cover_every_cell_once():
    bins = decile_groups(LAYOUT, REFERENCE)
    assert bins.count(REFERENCE).sum() == REFERENCE.counts.sum()
    assert np.array_equal(bins.count(REFERENCE), bins.reference)
    assert len(bins.offsets) == len(LAYOUT.columns) + 1


def test_a_layout_without_columns_has_nothing_to_compare():
    layout = Layout(columns=())
    assert compare(layout, empty(layout), empty(layout), metrics=METRICS) == ()
