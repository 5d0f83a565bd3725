"""When a calibration is made again: as history grows, every week, when volume has grown much. No I/O, no clock.

Until the history reaches a budget period a quarter more of it counts; after that a week does. Every version has its
own second of the week, so that a fleet set up in one go is not calibrated in one go.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from monitor.alert.calibrate import Calibration, needed_windows, recent_volume, recent_windows
from monitor.evaluate.reference_profile import budget
from monitor.model.entities import Model
from monitor.model.time import DAY_US, HOUR_US, SECOND_US

GROWTH = 1.25  # so much more history before a short one is gone through again
# Promises were simulated to hold up to three times the history's volume. Twice is what a reference made of half the
# traffic has, and then a first day of production would teach what is usual, whatever season it is of.
VOLUME_GROWTH = 2.5
UNASKED = 50  # windows after which it is looked again in any case: a reference may be another one
UNASKED_US = DAY_US
WEEK_US = 7 * DAY_US
_SCATTER = 2_654_435_761  # Knuth's multiplier: ids in a row fall far apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthy:
    """What is known of a version's history: its calibration and when it was made, and (start, rows) of the windows
    held healthy after the reference's own, newest first."""

    calibration: Calibration | None
    made_us: int | None
    since: Sequence[tuple[int, int]]

    @property
    def windows(self) -> int:
        """The healthy windows there are: the reference's own and those since."""
        return len(self.since) + (0 if self.calibration is None else self.calibration.own)


def occurrence_due(healthy: Healthy, *, model: Model, version_id: int, now_us: int) -> int | None:
    """The scheduled time of the calibration that is due, the same whichever process names it; None if none is."""
    calibration = healthy.calibration
    if not healthy.since:
        return None
    known = 0 if calibration is None else calibration.windows
    if healthy.windows >= wanted(healthy, model=model) or _volume_grown(healthy):
        return now_us - now_us % HOUR_US + known
    if calibration is None or healthy.made_us is None or calibration.state == "learning":
        return None
    turn_us = last_turn_us(version_id=version_id, now_us=now_us)
    return turn_us if healthy.made_us < turn_us and healthy.since[0][0] > calibration.until_us else None


def wanted(healthy: Healthy, *, model: Model) -> float:
    """How many healthy windows there are to be before they are gone through again, whatever the day of the week."""
    calibration, fewest = healthy.calibration, needed_by(model)
    if calibration is None:
        return fewest
    if calibration.state == "calibrated":
        return math.inf
    grown = max(fewest, math.ceil(GROWTH * calibration.windows))
    return min(grown, max(calibration.needed, calibration.windows + 1)) if calibration.to_a_week else grown


def needed_by(model: Model, *, calibration: Calibration | None = None) -> int:
    """How many healthy windows the model's verdicts need: as the calibration found, else by count alone."""
    if calibration is not None:
        return calibration.needed
    per_month = model.window.per_month
    return needed_windows(windows_per_month=per_month, per_month=budget(model).per_month(per_month))


def last_turn_us(*, version_id: int, now_us: int) -> int:
    """When the version's turn of the week last came.

    >>> last_turn_us(version_id=0, now_us=WEEK_US + 5) == WEEK_US
    True
    """
    offset_us = version_id * _SCATTER * SECOND_US % WEEK_US
    return now_us - (now_us - offset_us) % WEEK_US


def _volume_grown(healthy: Healthy) -> bool:
    """Whether windows lately have ``VOLUME_GROWTH`` times the rows of those that the calibration knew last."""
    calibration = healthy.calibration
    if calibration is None or calibration.state == "learning" or not calibration.volume:
        return False
    per_month = calibration.windows_per_month
    fresh = [rows for start, rows in reversed(healthy.since) if start > calibration.until_us]
    lately = recent_volume(fresh, windows_per_month=per_month)
    return len(fresh) >= recent_windows(per_month) and lately >= VOLUME_GROWTH * calibration.volume
