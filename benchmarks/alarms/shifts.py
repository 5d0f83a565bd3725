"""What goes wrong in the first column of a stream, how strongly, and how it comes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

EDGES = norm.ppf(np.linspace(0, 1, 11))
RAMP, ON, EVERY = 72, 24, 168


def sudden(since):
    """All of it at once, and for good."""
    return (since >= 0).astype(float)


def gradual(since):
    """A little more with every window for three days."""
    return np.clip((since + 1) / RAMP, 0.0, 1.0)


def recurring(since):
    """A day of every week."""
    return ((since >= 0) & (since % EVERY < ON)).astype(float)


COMES = {"sudden": sudden, "gradual": gradual, "recurring": recurring}


@dataclass(frozen=True, kw_only=True)
class Shift:
    """``moves`` gives shares float64[10] of a strength 0..1 that a decile law would have; ``hit`` adds rows to a share.

    ``hit`` is (which of out of range, missing, invalid, unseen; how much of the rows; the cell they are in or None).
    """

    name: str
    comes: str = "sudden"
    moves: Callable | None = None
    hit: tuple[int, float, int | None] | None = None
    small: bool = False  # a mean shift of a tenth of a standard deviation or less
    of: str = ""  # "numbers" or "categories", where only those can have it

    def can_be(self, stream):
        """Whether columns of the stream can shift so."""
        return self.of in ("", "numbers" if stream.ordered else "categories")

    def strength(self, since):
        """float64[W] of windows since the onset (negative: before)."""
        return COMES[self.comes](since)

    def moved(self, shares, *, strength):
        """The shares float64[W, 10] of the column, shifted."""
        if self.moves is not None:
            distinct = {s: np.asarray(self.moves(s)) / 0.1 for s in np.unique(strength)}
            shares = shares * np.array([distinct[s] for s in strength])
            return shares / shares.sum(axis=1, keepdims=True)
        if self.hit is not None and self.hit[2] is not None:
            part = strength[:, None] * self.hit[1]
            return shares * (1 - part) + part * np.eye(10)[self.hit[2]]
        return shares

    def extra(self, strength):
        """float64[W, 4]: the share of rows that are out of range, missing, invalid, unseen beyond what is usual."""
        found = np.zeros((len(strength), 4))
        if self.hit is not None and self.hit[0] >= 0:
            found[:, self.hit[0]] = strength * self.hit[1]
        return found


def mean(by):
    """The mean moves by so many standard deviations."""
    return Shift(
        name=f"mean + {by:g} sd", moves=lambda s: np.diff(norm.cdf(EDGES - by * s)), small=by <= 0.1, of="numbers"
    )


def spread(by):
    """The spread grows by that factor."""
    return Shift(name=f"spread × {by:g}", moves=lambda s: np.diff(norm.cdf(EDGES / (1 + (by - 1) * s))), of="numbers")


def tail(share):
    """That share of the rows moves to the uppermost decile."""
    return Shift(
        name=f"tail + {share:.0%}", moves=lambda s: 0.1 * (1 - s * share) + s * share * np.eye(10)[9], of="numbers"
    )


def come(shift, how):
    """The shift, coming otherwise."""
    return Shift(
        name=f"{shift.name}, {how}", comes=how, moves=shift.moves, hit=shift.hit, small=shift.small, of=shift.of
    )


def all_shifts():
    """Every shift of the harness."""
    sudden_ones = (
        *(mean(by) for by in (0.02, 0.05, 0.1, 0.2, 0.5)), spread(1.1), spread(1.3), tail(0.02), tail(0.05),
        Shift(name="one category + 5 points", hit=(-1, 0.05, 3)), Shift(name="missing + 2 points", hit=(1, 0.02, None)),
        Shift(name="a new category, 1 %", hit=(3, 0.01, 9), of="categories"),
        Shift(name="outside the range, 1 %", hit=(0, 0.01, 9), of="numbers"),
        Shift(name="unit change", hit=(0, 1.0, 9), of="numbers"),
    )  # fmt: skip
    others = (come(one, how) for how in ("gradual", "recurring") for one in (mean(0.1), mean(0.2), tail(0.05)))
    return (*sudden_ones, *others)
