"""What a check is held to: fixed bounds, or a budget of false alarms in words."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any, Literal

from monitor.model.errors import InvalidInput
from monitor.model.names import nearest

_SIDES = ("above", "below", "drop", "rise")
_UNITS_PER_MONTH = {"day": 30.0, "week": 30.0 / 7.0, "month": 1.0, "quarter": 1.0 / 3.0, "year": 30.0 / 365.25}
_FALSE_ALARMS = re.compile(
    r"(?P<count>\d{1,9}(?:\.\d{1,9})?)\s+per\s+(?:(?P<every>\d{1,9})\s+)?(?P<unit>day|week|month|quarter|year|run)s?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One side of a metric that is out of bounds; exactly one field is set.

    ``above`` and ``below`` are in the metric's own unit; ``drop`` and ``rise`` are differences to the
    reference's value, in the same unit.
    """

    above: float | None = None
    below: float | None = None
    drop: float | None = None
    rise: float | None = None

    def __post_init__(self) -> None:
        if sum(getattr(self, f.name) is not None for f in fields(self)) != 1:
            raise InvalidInput(f"a bound has exactly one of {', '.join(_SIDES)}, found {self.to_json()}")

    def passed_by(self, value: float, *, reference: float | None = None) -> bool | None:
        """Whether ``value`` is beyond the bound; None where it needs a reference and there is none.

        >>> Bound(above=0.2).passed_by(0.3), Bound(rise=0.1).passed_by(0.3, reference=0.25)
        (True, False)
        >>> Bound(drop=0.1).passed_by(0.3) is None
        True
        """
        limit = self.limit(reference=reference)
        if limit is None:
            return None
        return value > limit if self.above is not None or self.rise is not None else value < limit

    def limit(self, *, reference: float | None = None) -> float | None:
        """The bound as a value of the metric, or None where it needs a reference and there is none."""
        if self.above is not None:
            return self.above
        if self.below is not None:
            return self.below
        if reference is None:
            return None
        return reference + self.rise if self.rise is not None else reference - (self.drop or 0.0)

    def to_json(self) -> dict[str, float]:
        """``{"above": 0.2}`` and the like."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A fixed threshold: a bound for warning, for alert, or both."""

    warning: Bound | None = None
    alert: Bound | None = None

    def __post_init__(self) -> None:
        if self.warning is None and self.alert is None:
            raise InvalidInput('a threshold has "warning", "alert" or both')

    def status(self, value: float, *, reference: float | None = None) -> Literal["ok", "warning", "alert"] | None:
        """The verdict on a value; None where a bound needs a reference and there is none.

        >>> Threshold(warning=Bound(above=0.1), alert=Bound(above=0.2)).status(0.15)
        'warning'
        """
        for name, bound in (("alert", self.alert), ("warning", self.warning)):
            passed = None if bound is None else bound.passed_by(value, reference=reference)
            if bound is not None and passed is None:
                return None
            if passed:
                return "alert" if name == "alert" else "warning"
        return "ok"

    def limit(self, *, reference: float | None = None) -> float | None:
        """The alert bound (else the warning bound) as a value of the metric, for showing."""
        bound = self.alert or self.warning
        return None if bound is None else bound.limit(reference=reference)

    @property
    def relative(self) -> bool:
        """Whether a bound is a difference to what the value is held against.

        >>> Threshold(alert=Bound(drop=100.0)).relative, Threshold(alert=Bound(below=10.0)).relative
        (True, False)
        """
        bounds = [bound for bound in (self.warning, self.alert) if bound is not None]
        return any(bound.drop is not None or bound.rise is not None for bound in bounds)

    def to_json(self) -> dict[str, dict[str, float]]:
        """``{"warning": {…}, "alert": {…}}`` with what is set."""
        levels = (("warning", self.warning), ("alert", self.alert))
        return {name: bound.to_json() for name, bound in levels if bound is not None}


def parse_threshold(
    shape: Any, *, bad: Literal["above", "below"] = "above", name: str = "threshold"
) -> Threshold | None:
    """The fixed threshold of a shape of CONFIG.md; None for ``auto``. A number is one in direction ``bad``.

    >>> parse_threshold("auto") is None
    True
    >>> parse_threshold(0.2).to_json()
    {'alert': {'above': 0.2}}
    """
    if shape is None or shape == "auto":
        return None
    if _is_number(shape):
        return Threshold(alert=_bound(shape, bad=bad, name=name))
    if not isinstance(shape, dict):
        raise InvalidInput(
            f'{name}: expected "auto", a number or {{"warning": …, "alert": …}}, found {str(shape)[:80]}'
        )
    for key in shape:
        if key not in ("warning", "alert"):
            hint = f', write {{"alert": {{"{key}": …}}}}' if key in _SIDES else nearest(str(key), ("warning", "alert"))
            raise InvalidInput(f"{name}: unknown key {str(key)[:40]!r}{hint}")
    return Threshold(**{key: _bound(value, bad=bad, name=f"{name}.{key}") for key, value in shape.items()})


def _bound(shape: Any, *, bad: str, name: str) -> Bound:
    if _is_number(shape):
        return Bound(**{bad: float(shape)})
    if not isinstance(shape, dict) or len(shape) != 1:
        raise InvalidInput(f'{name}: a bound is a number or one of {{"above"}}, {{"below"}}, {{"drop"}}, {{"rise"}}')
    side, value = next(iter(shape.items()))
    if side not in _SIDES:
        raise InvalidInput(f"{name}: {str(side)[:40]!r} is not one of {', '.join(_SIDES)}{nearest(str(side), _SIDES)}")
    if not _is_number(value) or (side in ("drop", "rise") and value < 0):
        raise InvalidInput(f"{name}.{side}: expected a number{', 0 or more' if side in ('drop', 'rise') else ''}")
    return Bound(**{side: float(value)})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 1e300


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseAlarms:
    """A budget: ``count`` false alarms per ``every`` units, such as 1 per 100 runs."""

    count: float
    every: int = 1
    unit: Literal["day", "week", "month", "quarter", "year", "run"] = "month"

    def per_month(self, windows_per_month: float) -> float:
        """False alarms in 30 days, a run being one window.

        >>> FalseAlarms(count=1, every=2, unit="week").per_month(720.0)
        2.142857142857143
        >>> FalseAlarms(count=1, every=100, unit="run").per_month(720.0)
        7.2
        """
        per_unit = self.count / self.every
        return per_unit * (windows_per_month if self.unit == "run" else _UNITS_PER_MONTH[self.unit])

    def per_run(self, windows_per_month: float | None = None) -> float:
        """False alarms a run (one window). Without windows a calendar unit counts as one run."""
        if self.unit == "run" or windows_per_month is None:
            return self.count / self.every
        return self.per_month(windows_per_month) / windows_per_month

    def __str__(self) -> str:
        every = f"{self.every} {self.unit}s" if self.every > 1 else self.unit
        return f"{self.count:g} per {every}"


def parse_false_alarms(text: Any, *, name: str = "false_alarms") -> FalseAlarms:
    """The budget that the words name.

    >>> str(parse_false_alarms("1 per month")), str(parse_false_alarms("2 per 100 runs"))
    ('1 per month', '2 per 100 runs')
    """
    match = _FALSE_ALARMS.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise InvalidInput(
            f"{name}: {str(text)[:40]!r} is not a budget: expected 'N per [K] day|week|month|quarter|year|run', "
            "such as '1 per month' or '1 per 100 runs'"
        )
    budget = FalseAlarms(count=float(match["count"]), every=int(match["every"] or 1), unit=match["unit"])  # type: ignore[arg-type]
    if budget.count <= 0 or budget.every < 1:
        raise InvalidInput(f"{name}: {text!r} allows nothing: expected a count and a period above 0")
    return budget
