"""One window scored: how surprising every test of every column is, read on the column's own tail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from monitor.alert.calibrate import Calibration, Scale
from monitor.alert.cells import Counts, Flags, Floats, Integers, reduce_profile
from monitor.alert.pooling import Pooling
from monitor.alert.roots import noise, share_root
from monitor.alert.scoring import roots_at, surprises
from monitor.alert.threshold import column_threshold
from monitor.profile.profile import Profile

NATS = float(np.log(10.0))  # surprise is shown in powers of ten


class TestEvidence(NamedTuple):
    """The most surprising of some tests of one column: which (−1: none was judged), −ln p, the PSI beyond what noise
    brings, and in how many healthy windows it could be judged; ``rows`` are the most that any of the tests had,
    ``scale`` how many windows were looked at together."""

    test: int
    log_p: float
    rows: int
    effect: float
    windows: int
    scale: int


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A window's tests, arrays [5, D] by column ``positions``; ``needed`` healthy windows make a verdict.

    ``log_p`` is the most surprising scale's, credited for how seldom it is looked at; ``scale`` which that is, and
    ``effect`` the PSI beyond noise of its sum. ``sizes``, ``alone`` (−ln p) and ``alone_effect`` are the window's own.
    """

    positions: dict[str, int]
    log_p: Floats
    sizes: Floats
    effect: Floats
    windows: Integers
    scale: Integers
    alone: Floats
    alone_effect: Floats
    needed: int

    @cached_property
    def sent(self) -> int:
        """The rows of the window: those behind *missing*, which every row has or has not."""
        return int(self.sizes[2].max(initial=0))

    def alarms_alone(self, tests: Sequence[int], *, columns: Iterable[str], limit: float, least_effect: float) -> bool:
        """Whether the window by itself, without the ones before, passes the −ln p of ``limit`` in one of the tests."""
        at = np.ix_(list(tests), [self.positions[name] for name in columns if name in self.positions])
        decided = (self.windows[at] >= self.needed) & (self.alone_effect[at] >= least_effect)
        return bool((decided & (self.alone[at] > limit)).any())  # nan passes nothing

    def most_surprising(self, tests: Sequence[int]) -> list[TestEvidence]:
        """By position, the most surprising of the tests of each column (the first of equals)."""
        among = self.log_p[list(tests)]
        pick = np.where(np.isnan(among), -np.inf, among).argmax(axis=0)
        which = np.array(tests)[pick]
        every = np.arange(among.shape[1])
        judged = ~np.isnan(among).all(axis=0)
        parts = (
            np.where(judged, which, -1), self.log_p[which, every], self.sizes[list(tests)].max(axis=0).astype(np.int64),
            self.effect[which, every], self.windows[which, every], self.scale[which, every],
        )  # fmt: skip
        return [TestEvidence._make(one) for one in zip(*(part.tolist() for part in parts), strict=True)]


def gather(
    calibration: Calibration, *, reference: Profile, current: Profile, sums: Mapping[int, Counts] | None = None
) -> Evidence:
    """The evidence of a window against its baseline, the most surprising scale of each test.

    ``sums`` are those of the windows up to the last look, by scale (``recent.py``); a scale that is not in it is not
    looked at.
    """
    cells, able = calibration.layout_cells, calibration.able
    baseline, now = reduce_profile(cells, profile=reference), reduce_profile(cells, profile=current)
    alone = alone_effect = np.full(able.shape, np.nan)
    log_p, effect, scales = alone, alone_effect, np.ones(able.shape, dtype=np.int64)
    for scale in calibration.scales:
        counts = now if scale.windows == 1 else (sums or {}).get(scale.windows)
        if counts is None:
            continue
        found = np.where(able, _log_p(scale, counts, baseline=baseline, ordered=cells.numeric), np.nan)
        moved = effect_sizes(counts, baseline=baseline, pooling=scale.usual.pooling)
        if scale.windows == 1:
            alone, alone_effect = found, moved
        better = (found > log_p) | (np.isnan(log_p) & ~np.isnan(found))
        log_p = np.fmax(log_p, found)
        scales, effect = np.where(better, scale.windows, scales), np.where(better, moved, effect)
    return Evidence(
        positions={name: d for d, name in enumerate(cells.columns)},
        log_p=log_p,
        sizes=now.sizes,
        effect=effect,
        windows=calibration.known,
        scale=scales,
        alone=alone,
        alone_effect=alone_effect,
        needed=calibration.needed,
    )


def _log_p(scale: Scale, counts: Counts, *, baseline: Counts, ordered: Flags) -> Floats:
    """−ln p float64[5, D] of the counts at a scale, credited for how seldom it is looked at."""
    x = surprises(
        cells=counts.cells[None], hits=counts.hits[None], sizes=counts.sizes[None], baseline=baseline,
        usual=scale.usual, ordered=ordered,
    )  # fmt: skip
    return scale.credited(scale.tails.surprise(x)[0])


def looks(calibration: Calibration, scale: Scale) -> float:
    """How often a month a scale is looked at."""
    return calibration.windows_per_month / scale.stride


def thresholds(calibration: Calibration, *, per_month: float) -> tuple[float, float]:
    """The −ln p of one test that alone would raise an alert, and a warning, so many times a month.

    A warning is raised at ten times the rate, though in no more than one healthy window in twenty: of daily
    windows ten a month would be one in three.
    """
    often = max(per_month, min(10.0 * per_month, calibration.windows_per_month / 20.0))
    alert, warning = (
        column_threshold(
            calibration.threshold(per_month=rate), tests=calibration.tests,
            looks_per_month=looks(calibration, calibration.scales[0]),
        )
        for rate in (per_month, often)
    )  # fmt: skip
    return alert, warning


def effect_sizes(now: Counts, *, baseline: Counts, pooling: Pooling) -> Floats:
    """PSI less what sampling alone brings, ν (B − 1), of every test: float64[5, D]."""
    roots, spread, _ = roots_at(0, cells=now.cells[:, None, :], baseline=baseline.cells, pooling=pooling)
    brought = np.where(np.isfinite(spread[:, 0]), spread[:, 0], 0.0) * (pooling.width[0] - 1)
    by_cells = (roots[:, 0] ** 2).sum(axis=1) - brought
    n, m = now.sizes[1:], baseline.sizes[1:]
    root = share_root(now.hits, n, reference_hits=baseline.hits, reference_sizes=m)
    return np.concatenate([by_cells[None], root**2 - noise(n, m)])
