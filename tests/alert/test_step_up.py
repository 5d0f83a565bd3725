"""The share of drifted columns, held against scipy's procedure and against what it promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, false_discovery_control, norm

from monitor.alert.step_up import step_up

LEVEL = 0.05
p_values = st.lists(st.floats(1e-12, 1.0), min_size=1, max_size=60)


def drifted(p: np.ndarray, *, level: float = LEVEL) -> np.ndarray:
    """bool[C] by the product's code, as if the whole family spent ``level``."""
    log_p = -np.log(p)
    return log_p > step_up(log_p, limit=-np.log(level / len(p)))


@given(p_values)
def test_what_is_drifted_is_what_scipys_procedure_rejects(found):
    p = np.array(found)
    adjusted = false_discovery_control(p, method="bh")
    near = np.isclose(adjusted, LEVEL, rtol=1e-9)  # equal but for rounding: either answer is right
    assert (drifted(p) == (adjusted < LEVEL))[~near].all()


@given(p_values)
def test_tests_that_were_not_judged_change_nothing(found):
    log_p = -np.log(np.array(found))
    with_unknown = np.concatenate([log_p, [np.nan, np.nan]])
    assert step_up(with_unknown, limit=3.0) == step_up(log_p, limit=3.0)


def test_nothing_judged_leaves_the_limit_of_one_alone():
    assert step_up(np.full(4, np.nan), limit=3.0) == 3.0


@given(p_values, st.floats(0.1, 12.0))
def test_it_never_asks_more_than_of_one_column_alone(found, limit):
    assert step_up(-np.log(np.array(found)), limit=limit) <= limit


def columns_of(dice: np.random.Generator, *, windows: int, columns: int, together: float, shifted: int) -> np.ndarray:
    """Two-sided p float64[windows, columns] of normal scores with a common factor, the first ``shifted`` moved by 4."""
    scores = np.sqrt(together) * dice.normal(size=(windows, 1)) + np.sqrt(1 - together) * dice.normal(
        size=(windows, columns)
    )
    scores[:, :shifted] += 4.0
    return 2 * norm.sf(np.abs(scores))


@pytest.mark.parametrize("together", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("columns", [20, 200])
def test_healthy_windows_have_a_drifted_column_no_more_often_than_stated(columns, together):
    """Under 1e-7 by chance if the rate is at most the level: 4,000 windows, one binomial test each."""
    p = columns_of(np.random.default_rng(11), windows=4_000, columns=columns, together=together, shifted=0)
    any_drifted = sum(bool(drifted(window).any()) for window in p)
    assert binomtest(any_drifted, len(p), LEVEL, alternative="greater").pvalue > 1e-7


@pytest.mark.parametrize("together", [0.0, 0.5])
def test_of_what_is_called_drifted_the_stated_share_is_false_and_more_is_found_than_column_by_column(together):
    columns, shifted = 200, 60
    p = columns_of(np.random.default_rng(12), windows=1_000, columns=columns, together=together, shifted=shifted)
    called = np.array([drifted(window) for window in p])
    false_share = called[:, shifted:].sum(axis=1) / np.maximum(called.sum(axis=1), 1)
    # A mean of 1,000 shares in [0, 1]: by Hoeffding beyond 0.09 above its expectation once in 1e7.
    assert false_share.mean() <= LEVEL + 0.09
    alone = p < LEVEL / columns
    assert called[:, :shifted].mean() > alone[:, :shifted].mean() + 0.1
