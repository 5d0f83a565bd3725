"""Which baseline the model's own data speak for, with the evidence; a proposal, never applied by itself. No I/O."""

from __future__ import annotations

from typing import Any

from monitor.alert.calibrate import Calibration
from monitor.alert.season import SIGNIFICANT
from monitor.evaluate.groups import Group
from monitor.model.baseline import Baseline, parse_baseline
from monitor.model.window import FIXED_US, WindowSpec

BLIND: dict[str, str] = {
    "reference": "a season is a usual direction: what is wrong along it is seen late",
    "previous": "sees jumps alone: slow drift never, a shift that stays for one window",
    "rolling": "never sees drift slower than its windows; a shift that stays is usual after as many windows",
    "same_hour": "never sees drift slower than its days; weekends and working days are one",
    "same_day_of_week": "never sees drift slower than its weeks; holidays are days like others",
    "same_hour_of_week": "never sees drift slower than its weeks; holidays are days like others",
    "version": "never sees what happens to both versions at once, such as broken input",
    "windows": "a season that the windows do not cover, and what was wrong in them",
}


def proposed(calibration: Calibration, *, groups: tuple[Group, ...], spec: WindowSpec) -> dict[str, Any] | None:
    """``{"baseline", "evidence"}`` where the healthy history shows a season that the configured one does not follow."""
    kind = None
    if calibration.weekly <= SIGNIFICANT:
        kind = "same_hour_of_week" if spec.length in FIXED_US else "same_day_of_week" if spec.length == "1d" else None
    elif calibration.daily <= SIGNIFICANT and spec.length in FIXED_US:
        kind = "same_hour"
    if kind is None or any(group.baseline.kind == kind for group in groups):
        return None
    return {
        "baseline": parse_baseline({"kind": kind}).to_json(),
        "evidence": {
            "daily_p_value": calibration.daily, "weekly_p_value": calibration.weekly, "significant": SIGNIFICANT,
            "windows": calibration.windows,
            "test": "power at one turn a day (a week) against the power beside it, F distributed without a season",
        },
    }  # fmt: skip


def blind_spot(baseline: Baseline) -> str:
    """What a baseline cannot see."""
    return BLIND[baseline.kind]
