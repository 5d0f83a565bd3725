"""Since when, against a search through all places by least squares, and at the stated probabilities."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from monitor.explain.changepoint import CERTAIN, change_point

WINDOWS = 60


def least_squares(z):
    """The place whose two means leave the least, by the raw definition."""
    left = [((z[:k] - z[:k].mean()) ** 2).sum() + ((z[k:] - z[k:].mean()) ** 2).sum() for k in range(1, len(z))]
    return 1 + int(np.argmin(left))


def histories(rng, *, step, lasted, count=2_000):
    """Scores of windows that are healthy but for the last ``lasted``, which lie higher by ``step``."""
    z = rng.normal(size=(count, WINDOWS))
    z[:, WINDOWS - lasted :] += step
    return z


@given(arrays(np.float64, st.integers(8, 40), elements=st.floats(-3, 3)), st.integers(2, 6), st.floats(8, 50))
def test_a_clear_step_is_where_least_squares_puts_it(z, lasted, step):
    z[-lasted:] += step
    found = change_point(z)
    assert found.first == least_squares(z)
    assert found.earliest <= found.first <= found.latest


@pytest.mark.parametrize("lasted", [1, 5, 30])
@pytest.mark.parametrize("step", [4.0, 6.0])
def test_the_true_window_is_within_the_stated_interval(step, lasted):
    """2,000 histories each: less than 92 % at a true 95 % has a probability below 1e-8."""
    z = histories(np.random.default_rng(11), step=step, lasted=lasted)
    found = [change_point(each) for each in z]
    true = WINDOWS - lasted
    inside = [f is not None and not f.before_all and f.earliest <= true <= f.latest for f in found]
    assert np.mean(inside) >= CERTAIN - 0.03


@pytest.mark.parametrize(("step", "exact"), [(4.0, 0.85), (6.0, 0.98)])
def test_a_step_of_so_many_standard_errors_is_dated_to_the_window(step, exact):
    z = histories(np.random.default_rng(3), step=step, lasted=8, count=1_000)
    assert np.mean([change_point(each).first == WINDOWS - 8 for each in z]) >= exact


def test_what_was_so_in_all_windows_is_older_than_them():
    """One history in a hundred shows a step by chance: more than 3 % of 2,000 has a probability below 1e-10."""
    z = np.random.default_rng(5).normal(5.0, 1.0, size=(2_000, WINDOWS))
    found = [change_point(each) for each in z]
    assert np.mean([f.before_all for f in found]) >= 0.97


def test_windows_that_could_not_be_scored_are_left_out():
    z = np.array([0.1, np.nan, -0.3, 0.2, np.nan, 9.0, 9.2])
    assert change_point(z).first == 5
    assert change_point(np.array([0.1, 0.3, 8.0, np.nan])) is None


@pytest.mark.parametrize("windows", [0, 1, 2])
def test_too_few_windows_say_nothing_of_when(windows):
    assert change_point(np.full(windows, 7.0)) is None


@settings(max_examples=200)
@given(arrays(np.float64, st.integers(3, 30), elements=st.floats(-1e6, 1e6)))
def test_positions_are_those_of_scores_and_a_mirrored_series_changes_at_the_same_window(z):
    found, mirrored = change_point(z), change_point(-z)
    assume(found is not None)
    assert found == mirrored
    assert 0 <= found.earliest <= found.first <= found.latest < len(z)
