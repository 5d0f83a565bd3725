"""The steps of the recipe, each against an independent implementation."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import logsumexp

from monitor.alert import psi_tail_table
from monitor.alert.movement import share_variance, usual_movement
from monitor.alert.pooling import build_pooling, pool
from monitor.alert.psi_tail import log_psi_tail
from monitor.alert.rare import rare_surprise
from monitor.alert.roots import noise, share_root, signed_roots, smoothed_shares
from monitor.alert.surprise import column_surprise, focused_directions, log_chi2_tail
from monitor.alert.tail import fit_tail, fit_tails
from monitor.alert.threshold import Peaks, column_threshold, find_peaks, model_score
from monitor.drift.psi import psi

counts = st.lists(st.integers(0, 5_000), min_size=10, max_size=10).filter(lambda c: sum(c) > 0)


@given(counts, counts)
def test_the_squares_of_the_signed_roots_add_up_to_psi(current, reference):
    width = np.array([10])
    p = smoothed_shares(np.array([[current]], float), width=width)
    q = smoothed_shares(np.array([[reference]], float), width=width)
    expected = psi(np.array(current), np.array(reference), offsets=np.array([0, 10]))[0]
    assert (signed_roots(p, q) ** 2).sum() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(st.integers(0, 500), st.integers(0, 500))
def test_the_root_of_a_share_is_the_root_of_its_two_cell_psi(k, r):
    root = share_root(np.array([k]), np.array([500]), reference_hits=np.array([r]), reference_sizes=np.array([500]))
    expected = psi(np.array([k, 500 - k]), np.array([r, 500 - r]), offsets=np.array([0, 2]))[0]
    assert root[0] ** 2 == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert np.sign(root[0]) == np.sign(k - r)


def test_a_rare_count_is_as_surprising_as_the_beta_binomial_says():
    rng = np.random.default_rng(0)
    for _ in range(200):
        n, m, r = int(10 ** rng.uniform(1.7, 4)), int(10 ** rng.uniform(2, 6)), int(rng.integers(0, 20))
        k = int(rng.integers(1, min(n, 60)))
        law = stats.betabinom(n, r + 0.5, m - r + 0.5)
        expected = -logsumexp(law.logpmf(np.arange(k, n + 1)))
        found = rare_surprise(np.array([k]), np.array([n]), reference_hits=np.array([r]), reference_sizes=np.array([m]))
        assert found[0] == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("degrees", [1, 2, 5, 9])
def test_the_tail_of_chi_square_is_scipys_and_goes_on_where_scipy_underflows(degrees):
    statistic = np.array([0.0, 0.5, 3.0, 20.0, 150.0, 600.0])
    assert log_chi2_tail(statistic, degrees) == pytest.approx(stats.chi2.logsf(statistic, degrees), rel=1e-9)
    low, high = log_chi2_tail(np.array([399.999, 400.001]), degrees)  # where the series takes over
    assert low - high == pytest.approx(0.001, rel=0.02)
    assert log_chi2_tail(np.array([1e5]), degrees)[0] == pytest.approx(-5e4, rel=1e-3)


def test_movement_is_found_along_its_direction_and_nothing_is_found_in_noise():
    rng = np.random.default_rng(1)
    n, windows, q = 2_000, 4_000, np.full(10, 0.1)
    direction = np.sqrt(q) * np.linspace(-1, 1, 10)
    direction /= np.linalg.norm(direction)
    p = q + np.sqrt(q) * direction * rng.normal(0, 0.05, (windows, 1))
    for shares, expected in ((np.broadcast_to(q, p.shape), 0.0), (p, 0.05**2)):
        drawn = rng.multinomial(n, shares).astype(float)
        reference = np.broadcast_to(q, (1, 1, 10))
        roots = signed_roots(smoothed_shares(drawn[None], width=np.array([10])), reference)
        nu = noise(np.full((1, windows), float(n)), np.full((1, 1), 1e12))
        found = usual_movement(roots, noise=nu, valid=np.ones((1, windows), bool), shares=q[None])
        error = np.sqrt(2 / windows) * (expected + 1 / n)
        assert found.variance[0, -1] == pytest.approx(expected, abs=0.1 * expected + 6 * error)
        if expected:
            assert abs(found.directions[0, :, -1] @ direction) > 0.99


def test_the_variance_of_a_share_is_what_its_roots_have_beyond_noise():
    rng = np.random.default_rng(2)
    roots = rng.normal(0, np.sqrt(0.01 + 0.002), (5_000, 1, 1))
    nu = np.full(roots.shape, 0.002)
    found = share_variance(roots, noise=nu, valid=np.ones(roots.shape, bool))[0, 0]
    assert found == pytest.approx(0.01, rel=0.1)


def test_with_nothing_to_know_the_surprise_is_that_of_chi_square_or_of_one_direction():
    rng = np.random.default_rng(3)
    n, q = 5_000, np.full((1, 10), 0.1)
    drawn = rng.multinomial(n, np.broadcast_to(q, (2_000, 10))).astype(float)[None]
    roots = signed_roots(smoothed_shares(drawn, width=np.array([10])), q[:, None])
    nu = np.full((1, 2_000), 1 / n)
    valid = np.zeros((1, 2_000), bool)
    still = usual_movement(roots, noise=nu, valid=valid, shares=q)
    x = column_surprise(
        roots, noise=nu, movement=still, shares=q, width=np.array([10]), ordered=np.array([True])
    )[0]  # fmt: skip
    statistic = (roots[0] ** 2).sum(axis=1) * n
    assert (x >= np.maximum(-np.log(3) - stats.chi2.logsf(statistic, 9), 0) - 1e-9).all()
    for p in (0.1, 0.01):  # at most what it says, and not idle
        assert 0.2 * p < (np.exp(-x) < p).mean() <= p * 1.3


def test_a_shift_of_the_mean_pulls_along_the_location_and_a_wider_spread_along_the_spread():
    edges = stats.norm.ppf(np.linspace(0, 1, 11))
    q = np.full((1, 10), 0.1)
    along = focused_directions(q, width=np.array([10]), ordered=np.array([True]))[0]
    unit = along / np.linalg.norm(along, axis=1, keepdims=True)
    for p, strongest in ((np.diff(stats.norm.cdf(edges, 0.2)), 10), (np.diff(stats.norm.cdf(edges, 0, 1.2)), 11)):
        pull = np.abs(unit @ ((p - 0.1) / np.sqrt(0.1)))
        assert pull.argmax() == strongest


@pytest.mark.parametrize("ordered", [True, False])
def test_pooling_goes_on_until_every_cell_expects_twenty_rows_and_numbers_pool_neighbours(ordered):
    shares = np.array([[0.3, 0.02, 0.1, 0.08, 0.5, 0, 0, 0, 0, 0]])
    found = build_pooling(
        shares, width=np.array([5]), ordered=np.array([ordered]), designs=np.array([[150.0], [1_000.0]])
    )
    assert found.width[:, 0].tolist() == [5, 3, 2]
    assert found.needs[0, 0] == pytest.approx(1_000)
    for level, rows in ((0, 1_000), (1, 150)):
        pooled = pool(shares[:, None] * rows, member=found.member[level])[0, 0]
        assert pooled.sum() == pytest.approx(rows)
        assert (pooled[: found.width[level, 0]] >= 20 - 1e-9).all()
    if ordered:
        assert (np.diff(found.member[1, 0, :5].astype(int)) >= 0).all()


def test_each_column_and_window_takes_the_finest_level_its_rows_allow():
    shares = np.array([[0.1] * 10])
    found = build_pooling(shares, width=np.array([10]), ordered=np.array([True]), designs=np.array([[200.0], [100.0]]))
    assert found.width[:, 0].tolist() == [10, 5, 2]
    assert found.level(np.array([[1_000.0, 200.0, 199.0, 100.0, 99.0, 50.0]])).tolist() == [[0, 0, 1, 1, 2, 2]]


@pytest.mark.parametrize("shape", [0.0, 0.4])
def test_the_tails_shape_is_scipys_less_one_standard_error_and_never_bounded(shape):
    drawn = stats.genpareto(shape, scale=2.0).rvs((480, 400), random_state=4)
    tail = fit_tail(drawn)
    assert np.median(tail.shape) == pytest.approx(max(1 / 60, shape - 1 / np.sqrt(60)), abs=0.08)
    assert (tail.shape >= 1 / 60 - 1e-12).all()
    assert (tail.scale >= 1.0).all()
    truth = stats.genpareto(shape, scale=2.0).isf(0.01)  # well within 480 windows
    assert np.exp(-np.median(tail.surprise(np.full(400, truth)))) == pytest.approx(0.01, rel=0.25)


def test_below_the_start_of_the_tail_a_surprise_is_no_more_than_its_share_of_windows():
    tail = fit_tail(np.full((79, 1), 1.0))
    assert tail.surprise(np.array([0.3]))[0] == 0.3
    assert tail.surprise(np.array([1.0]))[0] == pytest.approx(min(1.0, np.log(80 / 10)))
    assert np.isnan(tail.surprise(np.array([np.nan]))[0])


def test_without_windows_the_surprise_is_taken_at_its_word():
    tail = fit_tail(np.full((0, 5, 1), np.nan))
    assert tail.surprise(np.full((5, 1), 12.5)) == pytest.approx(12.5, rel=1e-6)


def test_a_calm_column_is_judged_by_first_jumps_of_its_kind_and_a_restless_one_by_its_own():
    x = np.zeros((60, 5, 8))
    fold = np.arange(60) * 5 // 60
    calm = fit_tails(x, fold=fold).surprise(np.full((5, 8), 200.0))
    for column in range(4):  # four columns jump once each, two jump in every fold
        x[12 * column + 3, 1, column] = 150.0 + column
    x[::6, 1, 6:] = 300.0
    tails = fit_tails(x, fold=fold)
    seen = tails.surprise(np.full((5, 8), 200.0))
    assert tails.calm[1].tolist() == [False] * 4 + [True, True] + [False, False]
    assert seen[1, 5] < calm[1, 5]  # records of this kind do happen
    assert seen[2, 5] == pytest.approx(calm[2, 5])  # which says nothing about another kind
    assert not tails.calm[0].any()


def test_a_model_score_and_its_threshold_for_one_column_are_inverse():
    for score in (-8.0, -2.0, 0.0, 3.0, 9.0, 60.0):
        y = column_threshold(score, tests=80, looks_per_month=720.0)
        if y > 0:
            found = model_score(np.array([[y, 0.0, np.nan]]), tests=80, looks_per_month=720.0)[0]
            assert found == pytest.approx(score, abs=1e-6)
    assert model_score(np.array([[np.nan]]), tests=1, looks_per_month=1.0)[0] == -np.inf


def test_at_one_peak_the_threshold_is_above_the_largest_of_all():
    """With k = 1 the rule is conformal: of K + 1 exchangeable windows the newest is the largest once."""
    rng = np.random.default_rng(6)
    over = 0
    for _ in range(4_000):
        drawn = rng.exponential(size=30)
        rest = np.sort(drawn[:-1])[::-1]
        peaks = Peaks(windows=29, count=1, start=float(rest[1]), total=float(rest[0] - rest[1]))
        over += drawn[-1] > peaks.threshold(per_month=1.0, windows_per_month=15.0)
    assert over / 4_000 == pytest.approx(1 / 15, rel=0.15)


def test_peaks_close_together_are_one():
    scores = np.zeros(720) - np.arange(720) * 1e-6
    scores[100], scores[105], scores[300] = 9.0, 8.0, 7.0
    found = find_peaks(scores)
    assert found.windows == 720
    apart = scores.copy()
    apart[105] = scores[106]
    assert found == find_peaks(apart)


@pytest.mark.parametrize(("cells", "expected"), [(3, 20), (6, 50)])
def test_the_table_is_what_its_script_makes(cells, expected):
    script = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "psi_tail_table.py"))
    row = psi_tail_table.EXCESS[psi_tail_table.CELLS.index(cells)][psi_tail_table.EXPECTED.index(expected)]
    assert script["excess"](cells, expected) == pytest.approx(row, abs=6e-4)


@pytest.mark.parametrize(("rows", "cells"), [(200, 10), (150, 5)])
def test_the_tail_of_psi_is_what_simulation_gives_and_chi_square_promises_too_little(rows, cells):
    rng = np.random.default_rng(8)
    drawn = rng.multinomial(rows, np.full(cells, 1 / cells), 400_000)
    p, q = (drawn + 0.5) / (rows + cells / 2), 1 / cells
    statistic = rows * ((p - q) * np.log(p / q)).sum(axis=1)
    far = np.quantile(statistic, 1 - 5e-4)
    share = (statistic > far).mean()
    expected = np.full(1, rows / cells)
    found = float(np.exp(log_psi_tail(np.array([far]), cells=np.array([cells]), expected=expected))[0])
    assert found == pytest.approx(share, rel=0.2)
    assert found > 1.1 * stats.chi2.sf(far, cells - 1)
