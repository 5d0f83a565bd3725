"""All traffic and the segments it is made of, judged on one budget: false alarms of all of them, and what is found.

    python -m benchmarks.alarms.sliced [--versions 8]

Four segments of equal size, all traffic their sum; each of the five places has a fifth of one alarm a month. In the
last two days the mean of one column goes up by 0.3 standard deviations in the first segment and down by as much in the
second, so that all traffic hardly moves.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.alarms.laws import Stream, remembering
from benchmarks.alarms.measure import delay, episodes, rate_interval
from benchmarks.alarms.shifts import mean
from benchmarks.alarms.windows import Windows, calibrated, counted, history_of, scores

SEGMENTS, MONTH, HORIZON, APART = 4, 720, 48, 24


def streams(*, columns=5, rows=250):
    """The traffic of the table in docs/alarms.md: ``shared`` swings are the same in every segment."""
    known = {"columns": columns, "rows": rows}
    return (
        (Stream(name="independent", **known), False),
        (Stream(name="autocorrelated 0.9, each segment by itself", swing=remembering(0.9), **known), False),
        (Stream(name="autocorrelated 0.9, all segments together", swing=remembering(0.9), **known), True),
    )


def drawn(stream, *, together, version, shift, history=MONTH, quiet=MONTH):
    """The windows of all traffic and of each segment; ``together``: their shares are the same."""
    rng = np.random.default_rng([11, version])
    times = np.arange(history + quiet + HORIZON)
    common = stream.shares(rng, times=times)
    parts = []
    for position in range(SEGMENTS):
        shares, rows = common if together else stream.shares(rng, times=times)
        moved = {0: mean(shift), 1: mean(-shift)}.get(position)
        parts.append(counted(rng, stream, shares=shares, rows=rows, shift=moved, onset=history + quiet))
    whole = Windows(
        cells=sum(one.cells for one in parts), hits=sum(one.hits for one in parts), rows=sum(one.rows for one in parts)
    )
    return [whole, *parts]


def watched(places, *, history=MONTH):
    """Over the threshold bool[places, W − history] at a share of the budget each, and at all of it each."""
    shared, whole = [], []
    for windows in places:
        first = history_of(windows.part(0, history))
        calibration = calibrated(first)
        found = scores(calibration, first, windows.part(history))
        shared.append(found > calibration.threshold(per_month=1.0 / len(places)))
        whole.append(found > calibration.threshold())
    return np.array(shared), np.array(whole)


def main():
    """Prints a line for each traffic."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", type=int, default=8)
    told = parser.parse_args()
    for stream, together in streams():
        every = [watched(drawn(stream, together=together, version=v, shift=0.3)) for v in range(told.versions)]
        counts = [
            sum(len(episodes(place[:MONTH], apart=APART)) for over in every for place in over[way]) for way in (0, 1)
        ]
        low, high = rate_interval(counts[0], months=told.versions)
        delays = np.array([[delay(place[MONTH:], onset=0) for place in over[0]] for over in every])
        found = ", ".join(
            f"{name} {np.isfinite(at).mean():.0%} after {np.median(at):g}"  # inf: in fewer than half
            for name, at in (("the first segment", delays[:, 1]), ("all traffic", delays[:, 0]))
        )
        print(
            f"{stream.name}: {counts[0] / told.versions:.2f} alarms a month in all places ({low:.2f} to {high:.2f}), "
            f"{counts[1] / told.versions:.2f} were the budget not shared; found in {found} hours",
            flush=True,
        )


if __name__ == "__main__":
    main()
