"""False alarms promised and realised, and shifts found, beside what people use, on the same windows.

    .venv/bin/python -m benchmarks alarms              # the quick selection, under two minutes
    .venv/bin/python -m benchmarks.alarms --whole      # every stream, size and shift, as docs/alarms.md shows it

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
WHOLE_SIZES = (50, 200, 1_000, 10_000, 100_000)
HISTORIES = ((14, 30), (60, 30), (120, 720), (240, 720), (1_440, 720))  # windows, and how many there are in a month


def promised(streams, *, versions, months):
    """Prints the rates of healthy streams; gives back those that miss the promise, each with why."""
    print(tables.rate_header())
    misses = []
    for stream in streams:
        outcome = run(stream, versions=versions, months=months, seed=SEED)
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
        title = f"{stream.name}, {stream.rows:,} rows, {stream.columns} columns"
        outcome = run(stream, versions=versions, months=months, seed=SEED, shifts=shifts)
        print(tables.found_table(title, outcome), flush=True)
        there += len(outcome.found)
        for shift, found in outcome.found.items():
            why = tables.behind(found, small=shift in small)
            if why is not None:
                worse.append(f"{title}, {shift}: {why}")
    return there, worse


def sum_up(misses, *, there, worse):
    """Prints what does not keep the promise, and which shifts a re-tuned rival finds sooner."""
    print("\nStreams that miss the promise:", *(misses or ["none"]), sep="\n- ")
    print(f"\n{there - len(worse)} of {there} shifted streams found as by the best re-tuned rival or sooner; behind:",
          *(worse or ["none"]), sep="\n- ")  # fmt: skip


def quick():
    """A few streams and shifts, under two minutes."""
    chosen = ("independent", "Dirichlet", "autocorrelated 0.9", "rare categories", "one factor")
    misses = promised([s for s in healthy() if s.name in chosen], versions=6, months=2)
    shuffled((real.handwriting(), real.weather_by_day()), shuffles=4)
    streams = (Stream(name="independent"), Stream(name="Dirichlet", varying=True))
    there, worse = seen(streams, [mean(0.05), mean(0.1), mean(0.2)], versions=12, months=1)
    sum_up(misses, there=there, worse=worse)


def whole():
    """Every stream and size."""
    misses = []
    for rows in WHOLE_SIZES:
        misses += promised(healthy(rows=rows), versions=8, months=2)
    misses += promised([s for s in healthy(columns=200) if s.name in ("independent", "Dirichlet", "one factor")],
                       versions=8, months=2)  # fmt: skip
    for history, per_month in HISTORIES:
        months = 2 if per_month == 720 else 24
        misses += promised(healthy(history=history, per_month=per_month)[:7], versions=8, months=months)
    shuffled(real.every(), shuffles=8)
    base = Stream(name="independent")
    streams = (
        base, replace(base, rows=200), replace(base, rows=10_000), replace(base, columns=200),
        Stream(name="Dirichlet", varying=True), Stream(name="one direction, Gaussian", swing=gaussian),
        Stream(name="autocorrelated 0.9", swing=remembering(0.9)),
    )  # fmt: skip
    there, worse = seen(streams, all_shifts(), versions=16, months=1)
    sum_up(misses, there=there, worse=worse)


def main(arguments):
    """Runs the selection asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--whole", action="store_true", help="every stream and size, half an hour of a core")
    began, spent = time.perf_counter(), time.process_time()
    whole() if parser.parse_args(arguments).whole else quick()
    print(f"\n{time.perf_counter() - began:.0f} s, {time.process_time() - spent:.0f} of a core")


if __name__ == "__main__":
    main(sys.argv[1:])
