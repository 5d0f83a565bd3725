"""How many windows of a column count as one: by sequences whose autocorrelation time is known."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.alarms.laws import Stream, healthy, remembering
from benchmarks.alarms.windows import calibrated, counted, history_of
from monitor.alert.calibrate import calibrate
from monitor.alert.codec import decode_calibration, encode_calibration
from monitor.alert.memory import memory


def taught(stream, *, seed=1):
    """The calibration of the stream's history."""
    rng = np.random.default_rng(seed)
    shares, rows = stream.shares(rng, times=np.arange(stream.history))
    history = history_of(counted(rng, stream, shares=shares, rows=rows), ordered=stream.ordered)
    return calibrated(history, windows_per_month=stream.per_month)


def named(name, **size):
    return next(one for one in healthy(**size) if one.name == name)


@pytest.mark.parametrize("kept", [0.5, 0.8, 0.9])
def test_an_autoregression_counts_its_windows_as_theory_has_it(kept):
    """Σ ρ^|l| = (1 + ρ)/(1 − ρ), of one column in ten thousand windows to within a fifth."""
    stream = Stream(name="one", columns=1, rows=10_000, history=10_000, swing=remembering(kept))
    assert taught(stream).memory == pytest.approx((1 + kept) / (1 - kept), rel=0.2)


@pytest.mark.parametrize(
    "name", ["independent", "Dirichlet", "one direction, t3", "volume by hour", "rare categories", "counts with ties"]
)
def test_windows_that_forget_count_each_for_itself(name):
    """Where a lag of one seems remembered by chance (one in 700 a column), τ is hardly above 1."""
    found = taught(named(name))
    assert found.memory < 1.5
    assert not found.few


def test_two_days_of_memory_make_a_month_of_hours_few_windows_and_the_slowest_column_is_named():
    found = taught(named("autocorrelated 0.98", rows=10_000))
    assert found.slowest in found.layout_cells.columns
    assert found.independent == found.windows / found.memory
    assert found.independent < 10
    assert found.few


@pytest.mark.parametrize("name", ["autocorrelated 0.9", "daily season", "weekly season", "both seasons"])
def test_a_month_is_enough_for_seasons_and_for_a_memory_of_half_a_day(name):
    assert not taught(named(name)).few


def test_what_moves_slowly_but_is_judged_by_nobody_makes_nothing_few():
    rng = np.random.default_rng(2)
    stream = Stream(name="one", columns=2, rows=10_000, swing=remembering(0.98))
    shares, rows = stream.shares(rng, times=np.arange(720))
    shares[:, 1] = 0.1
    history = history_of(counted(rng, stream, shares=shares, rows=rows))
    assert calibrated(history).slowest == "c0"
    among = np.array([[False, True]] * 5)
    other = calibrate(history, windows_per_month=720.0, per_month=1.0, among=among)
    assert (other.few, other.memory < 1.5) == (False, True)


def test_it_is_kept_with_the_calibration_and_unknown_of_earlier_ones():
    found = taught(named("autocorrelated 0.98", columns=2))
    again = decode_calibration(encode_calibration(found))
    assert (again.memory, again.slowest) == (found.memory, found.slowest)
    assert not replace(found, memory=1.0, slowest="").few


def test_what_lies_off_its_mean_in_every_window_is_no_memory():
    """Windows of few values against a mixture of them: each cell's root is a little low, in every window."""
    roots = 3.0 + np.random.default_rng(3).standard_normal((1, 500, 4))
    known = {"noise": np.full((1, 500), 0.1), "valid": np.ones((1, 500), dtype=bool)}
    assert memory(roots, **known)[0] < 1.5


def test_without_windows_nothing_is_remembered():
    stream = Stream(name="none", columns=2, history=0)
    assert taught(stream).slowest == ""
