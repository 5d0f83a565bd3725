"""One window scored: how surprising every test of every column is, read on the column's own tail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from monitor.alert.calibrate import Calibration, Scale, Together
from monitor.alert.cells import Counts, Flags, Floats, Integers, reduce_profile
from monitor.alert.pooling import Pooling
from monitor.alert.scoring import distances, surprises
from monitor.alert.threshold import column_threshold
from monitor.profile.profile import Profile

ByScale = tuple[Floats, Floats, Integers]  # −ln p and effect [S, 5, D], windows of each scale int64[S]
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
    ``effect`` the PSI beyond noise of its sum. ``sizes`` are the window's own, as is the first scale of ``by_scale``.
    """

    positions: dict[str, int]
    log_p: Floats
    sizes: Floats
    effect: Floats
    windows: Integers
    scale: Integers
    needed: int
    by_scale: ByScale

    @cached_property
    def sent(self) -> int:
        """The rows of the window: those behind *missing*, which every row has or has not."""
        return int(self.sizes[2].max(initial=0))

    def judged_alone(self, tests: Sequence[int], *, columns: Iterable[str], least_effect: float) -> Floats:
        """−ln p float64[tests, columns] of the window by itself, without the ones before: nan where it is not judged,
        −∞ where the effect is too small to count."""
        at = np.ix_(list(tests), [self.positions[name] for name in columns if name in self.positions])
        alone, effect = self.by_scale[0][0][at], self.by_scale[1][0][at]
        counting = np.where(effect >= least_effect, alone, -np.inf)
        return np.where((self.windows[at] >= self.needed) & ~np.isnan(alone), counting, np.nan)

    def of_effect(self, least: float) -> Evidence:
        """The same by the most surprising scale of each test that has so much effect, where one has."""
        every, effects, _ = self.by_scale
        log_p, effect, scale = _at(self.by_scale, most=_most(every, effect=effects, least=least))
        return replace(self, log_p=log_p, effect=effect, scale=scale)

    def most_surprising(self, tests: Sequence[int], *, least_effect: float = -np.inf) -> list[TestEvidence]:
        """By position, the most surprising of the tests of each column (the first of equals), of those that have so
        much effect where there are any."""
        among, effect = self.log_p[list(tests)], self.effect[list(tests)]
        which = np.array(tests)[_most(among, effect=effect, least=least_effect)]
        every = np.arange(among.shape[1])
        parts = (
            np.where(np.isnan(among).all(axis=0), -1, which), self.log_p[which, every],
            self.sizes[list(tests)].max(axis=0).astype(np.int64), self.effect[which, every],
            self.windows[which, every], self.scale[which, every],
        )  # fmt: skip
        return list(map(TestEvidence, *(part.tolist() for part in parts)))


def gather(
    calibration: Calibration, *, reference: Profile, current: Profile, sums: Mapping[int, Counts] | None = None
) -> Evidence:
    """The evidence of a window against its baseline, the most surprising scale of each test.

    ``sums`` are those of the windows up to the last look, by scale (``recent.py``); a scale that is not in it is not
    looked at.
    """
    cells = calibration.layout_cells
    baseline, now = reduce_profile(cells, profile=reference), reduce_profile(cells, profile=current)
    looked = {1: now, **(sums or {})}
    scales = [scale for scale in calibration.scales if scale.windows in looked]
    together = calibration.together if len(scales) == len(calibration.scales) else Together.of(scales)
    counts = [looked[scale.windows] for scale in scales]
    log_p, effect = _at_each(together, counts, baseline=baseline, ordered=cells.numeric)
    log_p = np.where(calibration.able, log_p, np.nan)
    every = log_p, effect, np.array([scale.windows for scale in scales])
    most = np.where(np.isnan(log_p), -np.inf, log_p).argmax(axis=0)  # the first of equals, so the shortest
    surprise, moved, scale = _at(every, most=most)
    return Evidence(
        positions={name: d for d, name in enumerate(cells.columns)},
        log_p=surprise,
        sizes=now.sizes,
        effect=moved,
        windows=calibration.known,
        scale=scale,
        needed=calibration.needed,
        by_scale=every,
    )


def _at(by_scale: ByScale, *, most: Integers) -> tuple[Floats, Floats, Integers]:
    """−ln p, effect and windows [5, D] of the scale that is chosen for each test."""
    log_p, effect, scales = by_scale
    log_p, effect = (np.take_along_axis(every, most[None], axis=0)[0] for every in (log_p, effect))
    return log_p, effect, scales[most]


def _most(log_p: Floats, *, effect: Floats, least: float) -> Integers:
    """Which along the first axis is most surprising: of those with so much effect, else of all that are judged."""
    judged = np.where(np.isnan(log_p), -np.inf, log_p)
    enough = np.where(effect >= least, judged, -np.inf)
    most: Integers = np.where(np.isneginf(enough.max(axis=0)), judged.argmax(axis=0), enough.argmax(axis=0))
    return most


def _at_each(
    together: Together, counts: Sequence[Counts], *, baseline: Counts, ordered: Flags
) -> tuple[Floats, Floats]:
    """−ln p and effect, float64[S, 5, D], of the counts of each scale."""
    cells, hits, sizes = _stacked(counts)
    usual = together.usual
    far = distances(cells=cells, hits=hits, sizes=sizes, baseline=baseline, pooling=usual.pooling)
    x = surprises(cells=cells, hits=hits, sizes=sizes, baseline=baseline, usual=usual, ordered=ordered, finest=far)
    return together.log_p(x), far.effects


def _stacked(counts: Sequence[Counts]) -> tuple[Floats, Floats, Floats]:
    """Cells float64[S, D, GROUPS], hits [S, 4, D] and sizes [S, 5, D] of several counts."""
    cells, hits = np.stack([each.cells for each in counts]), np.stack([each.hits for each in counts])
    return cells, hits, np.stack([each.sizes for each in counts])


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


def effect_sizes(counts: Sequence[Counts], *, baseline: Counts, pooling: Pooling) -> Floats:
    """PSI less what sampling alone brings, ν (B − 1), of every test of each counts: float64[S, 5, D]."""
    cells, hits, sizes = _stacked(counts)
    return distances(cells=cells, hits=hits, sizes=sizes, baseline=baseline, pooling=pooling).effects
