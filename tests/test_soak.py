"""What the soak (``python -m benchmarks.soak``) says of processes that leak, slow down, or do not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from benchmarks.before import ratio
from benchmarks.soak.figures import growth, least_squares, theil_sen
from benchmarks.soak.report import Run, faults, memory_slope, page
from benchmarks.soak.traffic import Answer
from benchmarks.soak.watch import Sample

MINUTES = 30
WORK = {"fold": 100, "evaluate": 700, "join": 90, "compact": 5}


def made(
    *, mib_a_minute: float = 0.0, files_a_minute: float = 0.0, ms_a_minute: float = 0.0, noop_ms_a_minute: float = 0.0,
    status: int = 200, stored: int | None = None, missed: int = 0, work: dict[str, int] = WORK,
) -> Run:  # fmt: skip
    """A run of half an hour whose worker leaks and whose answers slow down as told, with noise as real ones have."""
    rng = np.random.default_rng(7)
    samples, answers = [], []
    for at in np.arange(5.0, 60 * MINUTES, 5):
        for process, leaks in (("API", 0), ("worker", 1)):
            samples.append(
                Sample(
                    process=process,
                    at=at,
                    resident_mib=300 + leaks * mib_a_minute * at / 60 + 20 * abs(np.sin(at / 37)) + rng.normal(0, 2),
                    descriptors=int(20 + leaks * files_a_minute * at / 60 + rng.integers(0, 3)),
                    threads=12,
                    cpu_seconds=at / 10,
                    load=1.0,
                )
            )
    for kind, slower in (("1 record", ms_a_minute), ("reads", ms_a_minute), ("no-op", noop_ms_a_minute)):
        for at in np.arange(0, 60 * MINUTES, 0.25):
            ms = 5 + slower * at / 60 + rng.exponential(3)
            answers.append(Answer(kind=kind, at=at, seconds=ms / 1_000, status=status if kind == "1 record" else 200))
    acked = sum(answer.kind == "1 record" for answer in answers)
    return Run(
        database="SQLite", minutes=MINUTES, samples=samples, answers=answers, acked=acked,
        stored=acked if stored is None else stored, missed=missed, work=work,
    )  # fmt: skip


def test_a_run_without_a_leak_is_as_promised():
    assert list(faults(made())) == []


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"mib_a_minute": 1.5}, "the worker's memory grew by 1."),
        ({"files_a_minute": 0.5}, "more descriptors in the end than before"),
        ({"ms_a_minute": 0.5}, "the p99 of 1 record rises"),
        ({"status": 503}, "7200 requests failed"),
        ({"stored": 7_199}, "7200 records were acknowledged and 7199 counted as stored"),
        ({"missed": 3}, "3 requests were due and not sent"),
        ({"work": WORK | {"join": 0}}, "no join ran"),
    ],
)
def test_what_is_not_as_promised_is_said(told, said):
    assert said in "\n".join(faults(made(**told)))
    assert said in page(made(**told))


def test_a_machine_that_gets_slower_is_not_the_servers_fault():
    assert list(faults(made(ms_a_minute=0.5, noop_ms_a_minute=0.5))) == []


def test_the_slope_of_memory_is_that_of_the_last_twenty_minutes():
    run = made(mib_a_minute=2.0)
    warm = [dataclasses.replace(s, resident_mib=s.resident_mib + max(0, 600 - s.at)) for s in run.samples]
    assert memory_slope(dataclasses.replace(run, samples=warm), "worker").value == pytest.approx(2.0, abs=0.2)


def test_a_slope_without_likeness_has_the_textbooks_interval():
    y = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 0.0, 6.0, 2.0])  # residuals alternate: nothing is widened
    known = stats.linregress(np.arange(8), y)
    half = stats.t.ppf(0.975, 6) * known.stderr
    slope = least_squares(y)
    assert (slope.value, slope.lower, slope.upper) == pytest.approx(
        (known.slope, known.slope - half, known.slope + half)
    )


def test_intervals_of_slopes_hold_the_truth_where_minutes_resemble_each_other():
    rng = np.random.default_rng(11)
    held = 0
    for _ in range(400):
        noise = rng.normal(size=60)
        for i in range(1, 60):
            noise[i] += 0.5 * noise[i - 1]
        slope = least_squares(0.3 * np.arange(60) + noise)
        held += slope.lower <= 0.3 <= slope.upper
    assert held / 400 > 0.88  # 0.95 less what estimating r costs; without the widening it is 0.74


def test_one_slow_minute_is_no_trend():
    assert not theil_sen([9.0, 10.0, 11.0, 900.0, 10.0, 9.0, 11.0, 10.0]).rises
    assert theil_sen([10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0]).rises


def test_what_comes_and_goes_has_not_grown():
    assert growth([4, 9, 4], [4, 4, 9, 4, 9, 9, 9, 9]) == 0
    assert growth([4, 9, 4], [9, 9, 9, 9, 9, 9, 12, 12]) == 3


def test_a_ratio_is_of_the_rounds_and_not_of_their_sums():
    middle, lower, upper = ratio([90.0, 9.0, 0.9], [100.0, 10.0, 1.0])
    assert (middle, lower, upper) == pytest.approx((0.9, 0.9, 0.9))
