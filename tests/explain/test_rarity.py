"""How unusual: the inverse of the threshold, never beyond what the history supports, and as often as it says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.alert.evidence import thresholds
from monitor.explain.rarity import rarity_of
from monitor.model.time import DAY_US, HOUR_US
from tests.alert.drawing import Traffic, calibrated, scores
from tests.explain.world import World


@pytest.fixture(scope="module")
def world():
    return World()


@settings(max_examples=50)
@given(st.floats(7.0, 100.0))
def test_the_rarity_at_a_threshold_is_the_rate_it_was_set_for(world, per_month):
    """120 hourly windows support one in five days, six a month."""
    alert, _ = thresholds(world.calibration, per_month=per_month)
    found = rarity_of(alert, calibration=world.calibration)
    peaks = world.calibration.peaks
    most = (peaks.windows + 1) / (peaks.count + 1) * HOUR_US  # between two windows at the start of the tail
    assert found.once_in_us == pytest.approx(max(30 * DAY_US / per_month, most), rel=1e-6)


@given(st.floats(0.0, 1e4))
def test_no_rarity_is_beyond_the_healthy_windows_there_are(world, surprise):
    found = rarity_of(surprise, calibration=world.calibration)
    assert found.once_in_us <= world.windows * HOUR_US
    assert found.healthy_windows == world.windows


@given(st.floats(0.0, 60.0), st.floats(0.0, 10.0))
def test_what_is_more_surprising_is_no_more_frequent(world, surprise, more):
    one, other = (rarity_of(x, calibration=world.calibration) for x in (surprise, surprise + more))
    assert one.once_in_us <= other.once_in_us


def test_where_the_history_ends_the_words_say_so(world):
    found = rarity_of(500.0, calibration=world.calibration)
    assert found.words == "rarer than once in 5 days, which is as far as 120 healthy windows can tell"


def test_nothing_is_said_while_nothing_was_learned():
    assert rarity_of(500.0, calibration=World(windows=20).calibration) is None


def episodes(passed):
    """How many runs of windows that passed, those at most a dozen windows apart taken as one."""
    at = np.flatnonzero(passed)
    return int(len(at) > 0) + int((np.diff(at) > 12).sum())


def test_healthy_windows_go_so_far_as_often_as_it_says():
    """Episodes of healthy models past the score that is said to come once in 120 windows (5 days of hours).

    Over 40 models and 300 windows each 100 are expected; the threshold is a predictive one, which errs on the rare
    side, and neighbours count once, as in the replay. Counts of Poisson(100) beyond 160 have a probability below 1e-7.
    """
    rng = np.random.default_rng(20)
    passed = 0
    for _ in range(40):
        traffic = Traffic(rng, columns=5, rows=1_000)
        history = traffic.history(720)
        calibration = calibrated(history)
        limit = calibration.threshold(per_month=calibration.windows_per_month / 120)
        passed += episodes(scores(calibration, history, traffic.windows(300)) > limit)
    assert 20 <= passed <= 160
