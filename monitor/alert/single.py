"""One comparison without any history: what sampling alone would bring, and how far this is beyond it.

How much the columns vary by themselves is unknown here, so a small effect is no alarm however certain it is
(``min_effect``), and the budget is counted in runs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import numpy as np
from scipy.special import log_ndtr

from monitor.alert.auto import Held
from monitor.alert.bench import Judgement, judge_all
from monitor.alert.budget import budgets
from monitor.alert.cells import Cells, Counts, Flags, Floats, Integers, build_cells, reduce_profile
from monitor.alert.evidence import Evidence, effect_sizes
from monitor.alert.pooling import Pooling, build_pooling, pool
from monitor.alert.psi_tail import log_psi_tail
from monitor.alert.rare import rare_surprise
from monitor.alert.roots import noise, share_root
from monitor.alert.scoring import LEAST_ROWS, is_rare, roots_at
from monitor.alert.surprise import focused_directions, log_chi2_tail
from monitor.alert.threshold import column_threshold
from monitor.drift.measurement import Measurement
from monitor.model.checks import Check, budgeted_columns
from monitor.model.schema import Schema
from monitor.model.thresholds import FalseAlarms
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile

MIN_EFFECT = 0.02  # PSI beyond what sampling brings
ONE_IN_A_HUNDRED = FalseAlarms(count=1, every=100, unit="run")
METHOD = {"history": None, "natural_variation": "unknown"}


def judge_once(
    *,
    checks: Iterable[Check],
    schema: Schema,
    layout: Layout,
    reference: Profile,
    current: Profile,
    measurements: Iterable[Measurement],
    false_alarms: FalseAlarms = ONE_IN_A_HUNDRED,
    min_effect: float = MIN_EFFECT,
    absent: Collection[str] = (),
    tests: int | None = None,
) -> Judgement:
    """The rows and verdicts of one comparison; ``false_alarms`` is counted in runs, a run being this call.

    Where it is one of several that share the budget, ``tests`` are those of all of them (``tests_of`` each): whatever
    ties them together, the probability of any alarm is at most the sum of the probabilities of each (Boole).
    """
    every = tuple(checks)
    cells = build_cells(layout, reference=reference)
    evidence = score_once(
        cells, baseline=reduce_profile(cells, profile=reference), now=reduce_profile(cells, profile=current)
    )
    all_tests = _sharing(every, schema=schema, cells=cells) if tests is None else tests
    return judge_all(
        every,
        schema=schema,
        layout=layout,
        reference=reference,
        current=current,
        measurements=measurements,
        held=_holder(every, evidence=evidence, tests=all_tests, per_run=false_alarms.per_run(), min_effect=min_effect),
        absent=absent,
    )


def tests_of(checks: Iterable[Check], *, schema: Schema, layout: Layout, reference: Profile) -> int:
    """How many tests of a comparison with this reference share the budget."""
    return _sharing(tuple(checks), schema=schema, cells=build_cells(layout, reference=reference))


def _sharing(checks: tuple[Check, ...], *, schema: Schema, cells: Cells) -> int:
    sharing = budgeted_columns(checks, schema=schema)
    return int(_able(cells)[:, [name in sharing for name in cells.columns]].sum())


def _holder(
    checks: tuple[Check, ...], *, evidence: Evidence, tests: int, per_run: float, min_effect: float
) -> Callable[[Check], Held]:
    """What gives each auto check its thresholds: a share of the budget each, a warning at ten times the rate."""
    shares = budgets(checks, per_month=per_run, windows_per_month=1.0)

    def held(check: Check) -> Held:
        rate = min(shares[check.name], 0.5)
        alert, warning = (
            column_threshold(-float(np.log(often)), tests=tests, looks_per_month=1.0)
            for often in (rate, max(rate, min(10.0 * rate, 0.05)))
        )
        return Held(
            evidence=evidence,
            alert=alert,
            warning=warning,
            tests=tests,
            looks_per_month=1.0,
            method={**METHOD, "tests": tests, "false_alarms_per_run": rate},
            min_effect=min_effect if check.min_effect is None else check.min_effect,
        )

    return held


def score_once(cells: Cells, *, baseline: Counts, now: Counts) -> Evidence:
    """The evidence of one comparison, by sampling noise alone: every p is the test's own.

    Of distributions the least of three, each allowed a third: PSI by its exact tail, the most surprising single cell
    by the beta-binomial, and location and spread by their signed roots.
    """
    designs = np.minimum(now.sizes[0], baseline.sizes[0])[None]
    shares = baseline.cells / np.maximum(baseline.cells.sum(axis=1, keepdims=True), 1.0)
    pooling = build_pooling(shares, width=cells.width, ordered=cells.numeric, designs=designs)
    x = np.concatenate(
        [_cell_surprise(cells, baseline=baseline, now=now, pooling=pooling)[None], _share_surprise(now, baseline)]
    )
    judged = _able(cells) & (now.sizes >= LEAST_ROWS)
    log_p = np.where(judged, np.maximum(x, 0.0), np.nan)
    effect = effect_sizes([now], baseline=baseline, pooling=pooling)[0]
    return Evidence(
        positions={name: d for d, name in enumerate(cells.columns)},
        log_p=log_p,
        sizes=now.sizes,
        effect=effect,
        windows=np.zeros(x.shape, dtype=np.int64),
        scale=np.ones(x.shape, dtype=np.int64),
        needed=0,
        by_scale=(log_p[None], effect[None], np.ones(1, dtype=np.int64)),
    )


def _able(cells: Cells) -> Flags:
    """bool[5, D]: the tests that one comparison can judge; new categories are no news where there are many."""
    able = cells.tests
    able[4] &= cells.listed
    return able


def _cell_surprise(cells: Cells, *, baseline: Counts, now: Counts, pooling: Pooling) -> Floats:
    """x float64[D] of the distributions."""
    roots, spread, shares = roots_at(0, cells=now.cells[:, None, :], baseline=baseline.cells, pooling=pooling)
    spread = np.where(np.isfinite(spread), spread, 1.0)  # a side without values: not judged
    width, member = pooling.width[0], pooling.member[0]
    counts, reference = (pool(c.cells[:, None, :], member=member)[:, 0] for c in (now, baseline))
    n, m = counts.sum(axis=1), reference.sum(axis=1)
    expected = np.minimum(n, m) * np.where(np.arange(shares.shape[1]) < width[:, None], shares, 1.0).min(axis=1)
    whole = log_psi_tail((roots[:, 0] ** 2).sum(axis=1) / spread[:, 0], cells=width, expected=expected)
    single = _single_cell(counts, reference=reference, width=width)
    directions = focused_directions(shares, width=width, ordered=cells.numeric)[:, -2:]
    length = np.sqrt((directions**2).sum(axis=2) * spread)
    pull = np.abs((directions * roots).sum(axis=2)) / np.where(length > 0, length, np.inf)
    shape = np.log(4.0) + log_ndtr(-pull.max(axis=1))
    best = np.minimum(np.minimum(whole, single), np.where(cells.numeric, shape, np.inf)) + np.log(3.0)
    return np.where(width > 2, -best, -single)


def _single_cell(counts: Floats, *, reference: Floats, width: Integers) -> Floats:
    """ln p float64[D] of the cell whose count is the most surprising, too high or too low, of all its cells."""
    n, m = counts.sum(axis=1, keepdims=True), reference.sum(axis=1, keepdims=True)
    high = counts * m >= reference * n  # the other side has p above ½: it is never the surprising one
    hits, before = np.where(high, counts, n - counts), np.where(high, reference, m - reference)
    surprise = rare_surprise(hits, n, reference_hits=before, reference_sizes=m)
    held = np.arange(counts.shape[1]) < width[:, None]
    most = np.where(held, surprise, 0.0).max(axis=1)
    # Two sides of each cell; two cells are one question.
    questions = np.where(width > 2, 2.0 * width, 2.0)
    log_p: Floats = np.log(questions) - most
    return log_p


def _share_surprise(now: Counts, baseline: Counts) -> Floats:
    """x float64[4, D] of the shares: exact where few hits are expected, else by the signed root."""
    k, n, r, m = now.hits, now.sizes[1:], baseline.hits, baseline.sizes[1:]
    rest = r > m / 2
    k, r = np.where(rest, n - k, k), np.where(rest, m - r, r)
    rare = is_rare(n, reference_hits=r, reference_sizes=m)
    with np.errstate(invalid="ignore"):
        root = share_root(k, n, reference_hits=r, reference_sizes=m) ** 2 / noise(n, m)
    by_root = -log_chi2_tail(np.nan_to_num(root), np.ones(1))
    return np.where(rare, rare_surprise(np.where(rare, k, 0.0), n, reference_hits=r, reference_sizes=m), by_root)
