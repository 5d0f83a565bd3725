"""Baselines that move keep the budget, see along a season what the reference sees late, and are blind where told."""

import numpy as np
from scipy.stats import poisson

from benchmarks.alarms import shifts
from benchmarks.alarms.laws import Stream
from benchmarks.alarms.measure import delay, episodes
from benchmarks.alarms.moving import APART, streams, watched
from benchmarks.alarms.shifts import mean
from monitor.alert.calibrate import calibrate
from monitor.alert.codec import decode_calibration, encode_calibration
from monitor.alert.held import held_by, held_fixed
from monitor.alert.replay import replay
from monitor.alert.season import SIGNIFICANT, seasons
from monitor.model.time import HOUR_US
from tests.alert.drawing import Traffic
from tests.alert.test_season import daily, hourly

HISTORY, QUIET, VERSIONS = 360, 360, 3
SAME_HOUR = {"kind": "same_hour", "windows": 7, "min_windows": 3}
SWINGING = streams(columns=3)[1]


def over(stream, shape, **how):
    """Windows over the threshold of each version, bool[W]."""
    found = [
        watched(stream, shape, version=v, history=HISTORY, quiet=QUIET, **how) for v in range(VERSIONS)
    ]  # fmt: skip
    return [scores > bound for scores, bound in found]


def test_on_traffic_that_swings_daily_the_same_hour_keeps_the_budget_and_sees_at_once_what_the_reference_sees_late():
    by_hour, by_reference = over(SWINGING, SAME_HOUR), over(SWINGING, {"kind": "reference"})
    alarms = sum(len(episodes(one[:QUIET], apart=APART)) for one in by_hour)
    months = VERSIONS * QUIET / 720
    assert alarms <= poisson.ppf(1 - 1e-6, 2 * months)
    soon, late = (
        np.median([delay(one[QUIET:], onset=0) for one in each]) for each in (by_hour, by_reference)
    )  # fmt: skip
    assert soon <= 3
    assert soon < late


def test_windows_before_never_see_what_comes_slowly_and_the_reference_does(monkeypatch):
    """Half a standard deviation in 300 hours: the reference is far behind, the hours before are a hair behind."""
    monkeypatch.setitem(shifts.COMES, "slowly", lambda since: np.clip((since + QUIET) / 300.0, 0.0, 1.0))
    drift = shifts.Shift(name="slow", comes="slowly", moves=mean(0.5).moves)
    stream = Stream(name="independent", columns=3)
    rolling = over(stream, {"kind": "rolling", "windows": 12, "gap": 0}, shift=drift)
    reference = over(stream, {"kind": "reference"}, shift=drift)
    assert [one[:QUIET].any() for one in reference] == [True] * VERSIONS
    assert sum(one[:QUIET].sum() for one in rolling) <= poisson.ppf(1 - 1e-6, 2 * VERSIONS * QUIET / 720)


def test_each_window_is_replayed_against_the_sum_of_what_the_rule_chose():
    drawn = Traffic(rng=np.random.default_rng(1), columns=2).history(40)
    held = held_by(drawn, places=lambda start: [start - step * HOUR_US for step in (1, 2, 3)], min_windows=2)
    assert held.starts_us.tolist() == drawn.starts_us[2:].tolist()
    assert held.against.rows.tolist() == [drawn.rows[max(k - 3, 0) : k].sum() for k in range(2, 40)]
    assert (held.against.cells[5] == drawn.cells[4:7].sum(axis=0)).all()
    parts = replay(held).parts
    assert [int(part.inside.sum()) for part in parts] == [1] * 38
    assert sorted({part.fold for part in parts}) == [0, 1, 2, 3, 4]


def test_fixed_windows_are_taken_out_of_what_they_are_held_against_and_have_all_scales():
    drawn = Traffic(rng=np.random.default_rng(2), columns=2).history(120)
    inside = np.arange(120) < 60
    total = held_by(drawn, places=lambda start: drawn.starts_us[:60].tolist(), min_windows=1).against.of(0)
    held = held_fixed(drawn, inside=inside, total=total)
    assert (held.own, held.windows) == (60, 120)
    own_fold = slice(0, 12)  # the first of five
    assert (held.against.cells[0] == drawn.cells[:60].sum(axis=0) - drawn.cells[own_fold].sum(axis=0)).all()
    assert (held.against.cells[-1] == drawn.cells[:60].sum(axis=0)).all()
    taught = calibrate(held, windows_per_month=720.0, per_month=1.0)
    assert [scale.windows for scale in taught.scales][:2] == [1, 3]
    assert decode_calibration(encode_calibration(taught)).threshold() == taught.threshold()


def test_seasons_are_told_apart_and_kept_with_the_calibration():
    rng = np.random.default_rng(3)
    hours = np.arange(28 * 24)
    weekly = 0.1 * np.sin(2 * np.pi * hours / 168)
    by_day, by_week = seasons(hourly(rng, daily(28 * 24)), length_us=HOUR_US)
    assert by_day < SIGNIFICANT < by_week
    by_day, by_week = seasons(hourly(rng, weekly), length_us=HOUR_US)
    assert by_week < SIGNIFICANT < by_day
    taught = calibrate(hourly(rng, weekly), windows_per_month=720.0, per_month=1.0)
    again = decode_calibration(encode_calibration(taught))
    assert (again.daily, again.weekly) == (taught.daily, taught.weekly)
    assert taught.weekly < SIGNIFICANT
