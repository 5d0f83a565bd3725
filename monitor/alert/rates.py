"""How often something came, a month, with the exact interval of that rate."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.special import gammaincinv


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Events a month, 30 days, with the exact 95 % interval of a Poisson rate."""

    per_month: float
    lower: float
    upper: float


def rate(events: int, *, months: float) -> Rate | None:
    """The rate of so many events in so many months; None of no time at all.

    Source: Garwood (1936), Biometrika 28, 437-442: the bounds are quantiles of gamma distributions.

    >>> found = rate(4, months=2.0)
    >>> [round(x, 2) for x in (found.per_month, found.lower, found.upper)]
    [2.0, 0.54, 5.12]
    >>> round(rate(0, months=1.0).upper, 2), rate(0, months=0.0)
    (3.69, None)
    """
    if months <= 0.0:
        return None
    lower = float(gammaincinv(events, 0.025)) if events else 0.0
    return Rate(per_month=events / months, lower=lower / months, upper=float(gammaincinv(events + 1, 0.975)) / months)
