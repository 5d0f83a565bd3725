"""How profiles are thinned out with age: those of windows under a day become days, those of days weeks."""

from __future__ import annotations

import re
from dataclasses import dataclass

from monitor.model.time import DAY_US, format_duration, parse_duration
from monitor.model.window import FIXED_US, WindowSpec

_WRITTEN = re.compile(r"hours(?: (\S+), then days(?: (\S+), then weeks)?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileAges:
    """Profiles shorter than a day stay ``hours_us``, those of days ``days_us``, both from the newest receipt in them.

    None: for good.
    """

    hours_us: int | None = 30 * DAY_US
    days_us: int | None = 400 * DAY_US

    def __str__(self) -> str:
        """As it is written in the settings.

        >>> str(ProfileAges()), str(ProfileAges(hours_us=None, days_us=None))
        ('hours 30d, then days 400d, then weeks', 'hours')
        """
        if self.hours_us is None:
            return "hours"
        days = f"hours {format_duration(self.hours_us)}, then days"
        return days if self.days_us is None else f"{days} {format_duration(self.days_us)}, then weeks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What is older than ``age_us`` becomes part of the longer ``spans``: profiles that are ``merged``, or windows'."""

    age_us: int
    spans: WindowSpec
    merged: bool


def parse_profile_ages(text: str) -> ProfileAges:
    """The ages as they are written; ``ValueError`` for another form, or days that end before the hours do.

    >>> parse_profile_ages("hours 7d, then days") == ProfileAges(hours_us=7 * DAY_US, days_us=None)
    True
    """
    found = _WRITTEN.fullmatch(" ".join(text.split()))
    if found is None:
        raise ValueError(f"expected {ProfileAges()}")
    hours_us, days_us = (None if age is None else parse_duration(age) for age in found.groups())
    if hours_us is not None and days_us is not None and days_us < hours_us:
        raise ValueError("days end before hours do")
    return ProfileAges(hours_us=hours_us, days_us=days_us)


def stages(ages: ProfileAges, *, spec: WindowSpec) -> tuple[Stage, ...]:
    """What becomes of the profiles of such windows. Windows under a day lie in UTC's days and weeks, those of a day in
    weeks of the model's own zone; longer ones stay as they are.

    >>> [stage.spans.length for stage in stages(ProfileAges(), spec=WindowSpec(length="1h"))]
    ['1d', '7d']
    """
    found: list[Stage] = []
    if spec.length in FIXED_US and ages.hours_us is not None:
        found.append(Stage(age_us=ages.hours_us, spans=WindowSpec(length="1d"), merged=False))
    if ages.days_us is not None and spec.length in FIXED_US:
        found.append(Stage(age_us=ages.days_us, spans=WindowSpec(length="7d"), merged=True))
    if ages.days_us is not None and spec.length == "1d":
        found.append(Stage(age_us=ages.days_us, spans=WindowSpec(length="7d", timezone=spec.timezone), merged=False))
    return tuple(found)
