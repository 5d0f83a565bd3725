"""Flights of 2013: a winter's reference, one false alarm a month promised; what the days of the year say."""

from collections import Counter

import numpy as np
import pytest
from scipy.stats import poisson

from monitor.alert.calibrate import calibrate
from monitor.alert.history import build_history
from monitor.alert.judge import judge
from monitor.drift.compare import compare
from monitor.model.checks import default_checks
from monitor.profile.profile import profile_batch
from monitor.quality.shares import measure
from tests.alert.flights import SCHEMA, batch_of, days_of, flights, need_flights, reference_of
from tests.alert.outside import moved_by_weeks


@pytest.fixture(scope="module", autouse=True)
def _installed():
    need_flights()


class Winter:
    """A reference by daily windows, and days judged against it."""

    def __init__(self, frame):
        self.layout, self.reference, windows = reference_of(frame)
        history = build_history(self.layout, reference=self.reference, windows=windows)
        self.calibration = calibrate(history, windows_per_month=30.0, per_month=1.0)

    def judge(self, frame):
        """{check: verdict} and {column: (status, test)} of the drift check."""
        current = profile_batch(self.layout, batch_of(frame))
        found = judge(
            checks=default_checks(), schema=SCHEMA, layout=self.layout, reference=self.reference, current=current,
            calibration=self.calibration, windows_per_month=30.0,
            measurements=compare(self.layout, self.reference, current) + measure(self.layout, self.reference, current),
        )  # fmt: skip
        columns = {
            r.column: (r.status, r.method.get("test"))
            for r in found.rows
            if r.check == "drift" and r.metric == "surprise"
        }
        return {v.check: v for v in found.verdicts}, columns


@pytest.fixture(scope="module")
def winter():
    frame = flights()
    return Winter(frame[(frame.month <= 2) & (frame.half == 0)])


@pytest.fixture(scope="module")
def spring_and_summer(winter):
    """{month: [(verdicts, columns) by day]} of March to July."""
    frame = flights()
    return {m: [winter.judge(rows) for _, rows in days_of(frame[frame.month == m])] for m in range(3, 8)}


def failing(days, *, column):
    """How many days have the column in alert under the drift check."""
    return sum(columns[column][0] == "alert" for _, columns in days)


def test_the_reference_is_59_days_and_that_is_enough_to_judge(winter):
    assert (winter.calibration.windows, winter.calibration.state) == (59, "calibrated")
    assert winter.calibration.needed == 30


def test_the_other_half_of_the_reference_days_keeps_the_budget(winter):
    frame = flights()
    other = frame[(frame.month <= 2) & (frame.half == 1)]
    alarms = sum(any(v.status == "alert" for v in winter.judge(rows)[0].values()) for _, rows in days_of(other))
    assert alarms <= poisson.ppf(0.975, 59 / 30)


def test_each_week_of_the_reference_months_held_against_the_others_keeps_the_budget():
    """Nothing of the judged days is in the reference: records of weather columns fall, and are no alarms."""
    frame = flights()
    frame = frame[frame.month <= 2]
    days = []
    for week in range(9):
        rest = Winter(frame[frame.day // 7 != week])
        days += [
            (day, any(v.status == "alert" for v in rest.judge(rows)[0].values()))
            for day, rows in days_of(frame[frame.day // 7 == week])
        ]
    over = [day for day, alarm in days if alarm]
    episodes = sum(day - 1 not in over and day - 2 not in over for day in over)
    assert len(days) == 59
    assert episodes <= poisson.ppf(0.975, 59 / 30)


def test_days_shuffled_so_that_nothing_is_wrong_keep_the_budget():
    """Each fifth of the reference months' days, drawn at random, held against the other days."""
    frame = flights()
    frame = frame[frame.month <= 2]
    fifth = dict(enumerate(np.random.default_rng(3).permutation(59) % 5))
    alarms = 0
    for part in range(5):
        inside = frame.day.map(fifth) == part
        rest = Winter(frame[~inside])
        alarms += sum(
            any(v.status == "alert" for v in rest.judge(rows)[0].values()) for _, rows in days_of(frame[inside])
        )
    assert alarms <= poisson.ppf(0.975, 59 / 30)


def test_a_column_that_alarms_is_one_that_an_outside_test_calls_moved_or_the_budget_explains_it(spring_and_summer):
    alarms = Counter(
        name for days in spring_and_summer.values() for _, columns in days for name, (status, _) in columns.items()
        if name and status == "alert"
    )  # fmt: skip
    moved = {column for column in alarms if moved_by_weeks(column) < 0.05}
    assert "temp" in moved
    # Single days: the 7th of June brought a tropical storm, whose rain no winter hour had.
    assert sum(days for column, days in alarms.items() if column not in moved) <= poisson.ppf(0.975, 5)


def test_temperature_is_no_alarm_in_march_and_is_one_on_most_days_of_july(spring_and_summer):
    assert failing(spring_and_summer[3], column="temp") == 0
    assert failing(spring_and_summer[7], column="temp") > 0.8 * 31


def test_july_is_told_by_the_range_because_its_deciles_are_only_the_reference_s_last(spring_and_summer):
    said = Counter(columns["temp"] for _, columns in spring_and_summer[7])
    assert said.most_common(1)[0][0] == ("alert", "out_of_range")


def test_march_is_not_in_warning_either_on_most_days(spring_and_summer):
    fine = sum(verdicts["drift"].status == "ok" for verdicts, _ in spring_and_summer[3])
    assert fine > 0.9 * 31


@pytest.mark.parametrize("column", ["sched_dep", "distance", "origin", "carrier"])
def test_a_schedule_that_changes_with_the_season_is_not_red_all_spring(spring_and_summer, column):
    days = spring_and_summer[4] + spring_and_summer[5] + spring_and_summer[6]
    assert failing(days, column=column) < 0.2 * len(days)


def test_an_alarm_names_the_column_behind_it(spring_and_summer):
    verdict = next(v["drift"] for v, _ in reversed(spring_and_summer[7]) if v["drift"].status == "alert")
    assert "temp" in {evidence.column for evidence in verdict.columns}
    assert verdict.columns_failing == len(verdict.columns)
    assert verdict.columns[0].value > verdict.columns[0].threshold
