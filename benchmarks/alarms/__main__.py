"""False alarms promised and realised, and shifts found, beside what people use, on the same windows.

    .venv/bin/python -m benchmarks alarms              # the quick selection, under two minutes
    .venv/bin/python -m benchmarks.alarms --whole      # every stream, size and shift, half an hour of a core
    .venv/bin/python -m benchmarks.alarms --part data  # a part: rates, columns, histories, weekly, data, shifts

One alarm a month is promised to every model version. Seeds are fixed: the tables are the same on every run.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace

from benchmarks.alarms import real, tables
from benchmarks.alarms.experiment import run
from benchmarks.alarms.laws import Stream, gaussian, healthy, remembering
from benchmarks.alarms.shifts import all_shifts, mean

SEED = 20261125
MANY = 24  # versions of a stream, four years in all: of a rate of 1 the bound is 1.3, of eight versions it is 1.6
WHOLE_SIZES = (50, 200, 1_000, 10_000, 100_000)
HISTORIES = ((14, 30), (60, 30), (120, 720), (240, 720), (1_440, 720))  # windows, and how many there are in a month


def promised(streams, *, versions, months, weekly=False):
    """Prints the rates of healthy streams; gives back those that miss the promise, each with why."""
    print(tables.rate_header())
    misses = []
    for stream in streams:
        outcome = run(stream, versions=versions, months=months, seed=SEED, weekly=weekly)
        size = (stream.name, f"{stream.rows:,}", str(stream.columns), str(stream.history))
        print(tables.rate_row(size, outcome), flush=True)
        why = tables.missed_rate(outcome, independent=stream.name == "independent")
        if why is not None:
            misses.append(f"{', '.join((*size[:2], f'{size[2]} columns', f'K = {size[3]}'))}: {why} ({outcome.told})")
    return misses


def shuffled(those, *, shuffles):
    """Prints the rates of real data, so many shuffles each."""
    print(tables.rate_header(titles=("real data", "windows", "columns")))
    for one in those:
        size = (one.name, str(sum(len(block) for block in one.blocks)), str(len(one.layout.columns)))
        print(tables.rate_row(size, real.watch(one, shuffles=shuffles, seed=SEED)), flush=True)


def seen(streams, shifts, *, versions, months):
    """Prints how each shift of each stream is found; gives back (shifts there are, those found worse, with why)."""
    there, worse, small = 0, [], {shift.name for shift in shifts if shift.small}
    for stream in streams:
        those = [shift for shift in shifts if shift.can_be(stream)]
        title = f"{stream.name}, {stream.rows:,} rows, {stream.columns} columns"
        outcome = run(stream, versions=versions, months=months, seed=SEED, shifts=those)
        print(tables.found_table(title, outcome), flush=True)
        there += len(outcome.found)
        for shift, found in outcome.found.items():
            why = tables.behind(found, small=shift in small)
            if why is not None:
                worse.append(f"{title}, {shift}: {why}")
    return there, worse


def sum_up(misses):
    """Prints the streams that do not keep the promise, with what the status says there."""
    print("\nStreams that miss the promise:", *(misses or ["none"]), sep="\n- ")


def compared(there, worse):
    """Prints in how many of the shifted streams nothing is found later than by a re-tuned rival, and the others."""
    print(f"\n{there - len(worse)} of {there} shifted streams found as by the best re-tuned rival or sooner; behind:",
          *(worse or ["none"]), sep="\n- ")  # fmt: skip


def quick():
    """A few streams and shifts, under two minutes."""
    chosen = ("independent", "Dirichlet", "autocorrelated 0.9", "rare categories", "one factor")
    misses = promised([s for s in healthy() if s.name in chosen], versions=6, months=2)
    shuffled((real.handwriting(), real.weather_by_day()), shuffles=4)
    streams = (Stream(name="independent"), Stream(name="Dirichlet", varying=True))
    compared(*seen(streams, [mean(0.05), mean(0.1), mean(0.2)], versions=12, months=1))
    sum_up(misses)


def rates():
    """Every healthy stream at every size."""
    return [miss for rows in WHOLE_SIZES for miss in promised(healthy(rows=rows), versions=MANY, months=2)]


def columns():
    """200 columns, independent and driven by one factor."""
    chosen = ("independent", "Dirichlet", "one factor")
    sizes = (200, 1_000, 100_000)
    those = [one for rows in sizes for one in healthy(rows=rows, columns=200) if one.name in chosen]
    return promised(those, versions=8, months=2)


def histories():
    """From 14 days to 60 days of hours."""
    return [
        miss
        for history, per_month in HISTORIES
        for miss in promised(
            healthy(history=history, per_month=per_month)[:7], versions=8, months=2 if per_month == 720 else 24
        )
    ]


def weekly():
    """Calibrated again every week, as the service does: what grows, and what alarming windows stay out of."""
    few = next(stream for stream in healthy(rows=50) if stream.name == "volume growing")
    chosen = ("independent", "one direction, skewed", "volume growing")
    those = [stream for stream in healthy() if stream.name in chosen]
    return promised([few, *those], versions=8, months=2, weekly=True)


def data():
    """Real data."""
    *days, hours = real.every()
    shuffled(days, shuffles=8)
    shuffled([hours], shuffles=4)
    return []


def shifts():
    """Every shift of eight streams."""
    base = Stream(name="independent")
    streams = (
        base, Stream(name="Dirichlet", varying=True), Stream(name="one direction, Gaussian", swing=gaussian),
        Stream(name="autocorrelated 0.9", swing=remembering(0.9)), replace(base, rows=200),
        replace(base, rows=10_000), replace(base, columns=200), Stream(name="categories", ordered=False),
    )  # fmt: skip
    compared(*seen(streams, all_shifts(), versions=8, months=1))
    return []


PARTS = {"rates": rates, "columns": columns, "histories": histories, "weekly": weekly, "data": data, "shifts": shifts}


def main(arguments):
    """Runs the selection asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--whole", action="store_true", help="every stream and size, half an hour of a core")
    parser.add_argument("--part", choices=PARTS, action="append", help="one part of the whole")
    told = parser.parse_args(arguments)
    began, spent = time.perf_counter(), time.process_time()
    parts = [*PARTS] if told.whole else told.part or []
    misses = [miss for part in parts for miss in PARTS[part]()]
    if parts:
        sum_up(misses)
    else:
        quick()
    print(f"\n{time.perf_counter() - began:.0f} s, {time.process_time() - spent:.0f} of a core")


if __name__ == "__main__":
    main(sys.argv[1:])
