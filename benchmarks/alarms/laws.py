"""How healthy traffic moves by itself: the shares of each column's ten cells, window by window.

A law gives, for windows at ``times`` (int64[W], counted from the first of the history), ``shares`` float64[W, D, 10]
and ``rows`` int64[W]. The reference law of a number is a tenth in each decile; what moves, moves around that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter
from scipy.stats import poisson

GROUPS = 10
DECILES = np.full(GROUPS, 1 / GROUPS)
RARE_LEVELS = np.array([0.6, 0.2, 0.1, 0.05, 0.03, 0.01, 0.005, 0.003, 0.0015, 0.0005])
TIES = np.append(poisson.pmf(np.arange(9), 1.5), poisson.sf(8, 1.5))  # counts, most of them 0 to 3
PULL = np.linspace(-1, 1, GROUPS) * 0.1  # the direction in which a column swings: its upper cells by a tenth
CONCENTRATION = 90.0  # Dirichlet: each of ten equal shares varies by a tenth of itself
A_DAY, A_WEEK = 24, 168


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Healthy traffic: ``columns`` columns at ``rows`` rows a window; ``per_month`` windows a month.

    ``swing`` gives float64[W, D], how far each column is pulled along ``PULL``; ``shared`` makes it the same for all.
    """

    name: str
    rows: int = 1_000
    columns: int = 20
    history: int = 720
    per_month: int = 720
    base: np.ndarray = None
    ordered: bool = True
    varying: bool = False
    shared: bool = False
    swing: Callable | None = None
    volume: Callable | None = None

    def shares(self, rng, *, times):
        """(shares float64[W, D, 10], rows int64[W]) of windows at those times."""
        base = DECILES if self.base is None else self.base
        count = len(times)
        shares = np.broadcast_to(base, (count, self.columns, GROUPS))
        if self.varying:
            shares = rng.dirichlet(base * CONCENTRATION, (count, self.columns))
        if self.swing is not None:
            pull = self.swing(rng, times, 1 if self.shared else self.columns, self.history)
            shares = shares * np.exp(PULL * pull[:, :, None])
            shares = shares / shares.sum(axis=2, keepdims=True)
        rows = np.full(count, self.rows) if self.volume is None else self.volume(times, self.rows, self.history)
        return shares, np.maximum(rows, 1).astype(np.int64)


def gaussian(rng, times, columns, history):
    """Independent from window to window."""
    return rng.standard_normal((len(times), columns))


def skewed(rng, times, columns, history):
    """A gamma law of shape 1: mostly a little below, now and then far above."""
    return rng.gamma(1.0, 1.0, (len(times), columns)) - 1.0


def jumping(rng, times, columns, history):
    """Student's law with three degrees of freedom, of variance 1."""
    return rng.standard_t(3, (len(times), columns)) / np.sqrt(3.0)


def remembering(memory):
    """An autoregression of that memory, of variance 1, begun in its stationary law."""

    def swing(rng, times, columns, history):
        noise = rng.standard_normal((len(times), columns)) * np.sqrt(1 - memory**2)
        noise[0] = rng.standard_normal(columns)
        return lfilter([1.0], [1.0, -memory], noise, axis=0)

    return swing


def seasons(*, daily, weekly):
    """Each column has its own phase of the day, and its own seven days of the week."""

    def swing(rng, times, columns, history):
        pull = np.zeros((len(times), columns))
        if daily:
            phase = rng.uniform(0, 2 * np.pi, columns)
            pull += np.sqrt(2.0) * np.sin(2 * np.pi * times[:, None] / A_DAY + phase)
        if weekly:
            days = rng.standard_normal((7, columns))
            pull += days[times // A_DAY % 7]
        return pull

    return swing


def by_hour(times, rows, history):
    """From a fifth of the rows at night to nearly twice by day."""
    return rows * (1.0 + 0.8 * np.sin(2 * np.pi * times / A_DAY))


def growing(times, rows, history):
    """Steady in the history, then three times the rows within two months."""
    return rows * (1.0 + 2.0 * np.clip((times - history) / 1_440.0, 0.0, 1.0))


def healthy(*, rows=1_000, columns=20, history=720, per_month=720):
    """Every healthy stream of that size."""
    size = {"rows": rows, "columns": columns, "history": history, "per_month": per_month}
    return (
        Stream(name="independent", **size),
        Stream(name="Dirichlet", varying=True, **size),
        Stream(name="one direction, Gaussian", swing=gaussian, **size),
        Stream(name="one direction, skewed", swing=skewed, **size),
        Stream(name="one direction, t3", swing=jumping, **size),
        Stream(name="autocorrelated 0.9", swing=remembering(0.9), **size),
        Stream(name="autocorrelated 0.98", swing=remembering(0.98), **size),
        Stream(name="daily season", swing=seasons(daily=True, weekly=False), **size),
        Stream(name="weekly season", swing=seasons(daily=False, weekly=True), **size),
        Stream(name="both seasons", swing=seasons(daily=True, weekly=True), **size),
        Stream(name="volume by hour", varying=True, volume=by_hour, **size),
        Stream(name="volume growing", varying=True, volume=growing, **size),
        Stream(name="rare categories", base=RARE_LEVELS, ordered=False, **size),
        Stream(name="counts with ties", base=TIES, **size),
        Stream(name="one factor", swing=gaussian, shared=True, **size),
    )  # fmt: skip
