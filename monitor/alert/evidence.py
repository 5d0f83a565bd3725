"""One window scored: how surprising every test of every column is, read on the column's own tail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from monitor.alert.calibrate import Calibration, Scale
from monitor.alert.cells import Counts, Floats, Integers, reduce_profile
from monitor.alert.pooling import Pooling
from monitor.alert.roots import noise, share_root
from monitor.alert.scoring import roots_at, surprises
from monitor.alert.threshold import column_threshold
from monitor.profile.profile import Profile

NATS = float(np.log(10.0))  # surprise is shown in powers of ten


class TestEvidence(NamedTuple):
    """The most surprising of some tests of one column: which (−1: none was judged), −ln p, the PSI beyond what noise
    brings, and in how many healthy windows it could be judged; ``rows`` are the most that any of the tests had."""

    test: int
    log_p: float
    rows: int
    effect: float
    windows: int


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A window's tests, arrays [5, D] by column ``positions``; ``needed`` healthy windows make a verdict."""

    positions: dict[str, int]
    log_p: Floats
    sizes: Floats
    effect: Floats
    windows: Integers
    needed: int

    @cached_property
    def sent(self) -> int:
        """The rows of the window: those behind *missing*, which every row has or has not."""
        return int(self.sizes[2].max(initial=0))

    def most_surprising(self, tests: Sequence[int]) -> list[TestEvidence]:
        """By position, the most surprising of the tests of each column (the first of equals)."""
        among = self.log_p[list(tests)]
        pick = np.where(np.isnan(among), -np.inf, among).argmax(axis=0)
        which = np.array(tests)[pick]
        every = np.arange(among.shape[1])
        judged = ~np.isnan(among).all(axis=0)
        parts = (
            np.where(judged, which, -1), self.log_p[which, every], self.sizes[list(tests)].max(axis=0).astype(np.int64),
            self.effect[which, every], self.windows[which, every],
        )  # fmt: skip
        return [TestEvidence._make(one) for one in zip(*(part.tolist() for part in parts), strict=True)]


def gather(calibration: Calibration, *, reference: Profile, current: Profile) -> Evidence:
    """The evidence of a window against its baseline, the most surprising scale of each test."""
    cells = calibration.layout_cells
    baseline, now = reduce_profile(cells, profile=reference), reduce_profile(cells, profile=current)
    log_p = np.full(calibration.judged.shape, np.nan)
    for scale in calibration.scales:
        x = surprises(
            cells=now.cells[None], hits=now.hits[None], sizes=now.sizes[None],
            baseline=baseline, usual=scale.usual, ordered=cells.numeric,
        )  # fmt: skip
        log_p = np.fmax(log_p, scale.tails.surprise(x)[0])
    return Evidence(
        positions={name: d for d, name in enumerate(cells.columns)},
        log_p=np.where(calibration.able, log_p, np.nan),
        sizes=now.sizes,
        effect=effect_sizes(now, baseline=baseline, pooling=calibration.scales[0].usual.pooling),
        windows=calibration.known,
        needed=calibration.needed,
    )


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
