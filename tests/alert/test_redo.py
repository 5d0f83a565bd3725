"""The promise over months in which a version is calibrated again every week by what was held healthy."""

import numpy as np
import pytest
from scipy.stats import poisson

from monitor.alert.calibrate import calibrate
from tests.alert.drawing import Traffic, alarms, calibrated, history_of, scores

WEEK = 168


@pytest.mark.parametrize("concentration", [None, 90.0])
def test_calibrated_again_every_week_the_rate_is_kept(concentration):
    """Twelve weeks of three versions of ten columns, windows in alarm left out of every next history."""
    rng = np.random.default_rng(20261201)
    found = 0
    for _ in range(3):
        traffic = Traffic(rng=rng, columns=10, concentration=concentration)
        own = traffic.history(360)
        history, over = own, []
        for _ in range(12):
            taught = calibrated(history)
            cells, hits, rows = week = traffic.windows(WEEK)
            alarm = scores(taught, history, week) > taught.threshold()
            over.append(alarm)
            later = history_of(cells[~alarm], hits[~alarm], rows[~alarm], contained=False, reference=own.reference)
            history = history.joined(later)
        assert (history.own, history.windows) == (360, 360 + 12 * WEEK - int(np.sum(over)))
        found += alarms(np.concatenate(over), apart=24)
    assert found <= poisson.ppf(1 - 1e-4, 3 * 12 * WEEK / 720)


def test_windows_of_another_movement_teach_it_to_a_history_that_did_not_know_it():
    """A reference that is steadier than production alarms until the windows since have joined it."""
    rng = np.random.default_rng(3)
    steady, moving = Traffic(rng=rng, columns=5), Traffic(rng=rng, columns=5, concentration=90.0)
    own = steady.history(240)
    since = history_of(*moving.windows(240), contained=False, reference=own.reference)
    joined = own.joined(since)
    new = moving.windows(240)
    before, after = (calibrate(each, windows_per_month=720.0, per_month=1.0) for each in (own, joined))
    assert (scores(before, own, new) > before.threshold()).sum() > 20
    assert (scores(after, joined, new) > after.threshold()).sum() <= poisson.ppf(1 - 1e-4, 240 / 720)
