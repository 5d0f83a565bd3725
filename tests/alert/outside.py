"""What outside tests say of a column's raw values: have they moved since winter, weeks taken as blocks?"""

from __future__ import annotations

import numpy as np
from scipy.stats import permutation_test, ttest_ind

from tests.alert.flights import flights

WINTER_DAYS = 59  # January and February


def moved_by_weeks(column, *, of="values", months=7):
    """The p of a permutation test of weeks, the winter's against the later ones: how far their distributions are apart.

    ``of`` "values" compares distributions of the raw values, "missing" shares of rows that have none.
    """
    frame = flights()
    frame = frame[frame.month <= months]
    every = _shares_missing(frame, column=column) if of == "missing" else _distributions(frame, column=column)
    weeks = np.arange(len(every))
    winter = weeks * 7 + 6 < WINTER_DAYS  # whole weeks

    def apart(some, others, axis):
        mean, other = (every[those.astype(int)].mean(axis=some.ndim - 1) for those in (some, others))
        return np.abs(mean - other).max(axis=-1)

    return permutation_test(
        (np.flatnonzero(winter), np.flatnonzero(~winter)), apart, alternative="greater", n_resamples=1_999, batch=200,
        rng=np.random.default_rng(5), vectorized=True, axis=-1,
    ).pvalue  # fmt: skip


def moved_in_the_week(column, *, of="values", last):
    """The p of Student's t test of one week against the eight of winter: its share missing, or the mean of its values.

    The week is the seven days up to ``last``, a day of the year from 0. Of "values" the column has to have numbers.
    """
    frame = flights()
    values = frame[column].isna() if of == "missing" else frame[column]
    ends = [*range(6, WINTER_DAYS, 7), last]
    *winter, week = (values[frame.day.between(end - 6, end)].astype(float).mean() for end in ends)
    return ttest_ind([week], winter).pvalue


def _distributions(frame, *, column):
    """float64[weeks, grid]: the distribution function of each week's values; of categories, their shares."""
    known = frame[frame[column].notna()]
    values, weeks = known[column].to_numpy(), known.day.to_numpy() // 7
    if values.dtype == object:
        return np.array([[np.mean(values[weeks == week] == one) for one in np.unique(values)] for week in _each(weeks)])
    grid = np.quantile(values.astype(float), np.linspace(0, 1, 201))
    ordered = (np.sort(values[weeks == week]) for week in _each(weeks))
    return np.array([np.searchsorted(of_week, grid, side="right") / len(of_week) for of_week in ordered])


def _shares_missing(frame, *, column):
    """float64[weeks, 1]."""
    missing, weeks = frame[column].isna().to_numpy(), frame.day.to_numpy() // 7
    return np.array([[missing[weeks == week].mean()] for week in _each(weeks)])


def _each(weeks):
    return range(int(weeks.max()) + 1)
