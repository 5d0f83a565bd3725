"""What an outside test says of the very days that an alarm is about: are they further out than the reference's?

As it was stated before it was run: the days that were judged together, against every run of as many days of January
and February, by the share of rows that the explanation names. Distances are from the median of all runs, these days'
included, and p = (1 + runs at least as far) / (runs + 1). Of single days that is exact where days can be exchanged;
longer runs overlap, so theirs says less than it seems to. It is not corrected for the days watched: with 59 days of
reference p is never below 1/60.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from tests.alert.flights import flights
from tests.alert.outside import WINTER_DAYS


def moved_on_days(column, *, of, last, days):
    """(p, how far the days up to ``last`` are as a multiple of the furthest run of winter).

    ``of`` is "missing", or "out_of_range" of all other days; ``last`` is a day of the year from 0.
    """
    counted = {"missing": _missing, "out_of_range": _beyond}[of]
    tested = range(last - days + 1, last + 1)
    runs = [*(range(begin, begin + days) for begin in range(WINTER_DAYS - days + 1)), tested]
    every = {*range(WINTER_DAYS), *tested}
    shares = [counted(column, run, every.difference(run)) / sum(len(_rows(column)[day]) for day in run) for run in runs]
    far = np.abs(np.array(shares) - np.median(shares))
    furthest = far[:-1].max()
    return (1 + np.sum(far[:-1] >= far[-1])) / len(far), far[-1] / furthest if furthest else np.inf


@cache
def _rows(column):
    """Each day's values, missing ones too."""
    return [values.to_numpy() for _, values in flights().groupby("day")[column]]


@cache
def _ranges(column):
    """The least and the largest of each day; of one without values NaN."""
    days = flights().groupby("day")[column]
    return days.min().to_numpy(), days.max().to_numpy()


def _missing(column, run, others):
    return sum(int(np.isnan(_rows(column)[day]).sum()) for day in run)


def _beyond(column, run, others):
    lows, highs = _ranges(column)
    low, high = np.nanmin(lows[list(others)]), np.nanmax(highs[list(others)])
    return sum(int(((_rows(column)[day] < low) | (_rows(column)[day] > high)).sum()) for day in run)
