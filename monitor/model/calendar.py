"""Which windows a baseline holds a window against: places on the model's own calendar, its zone and clock changes."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from monitor.model.baseline import SEASONAL, Baseline
from monitor.model.time import from_us, to_us
from monitor.model.window import FIXED_US, WindowSpec

_DAYS = {"same_hour": 1, "same_hour_of_week": 7, "same_day_of_week": 7}


def places(baseline: Baseline, *, start_us: int, spec: WindowSpec) -> tuple[int, ...]:
    """Starts of the windows that the one at ``start_us`` is held against, nearest first; they may not exist.

    The hour of the day is the model's own: the window that holds, on an earlier day, the wall-clock time of this
    one's middle. An hour that a clock change left out has none, of one that came twice the first counts. Fixed
    windows have no places, those of another version the same start.

    >>> from monitor.model.time import HOUR_US
    >>> places(Baseline(kind="rolling", windows=2, gap=1), start_us=9 * HOUR_US, spec=WindowSpec()) == (
    ...     7 * HOUR_US, 6 * HOUR_US)
    True
    """
    if baseline.kind == "version":
        return (start_us,)
    steps = range(baseline.gap + 1, baseline.gap + baseline.windows + 1)
    if baseline.kind in SEASONAL:
        days = _DAYS[baseline.kind]
        found = [_on_day(start_us, days=-days * step, spec=spec) for step in steps]
        return tuple(start for start in found if start is not None)
    if baseline.kind in ("previous", "rolling"):
        return _before(start_us, count=baseline.gap + baseline.windows, spec=spec)[baseline.gap :]
    return ()


def held_against(baseline: Baseline, *, start_us: int, spec: WindowSpec) -> tuple[int, ...]:
    """Starts of the later windows that are held against the one at ``start_us``, oldest first: ``places`` reversed."""
    steps = range(baseline.gap + 1, baseline.gap + baseline.windows + 1)
    if baseline.kind in ("previous", "rolling"):
        return _after(start_us, count=baseline.gap + baseline.windows, spec=spec)[baseline.gap :]
    if baseline.kind not in SEASONAL:
        return ()
    days, found = _DAYS[baseline.kind], set()
    for step in steps:
        candidates: set[int] = set()
        for fold in (0, 1):
            there = _on_day(start_us, days=days * step, spec=spec, fold=fold, strict=False)
            assert there is not None  # noqa: S101 - not strict
            # Where the clock changed between the two, middles of long windows lie apart: a neighbour may be meant.
            candidates |= {spec.start_of(there - 1), there, spec.end_of(there)}
        found |= {
            later for later in candidates
            if later > start_us and _on_day(later, days=-days * step, spec=spec) == start_us
        }  # fmt: skip
    return tuple(sorted(found))


def _before(start_us: int, *, count: int, spec: WindowSpec) -> tuple[int, ...]:
    fixed = FIXED_US.get(spec.length)
    if fixed is not None:
        return tuple(start_us - step * fixed for step in range(1, count + 1))
    found = [start_us]
    for _ in range(count):
        found.append(spec.start_of(found[-1] - 1))
    return tuple(found[1:])


def _after(start_us: int, *, count: int, spec: WindowSpec) -> tuple[int, ...]:
    found = [start_us]
    for _ in range(count):
        found.append(spec.end_of(found[-1]))
    return tuple(found[1:])


def _on_day(start_us: int, *, days: int, spec: WindowSpec, fold: int = 0, strict: bool = True) -> int | None:
    """The window so many days away at the same wall-clock time; None, if ``strict``, where that day has no such."""
    zone = ZoneInfo(spec.timezone)
    if spec.length not in FIXED_US:  # a day: its own date, whatever the clock
        local = from_us(start_us).astimezone(zone) + timedelta(days=days)
        return spec.start_of(to_us(local.replace(hour=12, minute=0, second=0, microsecond=0, fold=0)))
    middle_us = start_us + spec.nominal_us // 2
    wanted = from_us(middle_us).astimezone(zone).replace(tzinfo=None) + timedelta(days=days)
    found_us = to_us(wanted.replace(tzinfo=zone, fold=fold))
    if strict and _wall(found_us, zone=zone) != wanted:
        return None
    return spec.start_of(found_us)


def _wall(instant_us: int, *, zone: ZoneInfo) -> datetime:
    return from_us(instant_us).astimezone(zone).replace(tzinfo=None)
