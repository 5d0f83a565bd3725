"""The one budget of false alarms, shared out to the checks that spend it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from monitor.model.checks import Check

_LEAST = 0.05  # of the budget stays for the checks that name none, whatever the others take


def budgets(checks: Iterable[Check], *, per_month: float, windows_per_month: float) -> dict[str, float]:
    """False alarms a month of each ``auto`` check by name, out of the model's ``per_month``.

    A check's own ``false_alarms`` are taken out of the model's budget, so no more than all of it; the checks that
    name none share the rest under one joint threshold.

    >>> from monitor.model.checks import parse_checks
    >>> checks = parse_checks([{"name": "drift", "kind": "drift", "false_alarms": "1 per 5 months"},
    ...                        {"name": "missing", "kind": "quality", "metric": "missing"}])
    >>> budgets(checks, per_month=1.0, windows_per_month=720.0)
    {'drift': 0.2, 'missing': 0.8}
    """
    spending = [c for c in checks if c.enabled and c.threshold is None and c.kind in ("drift", "quality")]
    own = {
        c.name: min(c.false_alarms.per_month(windows_per_month), per_month)
        for c in spending
        if c.false_alarms is not None
    }
    rest = max(per_month - sum(own.values()), _LEAST * per_month)
    return {c.name: own.get(c.name, rest) for c in spending}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What part of the budget is spent in one place: a segment, against one baseline.

    ``checks`` are all that spend it anywhere. Those that name no budget share the rest by their tests, ``share`` is
    the part of the tests that are made here; of a check with ``false_alarms`` of its own it is ``own``, all where
    nothing is said. The parts of all places are 1 together, so that the sum of their rates is the budget, whatever
    ties them together: the probability of any is at most the sum of the probabilities of each (Boole).
    """

    checks: tuple[Check, ...]
    share: float = 1.0
    own: Mapping[str, float] = field(default_factory=dict)

    def allowed(self, *, per_month: float, windows_per_month: float) -> dict[str, float]:
        """False alarms a month of each ``auto`` check by name in this place."""
        share = self.share or 1.0  # without any test there is nothing that spends it
        named = {check.name for check in self.checks if check.false_alarms is not None}
        whole = budgets(self.checks, per_month=per_month, windows_per_month=windows_per_month)
        return {name: rate * (self.own.get(name, 1.0) if name in named else share) for name, rate in whole.items()}


def spread(checks: Iterable[Check], *, places: Iterable[Iterable[Check]]) -> Spending:
    """What is spent in every place, ``share`` apart: a check with a budget of its own has an equal part of it in each.

    ``places`` are the checks that are judged in each.

    >>> from monitor.model.checks import parse_checks
    >>> own, other = parse_checks([{"name": "own", "kind": "drift", "false_alarms": "1 per month"},
    ...                            {"name": "other", "kind": "drift"}])
    >>> spread([own, other], places=[[own, other], [own]]).own
    {'own': 0.5}
    """
    counted = Counter(check.name for judged in places for check in judged)
    there = tuple(check for check in checks if check.name in counted)
    return Spending(checks=there, own={c.name: 1.0 / counted[c.name] for c in there if c.false_alarms is not None})
