"""A model cut in slices: one budget for all traffic and every slice, and a shift in one slice only.

    python -m benchmarks.alarms.segments [--versions 8]

Ten slices hold from 1 to 30 in a hundred of 10,000 rows an hour of twenty columns. All traffic and each slice are
judged by a calibration of their own, at the share of the one alarm a month that their tests are of all tests. An
episode is the model's: windows in which anything alarmed, at most a day apart.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from benchmarks.alarms.experiment import HORIZON, apart_of
from benchmarks.alarms.laws import Stream, gaussian, remembering
from benchmarks.alarms.measure import delay, episodes, rate_interval
from benchmarks.alarms.shifts import Shift, mean
from benchmarks.alarms.windows import Windows, calibrated, counted, history_of, scores
from monitor.alert.recent import LONGEST

SIZES = (0.30, 0.20, 0.15, 0.10, 0.08, 0.06, 0.05, 0.03, 0.02, 0.01)
PROMISED = 1.0
SHIFTED = (0, 3, 7, 9)  # the slices that are shifted in turn
SEED = 20261126


@dataclass(frozen=True, kw_only=True)
class Sliced:
    """A stream cut in slices of those shares of its rows; ``apart``: each moves by itself, else all as one."""

    stream: Stream
    sizes: tuple[float, ...] = SIZES
    apart: bool = True

    @property
    def name(self):
        """As in the table."""
        return f"{self.stream.name}, slices {'by themselves' if self.apart else 'together'}"

    def laws(self, rng, *, windows):
        """[(shares float64[W, D, 10], rows int64[W])] of each slice."""
        drawn = [self.stream.shares(rng, times=np.arange(windows)) for _ in (self.sizes if self.apart else (1,))]
        whole = drawn if self.apart else drawn * len(self.sizes)
        return [(shares, np.round(rows * size).astype(np.int64))
                for (shares, rows), size in zip(whole, self.sizes, strict=True)]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Taught:
    """Healthy history of all traffic or of one slice, its calibration, and the share of the budget it is judged at."""

    history: object
    calibration: object
    per_month: float

    def over(self, windows):
        """bool[W]: in alarm, at its share of the budget."""
        return self._over(windows, per_month=self.per_month)

    def over_alone(self, windows):
        """bool[W]: in alarm where it had the whole budget, as a model without slices has."""
        return self._over(windows, per_month=PROMISED)

    def _over(self, windows, *, per_month):
        if self.calibration.state == "learning":
            return np.zeros(len(windows), dtype=bool)
        found = scores(self.calibration, self.history, windows, per_month=per_month)
        return found > self.calibration.threshold(per_month=per_month)


def together(slices):
    """All traffic: the sum of its slices."""
    return Windows(**{name: sum(getattr(one, name) for one in slices) for name in ("cells", "hits", "rows")})


def taught(parts, *, stream):
    """[Taught] of all traffic and the slices, in that order, each at its part of the budget by its tests."""
    histories = [history_of(part.part(0, stream.history), ordered=stream.ordered) for part in parts]
    every = [calibrated(history, windows_per_month=stream.per_month, per_month=PROMISED) for history in histories]
    tests = sum(one.tests for one in every)
    return [
        Taught(history=history, calibration=one, per_month=PROMISED * one.tests / tests)
        for history, one in zip(histories, every, strict=True)
    ]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Of so many months: episodes of the model, of each of all traffic and the slices, windows in alarm.

    ``delays`` by (slice, shift): float64[versions, 2], in windows, of that slice's verdict beside the others', and
    of all traffic where there are no slices.
    """

    months: float
    episodes: int
    by_segment: tuple[int, ...]
    in_alarm: int
    delays: dict


def run(sliced, *, versions, months, seed=SEED, shifts=(), shifted=()):
    """What came of so many versions watched for so many months, then shifted in one of the slices."""
    found, in_alarm, model = np.zeros(len(sliced.sizes) + 1, dtype=int), 0, 0
    delays = {(at, shift.name): [] for at in shifted for shift in shifts}
    for version in range(versions):
        rng = np.random.default_rng([seed, version])
        over, late = _watch(sliced, rng=rng, months=months, shifts=shifts, shifted=shifted)
        gap = apart_of(sliced.stream)
        found += [len(episodes(one, apart=gap)) for one in over]
        model += len(episodes(np.any(over, axis=0), apart=gap))
        in_alarm += int(np.any(over, axis=0).sum())
        for key, both in late.items():
            delays[key].append(both)
    return Outcome(
        months=versions * months, episodes=model, by_segment=tuple(found.tolist()), in_alarm=in_alarm,
        delays={key: np.array(both) for key, both in delays.items()},
    )  # fmt: skip


def _watch(sliced, *, rng, months, shifts, shifted):
    """([bool[W] in alarm of all traffic and each slice], {(slice, shift): (delay with slices, without)})."""
    stream = sliced.stream
    quiet = stream.history + round(months * stream.per_month)
    laws = sliced.laws(rng, windows=quiet + HORIZON)
    slices = [counted(rng, stream, shares=shares[:quiet], rows=rows[:quiet]) for shares, rows in laws]
    parts = [together(slices), *slices]
    every = taught(parts, stream=stream)
    over = [one.over(part.part(stream.history)) for one, part in zip(every, parts, strict=True)]
    late = {}
    for at in shifted:
        for shift in shifts:
            after = [
                counted(rng, stream, shares=shares[quiet:], rows=rows[quiet:], shift=shift if here == at else None)
                for here, (shares, rows) in enumerate(laws)
            ]
            before = [part.part(-LONGEST) for part in parts]
            whole, own = (before[k].followed_by(now) for k, now in ((0, together(after)), (at + 1, after[at])))
            late[at, shift.name] = (
                delay(every[at + 1].over(own)[-HORIZON:], onset=0),
                delay(every[0].over_alone(whole)[-HORIZON:], onset=0),
            )
    return over, late


def streams():
    """The traffic of the table in docs/alarms.md."""
    size = {"rows": 10_000}
    return (
        Sliced(stream=Stream(name="independent", **size)),
        Sliced(stream=Stream(name="Dirichlet", varying=True, **size)),
        Sliced(stream=Stream(name="Dirichlet", varying=True, **size), apart=False),
        Sliced(stream=Stream(name="one direction, Gaussian", swing=gaussian, **size), apart=False),
        Sliced(stream=Stream(name="autocorrelated 0.9", swing=remembering(0.9), **size)),
    )


def rate_row(sliced, outcome):
    """A line of the table of rates."""
    low, high = rate_interval(outcome.episodes, months=outcome.months)
    whole, *slices = (count / outcome.months for count in outcome.by_segment)
    return (
        f"| {sliced.name} | {outcome.episodes / outcome.months:.2f} ({low:.2f} to {high:.2f}) | "
        f"{outcome.in_alarm / outcome.months:.1f} | {sum(slices) + whole:.2f} | {whole:.2f} | {max(slices):.2f} |"
    )


def found_rows(sliced, outcome):
    """Lines of the table of shifts: the share found and the median delay, with slices and without."""
    return [
        f"| {sliced.stream.name}, slice of {sliced.sizes[at]:.0%}: {name} | "
        + " | ".join(f"{np.isfinite(one).mean():.0%}, {_windows(np.median(one))}" for one in both.T) + " |"
        for (at, name), both in outcome.delays.items()
    ]  # fmt: skip


def _windows(found):
    return f"{found:.0f}" if np.isfinite(found) else "–"


def main():
    """Prints the tables of docs/alarms.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--versions", type=int, default=8)
    told = parser.parse_args()
    lost = Shift(name="missing + 2 points", hit=(1, 0.02, None))
    rows = []
    print("| traffic | alarms a month (95 %) | windows in alarm | over segments | all traffic | most of a slice |")
    print("|---|---|---|---|---|---|")
    for position, sliced in enumerate(streams()):
        shifts = (mean(0.1), mean(0.2), mean(0.5), lost) if position < 2 else ()
        outcome = run(sliced, versions=told.versions, months=2, shifts=shifts, shifted=SHIFTED)
        print(rate_row(sliced, outcome), flush=True)
        rows += found_rows(sliced, outcome)
    print("\n| slice, shift in it | its own verdict | all traffic alone |\n|---|---|---|", *rows, sep="\n")


if __name__ == "__main__":
    main()
