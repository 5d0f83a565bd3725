"""A history of less than a week that turns daily waits for the week; one that does not is not held back."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from monitor.alert.calibrate import calibrate
from monitor.alert.codec import decode_calibration, encode_calibration
from monitor.alert.season import SIGNIFICANT, covered_us, daily_cycle, windows_to_a_week
from monitor.model.time import HOUR_US
from tests.alert.drawing import DECILES, Traffic, history_of

PULL = np.linspace(-1.0, 1.0, 10)  # from the low deciles to the high ones


def hourly(rng, swing, *, columns=5, rows=1_000):
    """A history of hours whose deciles are pulled by ``swing`` float64[K] or float64[K, columns]."""
    pulled = np.broadcast_to(swing.reshape(len(swing), -1), (len(swing), columns))
    p = DECILES * np.exp(pulled[:, :, None] * PULL)
    rows = np.broadcast_to(rows, len(swing)).astype(int)
    cells = rng.multinomial(rows[:, None], p / p.sum(axis=2, keepdims=True)).astype(float)
    history = history_of(cells, np.zeros((len(swing), 4, columns)), rows.astype(float))
    return replace(history, starts_us=np.arange(len(swing)) * HOUR_US)


def daily(hours, *, by=0.1):
    return by * np.sin(2 * np.pi * np.arange(hours) / 24)


def remembering(rng, hours, *, columns, share=0.9):
    """AR(1) of unit variance: each hour keeps ``share`` of the last."""
    steps = np.sqrt(1 - share**2) * rng.normal(size=(hours + 200, columns))
    for hour in range(1, len(steps)):
        steps[hour] += share * steps[hour - 1]
    return steps[200:]


def of(history):
    return calibrate(history, windows_per_month=720.0, per_month=1.0)


def test_a_daily_cycle_waits_until_there_is_a_week_of_it():
    rng = np.random.default_rng(1)
    for hours in (72, 120, 167):
        taught = of(hourly(rng, daily(hours)))
        assert (taught.state, taught.needed, taught.windows) == ("learning", 168, hours)
    taught = of(hourly(rng, daily(168)))
    assert (taught.state, taught.needed) == ("extrapolated", 60)


def test_a_cycle_of_a_single_column_is_enough():
    rng = np.random.default_rng(2)
    swing = np.zeros((96, 20))
    swing[:, 7] = daily(96)
    assert of(hourly(rng, swing, columns=20)).state == "learning"


@pytest.mark.parametrize("kind", ["independent", "remembering", "jumping", "volume"])
@pytest.mark.parametrize("hours", [60, 130])
def test_without_a_cycle_no_more_are_held_back_than_is_said(kind, hours):
    """Of 60 histories, at most what 3 % passes once in 1,000 times; where windows are independent 1 %."""
    rng = np.random.default_rng(hours)
    rows = np.where(np.arange(hours) % 24 < 8, 80, 1_000) if kind == "volume" else 1_000
    held = 0
    for _ in range(60):
        swing = np.zeros(hours)
        if kind == "remembering":
            swing = 0.1 * remembering(rng, hours, columns=5)
        if kind == "jumping":
            swing = 0.1 * rng.standard_t(3, (hours, 5))
        held += windows_to_a_week(hourly(rng, swing, rows=rows), length_us=HOUR_US) > 0
    assert held <= binom.ppf(0.999, 60, 0.03 if kind == "remembering" else SIGNIFICANT)


def test_noise_that_remembers_does_not_hide_the_cycle():
    rng = np.random.default_rng(3)
    swing = daily(120)[:, None] + 0.1 * remembering(rng, 120, columns=5)
    assert daily_cycle(hourly(rng, swing), length_us=HOUR_US) <= SIGNIFICANT


def test_quiet_nights_are_covered_and_do_not_hide_the_cycle():
    rng = np.random.default_rng(4)
    whole = hourly(rng, daily(120))
    awake = np.flatnonzero(np.arange(120) % 24 >= 6)
    history = replace(
        whole, starts_us=whole.starts_us[awake], rows=whole.rows[awake],
        cells=whole.cells[awake], hits=whole.hits[awake],
    )  # fmt: skip
    assert windows_to_a_week(history, length_us=HOUR_US) == 168 - (120 - 6)


def test_days_that_are_missing_are_not_covered():
    days = np.concatenate([np.arange(48), np.arange(500, 548)])
    assert covered_us(days * HOUR_US, length_us=HOUR_US) == 96 * HOUR_US
    assert covered_us(days[:0], length_us=HOUR_US) == 0


def test_under_two_days_or_with_windows_of_half_a_day_nobody_is_held_back():
    rng = np.random.default_rng(5)
    assert daily_cycle(hourly(rng, daily(47, by=0.5)), length_us=HOUR_US) == 1.0
    longer = hourly(rng, daily(48, by=0.5))
    assert daily_cycle(longer, length_us=HOUR_US) <= SIGNIFICANT
    assert daily_cycle(replace(longer, starts_us=12 * longer.starts_us), length_us=12 * HOUR_US) == 1.0


def test_what_never_moves_turns_in_no_cycle():
    history = Traffic(rng=np.random.default_rng(6), columns=2).history(72)
    still = replace(history, starts_us=np.arange(72) * HOUR_US, cells=np.full_like(history.cells, 100.0))
    assert daily_cycle(still, length_us=HOUR_US) == 1.0


def test_the_windows_waited_for_come_back_from_bytes():
    taught = of(hourly(np.random.default_rng(7), daily(72)))
    assert decode_calibration(encode_calibration(taught)).to_a_week == taught.to_a_week == 96
