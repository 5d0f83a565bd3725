"""The promise: so many false alarms a month, whatever the columns do by themselves.

Seeds are fixed, so results are the same on every run. With other seeds a test of a rate fails by chance, the rate being
the promised one, less than once in ten million runs: ``CHANCE`` is the probability that its bound leaves.
"""

import numpy as np
import pytest
from scipy.stats import norm, poisson

from benchmarks.alarms.experiment import OURS, run
from benchmarks.alarms.laws import Stream, healthy
from benchmarks.alarms.segments import Sliced
from benchmarks.alarms.segments import run as run_sliced
from benchmarks.alarms.shifts import mean
from benchmarks.alarms.tables import RETUNED
from tests.alert.drawing import DECILES, Traffic, alarms, calibrated, history_of, scores

CHANCE = 1e-7
SKEWED = np.array([0.5, 0.2, 0.1, 0.05, 0.04, 0.03, 0.03, 0.02, 0.02, 0.01])


def shifted(by):
    """Shares of the reference's deciles for a standard normal whose mean moved by so many standard deviations."""
    return np.diff(norm.cdf(norm.ppf(np.linspace(0, 1, 11)) - by))


def realised(traffic, *, windows, months, per_month):
    """False alarms in so many months after a history of so many windows."""
    history = traffic.history(windows)
    calibration = calibrated(history, windows_per_month=per_month)
    score = scores(calibration, history, traffic.windows(int(months * per_month)))
    return alarms(score > calibration.threshold(), apart=24 if per_month > 100 else 1)


def bound(months):
    """What a rate of one a month passes in so many months once in ten million times."""
    return poisson.ppf(1 - CHANCE, months)


@pytest.mark.parametrize(
    ("kind", "history", "per_month", "rows"),
    [
        ("independent", 120, 720, 200),
        ("independent", 60, 30, 1_000),
        ("natural", 720, 720, 1_000),
        ("natural", 240, 720, 10_000),
        ("categories", 720, 720, 1_000),
        ("volumes", 720, 720, 1_000),
    ],
)
def test_one_alarm_a_month_is_promised_and_no_more_come(kind, history, per_month, rows):
    """Six versions of ten columns watched for three hourly or ten daily months each."""
    months, versions = (3, 6) if per_month == 720 else (10, 6)
    rng = np.random.default_rng(20261101)
    found = 0
    for _ in range(versions):
        traffic = Traffic(rng=rng, columns=10, rows=rows)
        if kind == "natural":
            traffic.concentration = 90.0  # each decile's share varies by 10 % of itself from window to window
        if kind in ("categories", "volumes"):
            traffic.shares, traffic.ordered = SKEWED, False
        if kind == "volumes":  # so that columns are pooled at every level, and at night as two cells
            traffic.volumes = (60, 120, 300, 1_000, 3_000)
        found += realised(traffic, windows=history, months=months, per_month=per_month)
    assert found <= bound(months * versions)


WANDERING = ("autocorrelated 0.9", "daily season", "volume growing", "one direction, skewed", "counts with ties",
             "one factor")  # fmt: skip


@pytest.mark.parametrize("name", WANDERING)
def test_traffic_that_wanders_by_itself_keeps_the_promise_too(name):
    """Six versions of ten columns for two months each, from the harness that docs/alarms.md is made with."""
    stream = next(one for one in healthy(columns=10) if one.name == name)
    outcome = run(stream, versions=6, months=2, seed=20261102)
    assert outcome.told == "calibrated"
    assert episodes_of(outcome, months=12) <= bound(12)


def test_the_promise_is_used_and_not_only_kept():
    """Independent windows: with the 0.4 a month of the harness, none in 45 months comes once in 60 million times.

    A threshold so high that nothing ever passes it would keep every promise.
    """
    outcome = run(Stream(name="independent", columns=4), versions=9, months=5, seed=20261103)
    found = episodes_of(outcome, months=45)
    assert 0 < found <= bound(45)


def episodes_of(outcome, *, months):
    """How many alarms of ours there were in all."""
    return round(outcome.rates[OURS].episodes * months)


def test_small_shifts_are_found_sooner_than_by_any_retuned_rival():
    """A tenth of a standard deviation in one of ten columns, twelve versions; rivals at our own rate of false alarms.

    Where 97 % of versions are found within a day, fewer than half of twelve come once in a million times.
    """
    outcome = run(Stream(name="independent", columns=10), versions=12, months=1, seed=20261104, shifts=[mean(0.1)])
    found = outcome.found["mean + 0.1 sd"]
    ours, others = found[OURS], [found[name] for name in RETUNED]
    assert ours.share >= max(other.share for other in others)
    assert ours.delay <= 24
    assert ours.delay < min(other.delay for other in others)


def test_a_model_cut_in_slices_keeps_one_promise_for_all_of_them():
    """All traffic and ten slices of 1 to 30 in a hundred, six versions for three months: the bound of one stream.

    Were the budget not shared out, the eleven would alarm about eighty times, and the bound is 43.
    """
    sliced = Sliced(stream=Stream(name="independent", columns=2, rows=10_000))
    outcome = run_sliced(sliced, versions=6, months=3, seed=20261105)
    assert outcome.months == 18
    assert outcome.episodes <= sum(outcome.by_segment) <= bound(18)


def test_a_shift_in_a_small_slice_is_found_in_its_own_verdict_long_before_that_of_all_traffic():
    """Half a standard deviation in 3 of 100 rows, eight versions: in the slice it is found in the first window.

    Were it in every second only, a day without would come once in 16 million times. In all traffic it is one and a
    half standard errors a window, which three windows find once in ten thousand times.
    """
    sliced = Sliced(stream=Stream(name="independent", columns=4, rows=10_000), sizes=(0.6, 0.3, 0.07, 0.03))
    outcome = run_sliced(sliced, versions=8, months=1, seed=20261106, shifts=[mean(0.5)], shifted=(3,))
    own, alone = np.median(outcome.delays[3, "mean + 0.5 sd"], axis=0)
    assert own <= 24
    assert alone > 3 * own


def test_columns_that_jump_by_themselves_keep_the_rate_and_lose_the_sight():
    """Student's t with three degrees in every column: with tails fitted to the replayed windows this is 6 a month."""
    rng = np.random.default_rng(7)
    found = 0
    for _ in range(3):
        pull = np.linspace(-1, 1, 10) * 0.1 * rng.standard_t(3, (720 * 4, 20, 1))
        p = np.exp(pull) / np.exp(pull).sum(axis=2, keepdims=True)
        traffic = Traffic(rng=rng)
        cells, hits, rows = traffic.windows(len(p))
        cells = rng.multinomial(1_000, p).astype(float)
        history = history_of(cells[:720], hits[:720], rows[:720])
        calibration = calibrated(history)
        score = scores(calibration, history, (cells[720:], hits[720:], rows[720:]))
        found += alarms(score > calibration.threshold(), apart=24)
    assert found <= bound(9)


def test_a_shift_of_half_a_standard_deviation_is_found_in_every_window():
    traffic = Traffic(rng=np.random.default_rng(1), rows=500)
    history = traffic.history(240)
    calibration = calibrated(history)
    score = scores(calibration, history, traffic.windows(50, shares=shifted(0.5)))
    assert (score > calibration.threshold()).all()


def test_a_fifth_of_a_standard_deviation_is_found_in_most_windows_of_a_thousand_rows():
    traffic = Traffic(rng=np.random.default_rng(2))
    history = traffic.history(720)
    calibration = calibrated(history)
    score = scores(calibration, history, traffic.windows(100, shares=shifted(0.2)))
    assert (score > calibration.threshold()).mean() > 0.8


@pytest.mark.parametrize("share", ["missing", "invalid"])
def test_two_points_more_missing_or_invalid_are_found_in_most_windows(share):
    traffic = Traffic(rng=np.random.default_rng(3))
    history = traffic.history(240)
    calibration = calibrated(history)
    cells, hits, rows = traffic.windows(30)
    hits[:, 1 if share == "missing" else 2, 5] += traffic.rng.binomial(1_000, 0.02, 30)
    assert (scores(calibration, history, (cells, hits, rows)) > calibration.threshold()).mean() > 0.5


def test_ten_times_the_rate_comes_no_more_than_ten_times_as_often():
    traffic = Traffic(rng=np.random.default_rng(4))
    history = traffic.history(720)
    calibration = calibrated(history)
    score = scores(calibration, history, traffic.windows(1_440))
    assert alarms(score > calibration.threshold(per_month=10.0), apart=24) <= bound(20)


def test_the_habit_of_psi_over_a_fifth_would_have_alarmed_where_this_is_silent():
    """Fifty rows a window: PSI is over 0.2 in a quarter of the healthy windows, and this in none of 200."""
    traffic = Traffic(rng=np.random.default_rng(5), columns=5, rows=50)
    history = traffic.history(240)
    calibration = calibrated(history)
    windows = traffic.windows(200)
    p, q = (windows[0] + 0.5) / 55, DECILES
    psi = ((p - q) * np.log(p / q)).sum(axis=2)
    assert (psi > 0.2).mean() > 0.2
    assert not (scores(calibration, history, windows) > calibration.threshold()).any()
