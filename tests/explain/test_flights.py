"""Real days against a winter: every reason that is told is one that numpy and scipy find in the raw values."""

import numpy as np
import pytest
from scipy.stats import fisher_exact, ks_2samp

from monitor.alert.calibrate import calibrate
from monitor.alert.cells import reduce_profile
from monitor.alert.history import build_history
from monitor.alert.judge import judge
from monitor.drift.compare import compare
from monitor.explain.explain import Case, explain
from monitor.explain.sides import Sides
from monitor.model.checks import default_checks
from monitor.model.time import DAY_US
from monitor.model.window import WindowSpec
from monitor.profile.profile import profile_batch
from monitor.quality.shares import measure
from tests.alert.flights import NUMBERS, SCHEMA, batch_of, days_of, flights, need_flights, reference_of


@pytest.fixture(scope="module", autouse=True)
def _installed():
    need_flights()


@pytest.fixture(scope="module")
def told():
    """[(raw rows of the day, raw rows of the reference, story)] of every failing column of ten days in the year."""
    frame = flights()
    own = frame[(frame.month <= 2) & (frame.half == 0)]
    layout, reference, windows = reference_of(own)
    history = build_history(layout, reference=reference, windows=windows)
    calibration = calibrate(history, windows_per_month=30.0, per_month=1.0)
    days = [(day, rows, profile_batch(layout, batch_of(rows))) for day, rows in days_of(frame[frame.month >= 3])]
    counts = [(day * DAY_US, reduce_profile(calibration.layout_cells, profile=profile)) for day, _, profile in days]
    found = []
    for at in range(60, len(days), 15):
        day, rows, current = days[at]
        measured = compare(layout, reference, current) + measure(layout, reference, current)
        judged = judge(
            checks=default_checks(), schema=SCHEMA, layout=layout, reference=reference, current=current,
            calibration=calibration, windows_per_month=30.0, measurements=measured,
        )  # fmt: skip
        sides = Sides(layout=layout, reference=reference, current=current, calibration=calibration)
        for verdict in judged.verdicts:
            explained = explain(
                Case(
                    check=verdict.check, kind=verdict.kind, status=verdict.status,
                    results=tuple(row for row in judged.rows if row.check == verdict.check), rows=current.rows,
                    window=WindowSpec(length="1d"), start_us=day * DAY_US, sides=sides, before=counts[:at][-60:],
                )
            )  # fmt: skip
            found += [(rows, own, story) for story in explained.columns if story.share is not None]
    return found


def test_enough_is_told_to_be_held_to_the_raw_values(told):
    assert len(told) >= 8
    assert {story.column for _, _, story in told} >= {"temp"}


def test_every_distribution_that_is_said_to_have_moved_did(told):
    for rows, own, story in told:
        if story.column in NUMBERS and story.direction.kind in ("location", "spread", "value", "range"):
            day, reference = (frame[story.column].dropna().to_numpy(float) for frame in (rows, own))
            assert ks_2samp(day, reference).pvalue < 1e-6, story.words


def test_every_share_is_that_of_the_raw_values_and_moved(told):
    seen = 0
    for rows, own, story in told:
        for fact in story.facts:
            day, reference = (frame[story.column] for frame in (rows, own))
            if fact.measure == "missing":
                now, before = day.isna(), reference.isna()
            elif fact.measure == "share above the range":
                now, before = day.dropna() > reference.max(), reference.dropna() > reference.max()
            elif fact.measure == "share below the range":
                now, before = day.dropna() < reference.min(), reference.dropna() < reference.min()
            elif fact.measure == "unseen":
                now, before = ~day.isin(set(reference)), reference != reference
            else:
                continue
            seen += 1
            assert fact.current == pytest.approx(now.mean(), abs=1e-12)
            assert fact.reference == pytest.approx(before.mean(), abs=1e-12)
            table = [[now.sum(), len(now) - now.sum()], [before.sum(), len(before) - before.sum()]]
            if fact is story.facts[0]:
                assert fisher_exact(table).pvalue < 1e-3, story.words
    assert seen >= 8


def test_every_median_is_the_raw_one_to_within_a_cell_and_every_mean_exactly(told):
    for rows, own, story in told:
        for fact in story.facts:
            if fact.measure == "median":
                spread = own[story.column].std()
                for value, frame in ((fact.current, rows), (fact.reference, own)):
                    raw = np.median(frame[story.column].dropna())
                    assert value == pytest.approx(raw, abs=0.1 * spread), story.words
            elif fact.measure == "mean":
                assert fact.current == pytest.approx(rows[story.column].mean(), rel=1e-9)
                assert fact.reference == pytest.approx(own[story.column].mean(), rel=1e-9)


def test_higher_and_lower_agree_with_the_raw_means(told):
    for rows, own, story in told:
        if story.direction.kind == "location":
            higher = rows[story.column].mean() > own[story.column].mean()
            assert story.direction.change == ("higher" if higher else "lower"), story.words
