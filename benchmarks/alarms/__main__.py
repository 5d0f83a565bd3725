"""False alarms promised and realised, and shifts found, beside what people use, on the same windows.

    .venv/bin/python -m benchmarks alarms              # the quick selection, under two minutes
    .venv/bin/python -m benchmarks.alarms --whole      # every stream and size, as docs/alarms.md shows it

One alarm a month is promised to every model version. Seeds are fixed: the tables are the same on every run.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace

import numpy as np

from benchmarks.alarms.experiment import OURS, run
from benchmarks.alarms.laws import Stream, gaussian, healthy, remembering
from benchmarks.alarms.rivals import rivals
from benchmarks.alarms.shifts import all_shifts, mean

SEED = 20261125
WHOLE_SIZES = (50, 200, 1_000, 10_000, 100_000)
HISTORIES = ((14, 30), (60, 30), (120, 720), (240, 720), (1_440, 720))  # windows, and how many there are in a month


def promised(streams, *, versions, months):
    """Prints the rates of healthy streams: ours, and the rivals as people use them."""
    names = [rival.name for rival in rivals()]
    print(f"\n| stream | n | columns | K | {OURS}: alarms a month | windows in alarm | " + " | ".join(names) + " |")
    print("|---|---|---|---|---|---|" + "---|" * len(names))
    for stream in streams:
        rates = run(stream, versions=versions, months=months, seed=SEED).rates
        ours = rates[OURS]
        cells = [f"{rates[name].episodes:.1f} ({rates[name].in_alarm:.0f})" for name in names]
        print(
            f"| {stream.name} | {stream.rows:,} | {stream.columns} | {stream.history} | {ours.episodes:.2f} "
            f"({ours.low:.2f} to {ours.high:.2f}) | {ours.in_alarm:.1f} | " + " | ".join(cells) + " |", flush=True,
        )  # fmt: skip


def seen(stream, shifts, *, versions, months):
    """Prints, for each shift, the share found within a week and the median delay: ours, and each rival re-tuned."""
    names = [f"{rival.name}, re-tuned" for rival in rivals()]
    # Two pairs of rivals differ only in their bound: re-tuned they are the same.
    names = [name for name in names if not name.startswith(("PSI > 0.1", "KS, Bonferroni"))]
    print(
        f"\n{stream.name}, {stream.rows:,} rows, {stream.columns} columns\n\n| shift | {OURS} | "
        + " | ".join(names)
        + " |"
    )
    print("|---|---|" + "---|" * len(names))
    for shift in shifts:
        found = run(stream, versions=versions, months=months, seed=SEED, shift=shift).found
        cells = [f"{found[name].share:.0%}, {_windows(found[name].delay)}" for name in (OURS, *names)]
        print(f"| {shift.name} | " + " | ".join(cells) + " |", flush=True)


def _windows(delay):
    return f"{delay:.0f}" if np.isfinite(delay) else "–"


def quick():
    """A few streams and shifts, under two minutes."""
    chosen = ("independent", "Dirichlet", "autocorrelated 0.9", "rare categories", "one factor")
    promised([s for s in healthy() if s.name in chosen], versions=6, months=2)
    for stream in (Stream(name="independent"), Stream(name="Dirichlet", varying=True)):
        seen(stream, [mean(0.05), mean(0.1), mean(0.2)], versions=12, months=1)


def whole():
    """Every stream and size."""
    for rows in WHOLE_SIZES:
        promised(healthy(rows=rows), versions=16, months=2)
    promised(healthy(columns=200), versions=8, months=2)
    for history, per_month in HISTORIES:
        months = 2 if per_month == 720 else 24
        promised(healthy(history=history, per_month=per_month)[:7], versions=16, months=months)
    base = Stream(name="independent")
    for stream in (
        base, replace(base, rows=200), replace(base, rows=10_000), replace(base, columns=200),
        Stream(name="Dirichlet", varying=True), Stream(name="one direction, Gaussian", swing=gaussian),
        Stream(name="autocorrelated 0.9", swing=remembering(0.9)),
    ):  # fmt: skip
        seen(stream, all_shifts(), versions=24, months=1)


def main(arguments):
    """Runs the selection asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--whole", action="store_true", help="every stream and size, some hours")
    began = time.perf_counter()
    whole() if parser.parse_args(arguments).whole else quick()
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
