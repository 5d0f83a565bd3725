"""Model versions watched through healthy months, then through a shift: ours and the rivals on the same windows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from benchmarks.alarms import measure
from benchmarks.alarms.rivals import rivals, tuned
from benchmarks.alarms.windows import Windows, calibrated, counted, history_of, scores
from monitor.alert.recent import LONGEST
from monitor.evaluate.learning import MOST_WINDOWS
from monitor.model.time import HOUR_US

OURS = "Driftline"
HORIZON = 168  # windows in which a shift is to be found: a week of hours


@dataclass(kw_only=True)
class Watched:
    """One way of judging, over all versions: statistics of healthy and of shifted windows, and the bound each used."""

    healthy: list = field(default_factory=list)
    shifted: dict = field(default_factory=dict)
    bounds: list = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Episodes and windows in alarm a month, with the episodes' exact 95 % interval."""

    episodes: float
    low: float
    high: float
    in_alarm: float


@dataclass(frozen=True, kw_only=True)
class Found:
    """How many of the versions' shifts were found within the horizon, and the median delay in windows."""

    share: float
    delay: float


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What each way of judging did, by name; rivals re-tuned to our realised rate are ``name, re-tuned``.

    ``found`` is by the shift's name, then by way; ``told`` what the status says of our threshold, the commonest first.
    """

    rates: dict
    found: dict
    told: str


def apart_of(stream):
    """Windows over the bound that are at most a day apart are one episode."""
    return max(1, round(stream.per_month / 30))


def run(stream, *, versions, months, seed, shifts=(), weekly=False):
    """The outcome of so many versions watched for so many months, each with a history of its own, then shifted.

    ``weekly`` calibrates them again every week of hours, as the service does, and shifts nothing.
    """
    watched = {name: Watched(shifted={shift.name: [] for shift in shifts}) for name in ways()}
    told = Counter()
    for version in range(versions):
        rng = np.random.default_rng([seed, version])
        watch = _watch_weekly if weekly else partial(_watch, shifts=shifts)
        told[watch(stream, rng=rng, months=months, into=watched)] += 1
    return outcome(watched, apart=apart_of(stream), months=months, told=told)


def ways():
    """Every way of judging: ours and the rivals."""
    return (OURS, *(rival.name for rival in rivals()))


def outcome(watched, *, apart, months, told):
    """The outcome of what was watched, rivals as used and re-tuned."""
    bounds = {name: one.bounds for name, one in watched.items()}
    allowed = _count(watched[OURS].healthy, bounds=bounds[OURS], apart=apart)[0]
    for rival in rivals():
        one, gap = watched[rival.name], np.full(apart + 1, -np.inf)
        together = np.concatenate([np.concatenate([part, gap]) for part in one.healthy])
        bound = tuned(together, apart=apart, episodes=max(allowed, 1))
        watched[f"{rival.name}, re-tuned"], bounds[f"{rival.name}, re-tuned"] = one, [bound] * len(one.healthy)
    shifts = watched[OURS].shifted
    return Outcome(
        rates={n: _rate(one.healthy, bounds=bounds[n], apart=apart, months=months) for n, one in watched.items()},
        found={
            shift: {name: _found(one.shifted[shift], bounds=bounds[name]) for name, one in watched.items()}
            for shift in shifts
        },
        told=told.most_common(1)[0][0],
    )


def status_of(calibration):
    """What the version's status says of its threshold."""
    if calibration.state == "learning":
        return f"learning, {calibration.windows} of {calibration.needed}"
    return f"extrapolated × {calibration.factor:.1f}" if calibration.state == "extrapolated" else "calibrated"


def judged(calibration, history, windows):
    """Our scores of windows; −∞ while the version is learning: nothing is decided then."""
    if calibration.state == "learning":
        return np.full(len(windows), -np.inf)
    return scores(calibration, history, windows)


def _watch(stream, *, rng, months, shifts, into):
    """What the status says; the statistics of the version's windows are appended to each way's."""
    quiet = stream.history + round(months * stream.per_month)
    shares, rows = stream.shares(rng, times=np.arange(quiet + HORIZON))
    healthy = counted(rng, stream, shares=shares[:quiet], rows=rows[:quiet])
    history = history_of(healthy.part(0, stream.history), ordered=stream.ordered)
    calibration = calibrated(history, windows_per_month=stream.per_month)
    later, bounds = healthy.part(stream.history), {rival.name: rival.used(stream.columns) for rival in rivals()}
    bounds[OURS] = calibration.threshold()
    for name, statistic in _statistics(calibration, history, later).items():
        into[name].healthy.append(statistic)
        into[name].bounds.append(bounds[name])
    before = healthy.part(-min(LONGEST, len(later)))
    for shift in shifts:
        after = counted(rng, stream, shares=shares[quiet:], rows=rows[quiet:], shift=shift)
        for name, statistic in _statistics(calibration, history, before.followed_by(after)).items():
            into[name].shifted[shift.name].append(statistic[-HORIZON:])
    return status_of(calibration)


def _watch_weekly(stream, *, rng, months, into):
    """The same with a calibration every week; our statistic is then the score less the threshold of its week."""
    windows = stream.history + round(months * stream.per_month)
    shares, rows = stream.shares(rng, times=np.arange(windows))
    healthy = counted(rng, stream, shares=shares, rows=rows)
    history = history_of(healthy.part(0, stream.history), ordered=stream.ordered)
    later = healthy.part(stream.history)
    beyond, calibration = weekly_scores(stream, history=history, later=later)
    into[OURS].healthy.append(beyond)
    into[OURS].bounds.append(0.0)
    for rival in rivals():
        into[rival.name].healthy.append(rival.statistic(history, later))
        into[rival.name].bounds.append(rival.used(stream.columns))
    return status_of(calibration)


def weekly_scores(stream, *, history, later):
    """(float64[W] scores less the threshold, the last calibration): windows in alarm stay out of the next ones."""
    beyond = np.full(len(later), -np.inf)
    calibration = calibrated(history, windows_per_month=stream.per_month)
    for begin in range(0, len(later), HORIZON):
        end, since = min(begin + HORIZON, len(later)), max(begin - LONGEST, 0)
        found = judged(calibration, history, later.part(since, end)) - calibration.threshold()
        beyond[begin:end] = found[begin - since :]
        kept = np.flatnonzero(beyond[:end] <= 0.0)[-MOST_WINDOWS:]
        calibration = calibrated(history.joined(_after(history, later, kept)), windows_per_month=stream.per_month)
    return beyond, calibration


def _after(history, later, kept):
    """Those of the later windows as history that the reference does not contain."""
    those = Windows(cells=later.cells[kept], hits=later.hits[kept], rows=later.rows[kept])
    joined = history_of(those, contained=False, reference=history.reference)
    return replace(joined, starts_us=(history.windows + kept) * HOUR_US)


def _statistics(calibration, history, windows):
    ours = {OURS: judged(calibration, history, windows)}
    return ours | {rival.name: rival.statistic(history, windows) for rival in rivals()}


def _count(parts, *, bounds, apart):
    over = [part > bound for part, bound in zip(parts, bounds, strict=True)]
    return sum(len(measure.episodes(one, apart=apart)) for one in over), sum(int(one.sum()) for one in over)


def _rate(parts, *, bounds, apart, months):
    episodes, windows = _count(parts, bounds=bounds, apart=apart)
    watched = months * len(parts)
    low, high = measure.rate_interval(episodes, months=watched)
    return Rate(episodes=episodes / watched, low=low, high=high, in_alarm=windows / watched)


def _found(parts, *, bounds):
    delays = [measure.delay(part > bound, onset=0) for part, bound in zip(parts, bounds, strict=True)]
    return Found(share=float(np.isfinite(delays).mean()), delay=float(np.median(delays)))
