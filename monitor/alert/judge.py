"""One window of a version judged by its calibration."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from monitor.alert.auto import Held
from monitor.alert.bench import Judgement, judge_all
from monitor.alert.budget import Spending
from monitor.alert.calibrate import Calibration, calibrate
from monitor.alert.cells import Counts
from monitor.alert.evidence import Evidence, gather, looks, thresholds
from monitor.alert.history import build_history
from monitor.drift.measurement import Measurement
from monitor.model.checks import Check
from monitor.model.schema import Schema
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile

__all__ = ["Judgement", "judge", "wanted_metrics"]


def judge(
    *,
    checks: Iterable[Check],
    schema: Schema,
    layout: Layout,
    reference: Profile | None,
    current: Profile,
    calibration: Calibration | None,
    measurements: Iterable[Measurement],
    windows_per_month: float = 720.0,
    min_effect: float = 0.0,
    expected_rows: float | None = None,
    absent: Collection[str] = (),
    sums: Mapping[int, Counts] | None = None,
    among: Sequence[Check] | None = None,
    spending: Spending | None = None,
) -> Judgement:
    """The rows and verdicts of a window.

    Without a calibration (a reference without windows of its own) scores are those of independent rows and
    the checks that need one are ``learning``. ``measurements`` are drift's and quality's, of the default
    metrics and of ``wanted_metrics(checks)``; ``expected_rows`` what a volume bound of ``drop`` or ``rise``
    is held against; ``absent`` the columns that the rows did not have at all; ``sums`` are those of the windows up
    to the last look, by scale (``recent.py``). ``among`` are all checks of the segment where these are held against
    a baseline of their own: those decide which columns are whose. ``spending`` is the part of the budget that is for
    these; all of it unless told.
    """
    every = tuple(checks)
    if calibration is None and reference is not None:
        calibration = _untaught(layout, reference=reference, windows_per_month=windows_per_month)
    held = _holder(
        spending or Spending(checks=every if among is None else tuple(among)),
        calibration=calibration, reference=reference, current=current, sums=sums, min_effect=min_effect,
    )  # fmt: skip
    return judge_all(
        every, schema=schema, layout=layout, reference=reference, current=current, measurements=measurements,
        held=held, expected_rows=expected_rows, absent=absent, among=among,
    )  # fmt: skip


def _untaught(layout: Layout, *, reference: Profile, windows_per_month: float) -> Calibration:
    """What judges where no history has taught: scores of independent rows."""
    return calibrate(build_history(layout, reference=reference), windows_per_month=windows_per_month, per_month=1.0)


def wanted_metrics(checks: Iterable[Check]) -> tuple[str, ...]:
    """The drift metrics to measure: psi, ks, l_infinity and those that fixed thresholds name."""
    named = [check.metric for check in checks if check.enabled and check.kind == "drift"]
    return tuple(dict.fromkeys(["psi", "ks", "l_infinity", *named]))


def _holder(
    spending: Spending,
    *,
    calibration: Calibration | None,
    reference: Profile | None,
    current: Profile,
    sums: Mapping[int, Counts] | None,
    min_effect: float,
) -> Callable[[Check], Held | None]:
    """What gives each auto check its thresholds, all from one look at the window."""
    if calibration is None or reference is None:
        return lambda check: None
    taught, baseline = calibration, reference
    allowed = spending.allowed(per_month=taught.per_month, windows_per_month=taught.windows_per_month)

    @cache  # only where an auto check asks
    def evidence() -> Evidence:
        return gather(taught, reference=baseline, current=current, sums=sums)

    @cache  # most checks ask for the same
    def evidence_of(least: float) -> Evidence:
        return evidence().of_effect(least)

    @cache
    def held(check: Check) -> Held:
        per_month = allowed[check.name]
        alert, warning = thresholds(taught, per_month=per_month)
        least = min_effect if check.min_effect is None else check.min_effect
        return Held(
            evidence=evidence_of(least),
            alert=alert,
            warning=warning,
            tests=taught.tests,
            looks_per_month=looks(taught, taught.scales[0]),
            method=_method(taught, per_month=per_month),
            min_effect=least,
        )

    return held


def _method(taught: Calibration, *, per_month: float) -> dict[str, Any]:
    """What a row says of its threshold: what it was learned from, and how far it reaches beyond that."""
    state = taught.state_at(per_month)
    method: dict[str, Any] = {"tests": taught.tests, "state": state, "windows": taught.windows}
    if state == "extrapolated":
        method["extrapolated"] = taught.factor_at(per_month)
    return {**method, "false_alarms_per_month": per_month}
