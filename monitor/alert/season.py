"""A season told from less than a week: do columns move with the hour of the day, so that they may with the weekday?

A weekly season cannot be seen in less than a week. What can be seen from two days on is a daily one, and what moves
with the hour of the day (people sleep) mostly moves with the weekday too. So where a history of less than a week
shows a daily cycle a weekly one cannot be excluded, and the week is waited for; where it shows none it is not.
Under two whole days nothing can be told, and nobody is held back.

The cycle is looked for in the columns' (p − q)/√q: their power at one turn a day, over the mean power at
neighbouring frequencies, is F-distributed where nothing turns daily (the test for one periodicity of Fisher 1929,
with the noise taken from beside it). Noise that remembers has more power at slower frequencies; held against both
sides of itself it does not pass for a cycle.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc

from monitor.alert.cells import Flags, Floats, Integers
from monitor.alert.history import History
from monitor.alert.roots import smoothed_shares
from monitor.model.time import DAY_US

Complexes = NDArray[np.complex128]

WEEK_US = 7 * DAY_US
LEAST_DAYS = 2  # or weeks
MOST_DAYS, MOST_WEEKS = 14, 4  # that a season is told from: more would say the same and cost more
SLOWEST = 4  # turns a day up to which movement is slow
SIGNIFICANT = 0.01  # how often a history without a cycle is held back


def windows_to_a_week(history: History, *, length_us: int) -> int:
    """How many windows are missing to a whole week where the history is shorter and shows a daily cycle, else 0."""
    missing_us = WEEK_US - covered_us(history.starts_us, length_us=length_us)
    if missing_us <= 0 or daily_cycle(history, length_us=length_us) > SIGNIFICANT:
        return 0
    return -(-missing_us // length_us)


def covered_us(starts_us: Integers, *, length_us: int) -> int:
    """How much time windows that start at int64[K] cover, in µs; a gap of less than a day (a quiet night) counts.

    >>> hour = 3_600_000_000
    >>> covered_us(np.array([0, 1, 2, 72]) * hour, length_us=hour) // hour
    4
    """
    return sum(int(stretch[-1] - stretch[0]) + length_us for stretch in _stretches(starts_us, length_us=length_us))


def daily_cycle(history: History, *, length_us: int) -> float:
    """The p-value of "nothing moves with the hour of the day", from the longest stretch's newest whole days.

    1 where that is under two days, or windows are longer than six hours. Two looks share it: one at all columns
    together, each in units of its other slow movement, and one at the most periodic column.
    """
    return cycle(history, length_us=length_us, period_us=DAY_US)


def seasons(history: History, *, length_us: int) -> tuple[float, float]:
    """The p-values of "nothing moves with the hour of the day" and "… with the day of the week", as ``daily_cycle``:
    from the newest fortnight and the newest four weeks at most. What a baseline is proposed by."""
    return (
        cycle(history, length_us=length_us, period_us=DAY_US, most=MOST_DAYS),
        cycle(history, length_us=length_us, period_us=WEEK_US, most=MOST_WEEKS),
    )


def cycle(history: History, *, length_us: int, period_us: int, most: int | None = None) -> float:
    """The p-value of "nothing turns once in the period", by ``most`` newest whole periods; 1 under two of them, or
    where windows are longer than a quarter."""
    stretch = max(_stretches(history.starts_us, length_us=length_us), key=len, default=np.zeros(0, dtype=np.int64))
    days = (int(stretch[-1] - stretch[0]) + length_us) // period_us if len(stretch) else 0
    days = days if most is None else min(days, most)
    if days < LEAST_DAYS or length_us > period_us // 4:
        return 1.0
    used = stretch[stretch >= stretch[-1] + length_us - days * period_us]
    series = _movement(history, first=int(np.searchsorted(history.starts_us, used[0])), count=len(used))
    turns = (used - used[0]) / period_us
    other = np.array([k for k in range(1, SLOWEST * days) if k % days])  # neither the cycle nor its overtones
    beside = np.abs(other - days) <= days // 2
    daily, slow = (
        _turned(series, turns=turns, frequencies=np.ones(1)),
        _turned(series, turns=turns, frequencies=other / days),
    )
    variance = (np.abs(slow) ** 2).sum(axis=(0, 2))
    moving = variance > 0.0
    if not moving.any():
        return 1.0
    unit = np.sqrt(variance[moving])[:, None]
    daily, slow = daily[:, moving] / unit, slow[:, moving] / unit
    together = _tail(daily.reshape(1, 1, -1), slow.reshape(len(other), 1, -1), beside=beside)
    alone = _tail(daily, slow, beside=beside) * moving.sum()
    return min(1.0, 2.0 * min(float(together.min()), float(alone.min())))


def _stretches(starts_us: Integers, *, length_us: int) -> list[Integers]:
    """The starts cut where a day or more is missing."""
    if not len(starts_us):
        return []
    return np.split(starts_us, np.flatnonzero(np.diff(starts_us) >= DAY_US + length_us) + 1)


def _movement(history: History, *, first: int, count: int) -> Floats:
    """(p − q)/√q float64[D, count, GROUPS] of those windows, less its mean; 0 where a window has no valid value.

    Not the signed roots: with fewer rows they lie a little lower, and volume turns daily by itself.
    """
    cells = history.cells[first : first + count].transpose(1, 0, 2)
    q = smoothed_shares(history.reference.cells[:, None, :], width=history.layout_cells.width)
    rows = cells.sum(axis=2, keepdims=True)
    steps = np.divide(cells / np.maximum(rows, 1.0) - q, np.sqrt(q), out=np.zeros(cells.shape), where=q > 0.0)
    mean = (
        np.where(rows > 0.0, steps, 0.0).sum(axis=1, keepdims=True) / np.maximum((rows > 0.0).sum(axis=1), 1)[:, None]
    )
    return np.where(rows > 0.0, steps - mean, 0.0)


def _turned(series: Floats, *, turns: Floats, frequencies: Floats) -> Complexes:
    """complex128[F, D, B]: the Fourier coefficients of series float64[D, T, B] at so many turns a day."""
    waves = np.exp(-2j * np.pi * frequencies[:, None] * turns)
    turned: Complexes = np.einsum("ft,dtb->fdb", waves, series, optimize=True)
    return turned


def _tail(daily: Complexes, slow: Complexes, *, beside: Flags) -> Floats:
    """P(F ≥ the daily power over the mean power ``beside``), float64[D], of coefficients [1, D, B] and [F, D, B].

    How many directions move independently is taken from the slow frequencies alone, where noise that remembers
    is strongest: (Σ λ)²/Σ λ² of their covariance (Satterthwaite), by traces; too few rather than too many.
    """
    power = (np.abs(daily[0]) ** 2).sum(axis=1)
    mean = (np.abs(slow[beside]) ** 2).sum(axis=2).mean(axis=0)
    by_column = slow.transpose(1, 0, 2)
    gram = by_column @ by_column.conj().transpose(0, 2, 1)
    freedom = np.trace(gram, axis1=1, axis2=2).real ** 2 / (np.abs(gram) ** 2).sum(axis=(1, 2))
    ratio = np.divide(power, mean, out=np.full(power.shape, np.inf), where=mean > 0.0)
    tail: Floats = np.asarray(fdtrc(2.0 * freedom, 2.0 * beside.sum() * freedom, ratio))
    return tail
