"""The year 2013 moved by whole weeks, so that its days keep their weekdays and end yesterday or the day before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

TIMEZONE = "America/New_York"  # the flights leave New York: its days are the days of the schedule
FIRST_REFERENCE_DAY, LAST_REFERENCE_DAY = date(2013, 1, 1), date(2013, 2, 28)
FIRST_DAY, LAST_DAY = date(2013, 3, 1), date(2013, 8, 31)
# A daily window moves a verdict, and so pages, if it closed within three days. One day is left for safety.
FRESH_DAYS = 1
_CLOSING = timedelta(minutes=10)  # the model's lateness of five minutes, and some


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """How far 2013 is moved, and which of its days are posted: ``[FIRST_DAY, last_day]``."""

    weeks: int
    last_day: date

    def shifted(self, day: date) -> date:
        """The day that a day of 2013 becomes."""
        return day + timedelta(weeks=self.weeks)

    def original(self, day: date) -> date:
        """The day of 2013 that became this one."""
        return day - timedelta(weeks=self.weeks)


def calendar_for(now: datetime) -> Calendar:
    """The calendar that puts August 31 into the week before ``now`` (aware).

    On some weekdays that Saturday is too long ago for its alarm to page anybody. Then the first days of September
    are posted too, up to yesterday: the last day alarms for real on every day of the week.

    >>> from datetime import UTC
    >>> calendar_for(datetime(2026, 11, 24, 12, tzinfo=UTC))
    Calendar(weeks=690, last_day=datetime.date(2013, 9, 2))
    """
    local = (now - _CLOSING).astimezone(ZoneInfo(TIMEZONE))
    yesterday = local.date() - timedelta(days=1)
    weeks, days_since = divmod((yesterday - LAST_DAY).days, 7)
    extra = days_since if days_since > FRESH_DAYS else 0
    return Calendar(weeks=weeks, last_day=LAST_DAY + timedelta(days=extra))
