"""Windows held against a baseline of their own: the same hour of earlier days, or the windows before.

    python -m benchmarks.alarms.moving [--versions 12]

For each traffic and baseline: alarms a month that nothing was wrong in, windows in alarm, and how soon a mean shift of
0.2 standard deviations in one of five columns is found within two days. The reference has all its scales.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.alarms.laws import Stream, by_hour, remembering, seasons
from benchmarks.alarms.measure import delay, episodes
from benchmarks.alarms.shifts import mean
from benchmarks.alarms.windows import calibrated, counted, history_of
from benchmarks.alarms.windows import scores as scores_by_reference
from monitor.alert.cells import Counts
from monitor.alert.held import held_by
from monitor.alert.scoring import surprises
from monitor.alert.threshold import model_score
from monitor.model.baseline import Baseline, parse_baseline
from monitor.model.calendar import places
from monitor.model.time import HOUR_US
from monitor.model.window import WindowSpec

SPEC = WindowSpec(length="1h")
MONTH, HORIZON, APART = 720, 48, 24
BASELINES = ({"kind": "reference"}, {"kind": "same_hour", "windows": 14}, {"kind": "rolling"}, {"kind": "previous"})


def judged_by(baseline: Baseline, whole, *, history, per_month=1.0):
    """(scores float64[W − history], threshold) of the windows behind the history, alerting ones left out as told.

    −∞ where there are too few windows to be held against.
    """
    every = history_of(whole, contained=False)
    first = history_of(whole.part(0, history))

    def there(start_us):
        return places(baseline, start_us=start_us, spec=SPEC)

    calibration = calibrated(
        held_by(first, places=there, min_windows=baseline.min_windows), per_month=per_month
    )  # fmt: skip
    bound, alone = calibration.threshold(), calibration.scales[0]
    usable = np.ones(len(whole), dtype=bool)
    scores = np.full(len(whole) - history, -np.inf)
    for at in range(history, len(whole)):
        chosen = [start // HOUR_US for start in there(at * HOUR_US) if start >= 0]
        chosen = [k for k in chosen if usable[k]]
        if len(chosen) < baseline.min_windows:
            continue
        x = surprises(
            cells=every.cells[at][None], hits=every.hits[at][None], sizes=every.sizes[at][None],
            baseline=_sum(whole, chosen), usual=alone.usual, ordered=every.layout_cells.numeric,
        )  # fmt: skip
        log_p = np.where(calibration.judged, alone.tails.surprise(x)[0], np.nan).reshape(1, -1)
        looks = calibration.windows_per_month
        scores[at - history] = model_score(log_p, tests=calibration.tests, looks_per_month=looks)[0]
        usable[at] = baseline.skip != "alert" or scores[at - history] <= bound
    return scores, bound


def _sum(whole, chosen):
    return Counts(
        rows=int(whole.rows[chosen].sum()), cells=whole.cells[chosen].sum(axis=0), hits=whole.hits[chosen].sum(axis=0)
    )  # fmt: skip


def swinging(by):
    """A daily season so many times as strong as the harness's own."""
    swing = seasons(daily=True, weekly=False)
    return lambda rng, times, columns, history: by * swing(rng, times, columns, history)


def streams(*, columns=5):
    """The traffic of the table in docs/alarms.md, and more."""
    return (
        Stream(name="independent", columns=columns),
        Stream(name="swings daily", columns=columns, swing=swinging(3)),
        Stream(name="autocorrelated 0.9", columns=columns, swing=remembering(0.9)),
        Stream(name="swings daily, volume by hour", columns=columns, swing=swinging(3), volume=by_hour),
    )


def watched(stream, shape, *, version, history=MONTH, quiet=MONTH, shift=None):
    """(scores of the windows behind the history, threshold) of one version; shifted behind the ``quiet`` windows."""
    rng = np.random.default_rng([5, version])
    shares, rows = stream.shares(rng, times=np.arange(history + quiet + HORIZON))
    whole = counted(rng, stream, shares=shares, rows=rows, shift=shift or mean(0.2), onset=history + quiet)
    if shape["kind"] != "reference":
        return judged_by(parse_baseline(shape), whole, history=history)
    first = history_of(whole.part(0, history))
    calibration = calibrated(first)
    return scores_by_reference(calibration, first, whole.part(history)), calibration.threshold()


def main():
    """Prints a line for each traffic and baseline."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", type=int, default=12)
    told = parser.parse_args()
    for stream in streams():
        for shape in BASELINES:
            over = []
            for version in range(told.versions):
                scores, bound = watched(stream, shape, version=version)
                over.append(scores > bound)
            alarms = sum(len(episodes(one[:MONTH], apart=APART)) for one in over) / told.versions
            delays = np.array([delay(one[MONTH:], onset=0) for one in over])
            print(
                f"{stream.name}, {shape['kind']}: {alarms:.2f} alarms a month, "
                f"{sum(one[:MONTH].sum() for one in over) / told.versions:.2f} windows in alarm, "
                f"found {np.isfinite(delays).mean():.0%}, median {np.median(delays):g} hours",
                flush=True,
            )


if __name__ == "__main__":
    main()
