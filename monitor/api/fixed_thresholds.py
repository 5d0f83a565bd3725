"""What the answer to setting a fixed threshold says: how often it would have been in alarm while all was well."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from monitor.api.services import Services
from monitor.evaluate.context import checks_of
from monitor.evaluate.fixed_rates import MOST_WORK, WAIT_SECONDS, FixedRate
from monitor.model.entities import Model

_AT_ONCE = 20  # models of one answer; checks/simulate answers for the others

_HELD = {"production": "held healthy", "reference": "of the reference's own"}


def rates_of(
    services: Services, model: Model, *, work: int = MOST_WORK, wait_seconds: float = WAIT_SECONDS
) -> list[dict[str, Any]]:
    """The model's checks with a fixed threshold, each with its rate on the history of the newest live version."""
    found = services.fixed_rates.of_model(
        model, checks=checks_of(model), now_us=services.now_us(), work=work, wait_seconds=wait_seconds
    )
    return [rate_shape(rate) for rate in found]


def rates_of_set(services: Services, models: Sequence[Model]) -> list[dict[str, Any]]:
    """The rates of a few models with the work and the wait of one, each with its model."""
    some = [model for model in models if any(check.threshold is not None for check in checks_of(model))][:_AT_ONCE]
    work = MOST_WORK // max(len(some), 1)
    until = time.monotonic() + WAIT_SECONDS
    return [
        {"model": model.name, **shape}
        for model in some
        for shape in rates_of(services, model, work=work, wait_seconds=max(until - time.monotonic(), 0.0))
    ]


def rate_shape(found: FixedRate) -> dict[str, Any]:
    """The rate as the API shows it; everything but ``says`` is null where there is no history."""
    shape: dict[str, Any] = {
        "check": found.check.name, "threshold": found.check.to_json()["threshold"], "level": found.level,
        "version": found.version, "from": found.source, "windows": 0, "months": 0.0, "unknown": None,
        "in_alarm": None, "in_alarm_ratio": None, "episodes": None,
        "false_alarms_per_month": None, "lower": None, "upper": None,
    }  # fmt: skip
    if found.tally is None or found.source is None:
        return shape | {"says": f"not known yet: {found.reason or 'no history'}"}
    whole, warning = found.tally.whole, found.level == "warning"
    rate = (whole.warnings if warning else whole.alarms)(windows_per_month=found.windows_per_month)
    in_alarm = whole.in_alarm + (whole.in_warning if warning else 0)
    share = in_alarm / whole.windows  # undecided ones too: an alarm stays in force over them
    shape |= {
        "windows": whole.decided, "months": whole.decided / found.windows_per_month,
        "unknown": whole.statuses["unknown"], "in_alarm": in_alarm, "in_alarm_ratio": share,
        "episodes": whole.warning_episodes if warning else whole.episodes,
    }  # fmt: skip
    if rate is None:  # a tally without a decided window is not given
        return shape | {"says": "not known yet: no history"}
    shape |= {"false_alarms_per_month": rate.per_month, "lower": rate.lower, "upper": rate.upper}
    says = (
        f"{rate.per_month:.3g} false alarms a month (95 %: {rate.lower:.3g} to {rate.upper:.3g}), in alarm in "
        f"{100 * share:.3g} % of {whole.windows:,} windows {_HELD[found.source]}"
    )
    return shape | {"says": says}
