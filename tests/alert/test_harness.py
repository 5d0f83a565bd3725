"""What the harness of docs/alarms.md counts, and how it compares: by hand-made windows."""

import numpy as np
import pytest

from benchmarks.alarms.experiment import OURS, Found, Outcome, Rate, weekly_scores
from benchmarks.alarms.flapping import told
from benchmarks.alarms.laws import Stream
from benchmarks.alarms.measure import delay, episodes, rate_interval
from benchmarks.alarms.rivals import tuned
from benchmarks.alarms.segments import Sliced, taught, together
from benchmarks.alarms.shifts import all_shifts, mean
from benchmarks.alarms.tables import RETUNED, behind, missed_rate
from benchmarks.alarms.windows import calibrated, counted, history_of, scores


def over(*positions, windows=100):
    found = np.zeros(windows, dtype=bool)
    found[list(positions)] = True
    return found


def test_windows_over_the_bound_at_most_a_day_apart_are_one_episode():
    assert episodes(over(3, 4, 27, 80), apart=24).tolist() == [3, 80]
    assert episodes(over(3, 28), apart=24).tolist() == [3, 28]
    assert episodes(over(), apart=24).tolist() == []


def test_the_window_of_the_shift_counts_as_one_window_of_delay():
    assert delay(over(10), onset=10) == 1
    assert delay(over(5, 13), onset=10) == 4
    assert delay(over(5), onset=10) == np.inf


def test_a_retuned_rival_has_no_more_episodes_than_it_is_allowed():
    statistic = np.random.default_rng(1).standard_normal(5_000)
    for allowed in (1, 3, 10):
        bound = tuned(statistic, apart=24, episodes=allowed)
        assert len(episodes(statistic > bound, apart=24)) == allowed


def test_the_interval_of_no_event_ends_at_three_point_seven():
    """−ln 0.025, in two months."""
    assert rate_interval(0, months=2) == (0.0, pytest.approx(-np.log(0.025) / 2))


def found(ours, best, *, other=(0.0, np.inf)):
    rivals = dict.fromkeys(RETUNED, Found(share=other[0], delay=other[1]))
    rivals[next(iter(RETUNED))] = Found(share=best[0], delay=best[1])
    return {OURS: Found(share=ours[0], delay=ours[1])} | rivals


@pytest.mark.parametrize(
    ("ours", "best", "small", "why"),
    [
        ((1.0, 3.0), (1.0, 2.0), False, None),
        ((1.0, 4.0), (1.0, 2.0), False, "after 4 windows, not 2"),
        ((0.9, 1.0), (1.0, 9.0), False, "found in 90%, not 100%"),
        ((1.0, 5.0), (1.0, 10.0), True, None),
        ((1.0, 6.0), (1.0, 10.0), True, "after 6 windows, not half of 10"),
        ((1.0, 1.0), (1.0, 1.0), True, None),
        ((0.2, np.inf), (0.1, np.inf), True, None),
    ],
)
def test_being_behind_a_rival_is_said_with_both_figures(ours, best, small, why):
    assert behind(found(ours, best), small=small) == why


@pytest.mark.parametrize(
    ("rate", "high", "independent", "told", "missed"),
    [
        (0.5, 1.2, True, "calibrated", False),
        (1.5, 2.1, False, "calibrated", True),
        (0.05, 0.3, True, "calibrated", True),
        (0.05, 0.3, False, "calibrated", False),
        (0.0, 0.3, True, "learning, 14 of 30", False),
    ],
)
def test_a_promise_is_missed_above_twice_the_rate_or_where_nothing_alarms(rate, high, independent, told, missed):
    ours = Rate(episodes=rate, low=0.0, high=high, in_alarm=1.0)
    outcome = Outcome(rates={OURS: ours}, found={}, told=told)
    assert (missed_rate(outcome, independent=independent) is not None) is missed


def test_flapping_is_counted_by_the_table_of_transitions():
    """ok → alert → warning → alert → ok: raised twice, eased once, resolved once."""
    found = told(["ok", "alert", "warning", "alert", "ok", "ok"], hold=1)
    assert (found.changes, found.alerts, found.resolved) == (4, 2, 1)
    assert found.in_alert.tolist() == [False, True, False, True, False, False]
    held = told(["ok", "alert", "alert", "warning", "ok"], hold=3)  # a warning after three windows, and its end
    assert (held.changes, held.alerts, held.resolved) == (2, 0, 1)


def test_slices_share_one_promise_by_their_tests_and_add_up_to_all_traffic():
    sliced = Sliced(stream=Stream(name="independent", columns=2, rows=1_000, history=100), sizes=(0.7, 0.2, 0.1))
    rng = np.random.default_rng(1)
    slices = [counted(rng, sliced.stream, shares=shares, rows=rows) for shares, rows in sliced.laws(rng, windows=100)]
    assert [one.rows.tolist() for one in slices] == [[700.0] * 100, [200.0] * 100, [100.0] * 100]
    whole = together(slices)
    assert whole.rows.tolist() == [1_000.0] * 100
    np.testing.assert_array_equal(whole.cells.sum(axis=2), 1_000.0)
    every = taught([whole, *slices], stream=sliced.stream)
    assert [one.per_month for one in every] == pytest.approx([0.25] * 4)


def test_calibrated_every_week_the_first_is_judged_as_without_and_alarming_windows_stay_out():
    stream = Stream(name="independent", columns=2, rows=500, history=240)
    rng = np.random.default_rng(2)
    shares, rows = stream.shares(rng, times=np.arange(240 + 2 * 168))
    shares = shares.copy()
    shares[300, 0] = np.eye(10)[9]  # one hour of the first week, all in the last decile
    drawn = counted(rng, stream, shares=shares, rows=rows)
    history, later = history_of(drawn.part(0, 240)), drawn.part(240)
    beyond, last = weekly_scores(stream, history=history, later=later)
    first = calibrated(history)
    expected = scores(first, history, later.part(0, 168)) - first.threshold()
    np.testing.assert_array_equal(beyond[:168], expected)
    assert beyond[60] > 0
    assert last.windows == 240 + int((beyond <= 0).sum()) < 240 + len(later)


def test_every_shift_leaves_shares_and_moves_them_by_its_strength_only():
    shares = np.full((3, 10), 0.1)
    for shift in all_shifts():
        moved = shift.moved(shares, strength=np.array([0.0, 0.5, 1.0]))
        np.testing.assert_allclose(moved.sum(axis=1), 1.0)
        np.testing.assert_allclose(moved[0], 0.1)
    assert mean(0.1).small
    assert not mean(0.2).small
