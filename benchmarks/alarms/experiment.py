"""Model versions watched through healthy months, then through a shift: ours and the rivals on the same windows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from benchmarks.alarms import measure
from benchmarks.alarms.rivals import rivals, tuned
from benchmarks.alarms.windows import calibrated, draw, history_of, scores

OURS = "Driftline"
HORIZON = 168  # windows in which a shift is to be found: a week of hours


@dataclass(kw_only=True)
class Watched:
    """One way of judging, over all versions: statistics of healthy and of shifted windows, and the bound each used."""

    healthy: list = field(default_factory=list)
    shifted: list = field(default_factory=list)
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
    """What each way of judging did, by name; rivals re-tuned to our realised rate are ``name, re-tuned``."""

    rates: dict
    found: dict


def apart_of(stream):
    """Windows over the bound that are at most a day apart are one episode."""
    return max(1, round(stream.per_month / 30))


def run(stream, *, versions, months, seed, shift=None):
    """The outcome of so many versions watched for so many months, each with a history of its own."""
    watched = {name: Watched() for name in (OURS, *(rival.name for rival in rivals()))}
    for version in range(versions):
        _watch(stream, rng=np.random.default_rng([seed, version]), months=months, shift=shift, into=watched)
    ways = {name: (one, one.bounds) for name, one in watched.items()}
    apart = apart_of(stream)
    allowed = _count(watched[OURS].healthy, bounds=watched[OURS].bounds, apart=apart)[0]
    for rival in rivals():
        gap = np.full(apart + 1, -np.inf)
        together = np.concatenate([np.concatenate([part, gap]) for part in watched[rival.name].healthy])
        bound = tuned(together, apart=apart, episodes=max(allowed, 1))
        ways[f"{rival.name}, re-tuned"] = (watched[rival.name], [bound] * versions)
    return Outcome(
        rates={
            name: _rate(one.healthy, bounds=bounds, apart=apart, months=months) for name, (one, bounds) in ways.items()
        },
        found={name: _found(one.shifted, bounds=bounds) for name, (one, bounds) in ways.items() if shift is not None},
    )


def _watch(stream, *, rng, months, shift, into):
    quiet = stream.history + round(months * stream.per_month)
    whole = draw(
        rng, stream, windows=quiet + (HORIZON if shift is not None else 0), shift=shift, onset=quiet
    )  # fmt: skip
    history = history_of(whole.part(0, stream.history), ordered=stream.ordered)
    calibration = calibrated(history, windows_per_month=stream.per_month)
    later = whole.part(stream.history)
    said = {OURS: (scores(calibration, history, later), calibration.threshold())} | {
        rival.name: (rival.statistic(history, later), rival.used(stream.columns)) for rival in rivals()
    }
    for name, (statistic, bound) in said.items():
        into[name].healthy.append(statistic[: quiet - stream.history])
        into[name].shifted.append(statistic[quiet - stream.history :])
        into[name].bounds.append(bound)


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
