"""The figures of a run as Markdown, and what of it is not as it should be."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from benchmarks.soak.figures import Slope, by_minute, growth, least_squares, theil_sen
from benchmarks.soak.traffic import Answer
from benchmarks.soak.watch import Sample

SLOPE_MIB = 1.0  # a minute
TAIL_MINUTES = 20
KINDS = ("1 record", "JSON 500", "Arrow 500", "labels 500", "reads", "/metrics", "no-op")
WATCHED = ("1 record", "reads", "no-op")  # whose trend is told


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything that a run leaves behind; ``work``: how often each step of the worker succeeded in it.

    ``missed``: requests that were not sent, since what was sent before them took too long.
    """

    database: str
    minutes: int
    samples: Sequence[Sample]
    answers: Sequence[Answer]
    acked: int
    stored: int
    missed: int
    work: Mapping[str, int]

    @property
    def tail(self) -> tuple[float, float]:
        """The last twenty minutes (of a short run two thirds), seconds."""
        return 60.0 * (self.minutes - min(TAIL_MINUTES, self.minutes * 2 // 3)), 60.0 * self.minutes

    def process(self, name: str, field: str) -> tuple[np.ndarray, np.ndarray]:
        """(seconds, values) of one figure of one process."""
        chosen = [sample for sample in self.samples if sample.process == name]
        return np.array([s.at for s in chosen]), np.array([getattr(s, field) for s in chosen], np.float64)

    def latency(self, kind: str) -> tuple[np.ndarray, np.ndarray]:
        """(seconds, ms) of one kind of request."""
        chosen = [answer for answer in self.answers if answer.kind == kind]
        return np.array([a.at for a in chosen]), np.array([1_000 * a.seconds for a in chosen])

    @property
    def errors(self) -> int:
        """Requests whose answer was not a 2xx, or did not come."""
        return sum(not 200 <= answer.status < 300 for answer in self.answers)


def memory_slope(run: Run, process: str) -> Slope:
    """MiB a minute over the tail, of each minute's mean."""
    return least_squares([float(m.mean()) for m in by_minute(*run.process(process, "resident_mib"), **_tail(run))])


def grown(run: Run, process: str, field: str) -> float:
    """How many more there are in the tail's last quarter, by the median, than there ever were before the tail."""
    at, values = run.process(process, field)
    since, until = run.tail
    return growth(values[at < since], values[(at >= since) & (at < until)])


def p99_trend(run: Run, kind: str) -> Slope:
    """Of each minute's p99 over the tail, a share a minute."""
    minutes = [float(np.quantile(m, 0.99)) for m in by_minute(*run.latency(kind), **_tail(run))]
    return theil_sen(minutes) if len(minutes) > 2 else Slope(0.0, -math.inf, math.inf)


def _tail(run: Run) -> dict[str, float]:
    since, until = run.tail
    return {"since": since, "until": until}


def faults(run: Run) -> Iterator[str]:
    """What is not as promised, each in a sentence."""
    for process in ("API", "worker"):
        if (slope := memory_slope(run, process).value) >= SLOPE_MIB:
            yield f"the {process}'s memory grew by {slope:.2f} MiB a minute: expected below {SLOPE_MIB:.0f}"
        for field in ("descriptors", "threads"):
            if (more := grown(run, process, field)) > 0:
                yield f"the {process} has {more:g} more {field} in the end than before: expected none"
    for kind in WATCHED[:2]:
        if not run.missed and p99_trend(run, kind).rises and not p99_trend(run, "no-op").rises:
            yield f"the p99 of {kind} rises and that of the no-op endpoint does not"
    if run.missed:
        yield f"{run.missed} requests were due and not sent: the machine is too busy, and latency says nothing"
    if run.errors:
        yield f"{run.errors} requests failed: expected none"
    if run.stored != run.acked:
        yield f"{run.acked} records were acknowledged and {run.stored} counted as stored"
    for step in ("fold", "evaluate", "join", *(["compact"] if run.minutes > 6 else [])):
        if not run.work.get(step):
            yield f"no {step} ran: the run says nothing about it"


def page(run: Run) -> str:
    """All figures of the run."""
    parts = [_summary(run), _processes(run), _latencies(run), _trends(run)]
    wrong = [f"- {fault}" for fault in faults(run)]
    return "\n\n".join([*parts, *(["**Not as promised:**\n" + "\n".join(wrong)] if wrong else [])])


def _summary(run: Run) -> str:
    load = np.mean([sample.load for sample in run.samples])
    seconds = 60 * run.minutes
    cores = sum(np.ptp(run.process(name, "cpu_seconds")[1]) for name in ("API", "worker")) / seconds
    sent = sum(answer.kind != "no-op" for answer in run.answers)
    work = ", ".join(f"{n:,} {step}" for step, n in sorted(run.work.items()))
    return (
        f"**{run.database}**, {run.minutes} minutes: {sent / seconds:.0f} requests and {run.acked / seconds:,.0f} "
        f"records a second, {sent:,} and {run.acked:,} in all; {run.errors} failed, {run.missed} were due "
        f"and not sent. Runs of the worker's steps: {work}. Driftline took {cores:.2f} of "
        f"{os.cpu_count()} cores; the machine's load was {load:.1f} on average."
    )


def _processes(run: Run) -> str:
    lines = [
        "| process | MiB at 1 minute | least | most | last | MiB a minute at the end (95 %) "
        "| file descriptors | grown | threads | grown |",
        "|---" + "|---:" * 9 + "|",
    ]
    for process in ("API", "worker"):
        at, mib = run.process(process, "resident_mib")
        slope = memory_slope(run, process)
        shown_slope = f"{slope.value:+.2f} ({slope.lower:+.2f} to {slope.upper:+.2f})"
        counts = []
        for field in ("descriptors", "threads"):
            _, values = run.process(process, field)
            counts += [f"{values.min():g} to {values.max():g}", f"{grown(run, process, field):g}"]
        shown = (mib[np.searchsorted(at, 60)], mib.min(), mib.max(), mib[-1])
        cells = [*(f"{value:.0f}" for value in shown), shown_slope, *counts]
        lines.append(f"| {process} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _latencies(run: Run) -> str:
    edges = [*range(0, run.minutes, 5), run.minutes]
    lines = ["| minutes | " + " | ".join(KINDS) + " |", "|---" * (len(KINDS) + 1) + "|"]
    for begin, end in pairwise(edges):
        cells = []
        for kind in KINDS:
            at, ms = run.latency(kind)
            block = ms[(at >= 60 * begin) & (at < 60 * end)]
            cells.append(f"{np.quantile(block, 0.5):.1f} / {np.quantile(block, 0.99):.0f}" if len(block) else "")
        lines.append(f"| {begin} to {end} | " + " | ".join(cells) + " |")
    return "p50 / p99 in ms:\n\n" + "\n".join(lines)


def _trends(run: Run) -> str:
    told = []
    for kind in WATCHED:
        slope = p99_trend(run, kind)
        told.append(f"{kind} {slope.value:+.1%} ({slope.lower:+.1%} to {slope.upper:+.1%})")
    since, until = run.tail
    return (
        f"The p99 of each of the last {(until - since) / 60:.0f} minutes changed by this share a minute (Theil-Sen, "
        f"95 %; flat: the interval does not lie above 0): {', '.join(told)}."
    )
