"""How often verdicts change back and forth: the table of transitions on healthy and on shifted streams.

    python -m benchmarks.alarms.flapping [--versions 8]

A window over the threshold is in alert, over that of ten times the rate at warning. Of healthy months: changes that
people are told of, and alerts raised. Of the week after a shift in one of twenty columns: how often an alert is raised
anew or resolved, and the share of windows, from the first alert on, in which one is in force.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from benchmarks.alarms.experiment import HORIZON
from benchmarks.alarms.laws import healthy
from benchmarks.alarms.shifts import come, mean
from benchmarks.alarms.windows import calibrated, counted, history_of, scores
from monitor.alert.recent import LONGEST
from monitor.alert.transitions import advance
from monitor.model.results import CheckVerdict

HOLDS = (1, 3)
WARNING = 10.0  # times the rate of alerts
SEED = 20261127
STREAMS = ("independent", "one direction, skewed", "autocorrelated 0.9", "autocorrelated 0.98", "both seasons")


@dataclass(frozen=True, kw_only=True)
class Told:
    """What people are told of one sequence of windows: changes, of those alerts raised and resolved; when in alert."""

    changes: int
    alerts: int
    resolved: int
    in_alert: np.ndarray


def told(statuses, *, hold):
    """What the table of transitions makes of the windows' verdicts."""
    state, changes, in_alert = None, [], np.zeros(len(statuses), dtype=bool)
    for at, status in enumerate(statuses):
        verdict = CheckVerdict(check="drift", kind="drift", severity="warning", status=status, rows=1, hold=hold)
        state, change = advance(state, verdict, now_us=at, window_start_us=at, window_end_us=at + 1, counts=True)
        changes += [] if change is None else [change.status]
        in_alert[at] = state.status == "alert"
    return Told(
        changes=len(changes), alerts=changes.count("alert"), resolved=changes.count("ok"), in_alert=in_alert
    )  # fmt: skip


def statuses(calibration, history, windows):
    """The verdict of each window."""
    found = scores(calibration, history, windows)
    alert, warning = (calibration.threshold(per_month=rate) for rate in (1.0, WARNING))
    return np.where(found > alert, "alert", np.where(found > warning, "warning", "ok")).tolist()


def watched(stream, *, version, months=2, shift=None):
    """The verdicts of so many healthy months, or of the week after a shift."""
    rng = np.random.default_rng([SEED, version])
    begin = stream.history + round(months * stream.per_month)
    shares, rows = stream.shares(rng, times=np.arange(begin + HORIZON))
    drawn = counted(rng, stream, shares=shares, rows=rows, shift=shift, onset=begin)
    history = history_of(drawn.part(0, stream.history), ordered=stream.ordered)
    calibration = calibrated(history, windows_per_month=stream.per_month)
    if shift is None:
        return statuses(calibration, history, drawn.part(stream.history, begin))
    return statuses(calibration, history, drawn.part(begin - LONGEST))[-HORIZON:]


def healthy_rows(*, versions, months=2):
    """Lines of the table of healthy months."""
    for stream in (one for one in healthy() if one.name in STREAMS):
        every = [watched(stream, version=version, months=months) for version in range(versions)]
        for hold in HOLDS:
            found = [told(one, hold=hold) for one in every]
            changes, alerts = (sum(getattr(one, name) for one in found) for name in ("changes", "alerts"))
            among = versions * months
            yield f"| {stream.name} | {hold} | {changes / among:.1f} | {alerts / among:.1f} |"


def shifted_rows(*, versions):
    """Lines of the table of weeks after a shift."""
    stream = healthy()[0]
    for shift in (mean(0.05), mean(0.1), mean(0.2), mean(0.5), come(mean(0.2), "gradual")):
        every = [watched(stream, version=version, shift=shift) for version in range(versions)]
        for hold in HOLDS:
            found = [told(one, hold=hold) for one in every]
            since = [one.in_alert[one.in_alert.argmax() :].mean() for one in found if one.in_alert.any()]
            alerts, resolved = [one.alerts for one in found], [one.resolved for one in found]
            yield (
                f"| {shift.name} | {hold} | {np.median(alerts):g} ({min(alerts)} to {max(alerts)}) | "
                f"{np.median(resolved):g} | {np.mean(since) if since else 0.0:.0%} |"
            )


def main():
    """Prints the tables of docs/alarms.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--versions", type=int, default=8)
    versions = parser.parse_args().versions
    print("| healthy traffic | `hold` | changes a month | alerts raised a month |\n|---|---|---|---|")
    for line in healthy_rows(versions=versions):
        print(line, flush=True)
    print(
        "\n| shift | `hold` | alerts raised in a week (least to most) | in alert since the first |\n|---|---|---|---|"
    )
    for line in shifted_rows(versions=versions):
        print(line, flush=True)


if __name__ == "__main__":
    main()
