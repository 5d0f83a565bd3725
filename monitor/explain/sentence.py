"""The sentences of an explanation: which columns, how, since when, how unusual, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from zoneinfo import ZoneInfo

from monitor.alert.calibrate import Calibration
from monitor.alert.cells import SHARES
from monitor.explain.amounts import count_text, listing, score_text, share_text, span_text
from monitor.explain.direction import Direction
from monitor.explain.explanation import ColumnStory, Since
from monitor.explain.facts import Fact
from monitor.explain.rarity import Rarity
from monitor.model.results import Status
from monitor.model.schema import TIME_UNITS
from monitor.model.time import DAY_US, from_us
from monitor.model.window import WindowSpec

TOLD = 3  # columns whose whole story is told; the rest are named
_STATUS: dict[Status, str] = {
    "alert": "is in alert", "warning": "is at warning", "ok": "is ok", "unknown": "could not be decided",
}  # fmt: skip
_OUTSIDE = {"above": "above the range", "below": "below the range", "both": "outside the range on both sides"}


def window_text(start_us: int, *, window: WindowSpec) -> str:
    """A window by its start: the local day where it is a day or longer, else the time in UTC.

    >>> window_text(0, window=WindowSpec(length="1h")), window_text(0, window=WindowSpec(length="1d"))
    ('1970-01-01 00:00 UTC', '1970-01-01')
    """
    start = from_us(start_us)
    if window.nominal_us >= DAY_US:
        return f"{start.astimezone(ZoneInfo(window.timezone)):%Y-%m-%d}"
    return f"{start:%Y-%m-%d %H:%M} UTC"


def way_text(direction: Direction, *, unit: str = "") -> str:
    """The direction in two words.

    >>> way_text(Direction(kind="location", change="higher")), way_text(Direction(kind="missing", change="more"))
    ('higher', 'missing more often')
    >>> way_text(Direction(kind="location", change="lower"), unit="hour of day")
    'earlier'
    """
    often = {"more": "more often", "less": "less often"}.get(direction.change, direction.change)
    if direction.kind == "location" and unit in TIME_UNITS:
        return {"higher": "later", "lower": "earlier"}[direction.change]
    return {
        "value": f"one value {often}", "range": f"one range {often}", "category": f"one category {often}",
        "missing": f"missing {often}", "invalid": f"invalid {often}", "unseen": f"new categories {often}",
        "out_of_range": _OUTSIDE.get(direction.change, ""), "gone": "gone",
    }.get(direction.kind, direction.change)  # fmt: skip


def since_text(since: Since, *, judged_us: int, window: WindowSpec) -> str:
    """Since when, with what is certain of it."""
    looked = count_text(since.windows, "window")
    if since.before_all:
        return f"since {window_text(since.start_us, window=window)} or before, the oldest of {looked} looked at"
    if since.earliest_us == since.latest_us:
        first = since.start_us == judged_us
        return "first in this window" if first else f"since {window_text(since.start_us, window=window)}"
    ends = " to ".join(window_text(at, window=window) for at in (since.earliest_us, since.latest_us))
    return f"since about {window_text(since.start_us, window=window)} (95 % certain: {ends})"


def column_text(
    direction: Direction | None, facts: Sequence[Fact], *, since: str | None, windows: int, length_us: int, unit: str
) -> str:
    """One column's story: which way, what changed, over how many windows, since when."""
    way = ""
    if direction is not None and (direction.kind in ("location", "spread", "gone") or not facts):
        way = way_text(direction, unit=unit)
    told = ", and ".join(fact.words for fact in facts)
    parts = [": ".join(part for part in (way, told) if part)]
    if windows > 1:
        parts.append(f"over the last {count_text(windows, 'window')} ({span_text(windows * length_us)})")
    if since:
        parts.append(since)
    return ", ".join(part for part in parts if part)


def head_text(
    *, check: str, status: Status, window: str, rows: int, failing: int, decided: int, reason: str | None,
    segment: str = "",
) -> str:  # fmt: skip
    """Which check, how it stands, in which segment and window, on how many columns."""
    why = f" ({reason})" if reason else ""
    where = f" in segment {segment}" if segment else ""
    head = f"{check} {_STATUS[status]}{why}{where} in the window of {window}, {count_text(rows, 'row')}"
    return f"{head}: {failing:,} of {count_text(decided, 'column')}" if failing and decided else head


def columns_text(columns: Sequence[ColumnStory], *, names: Sequence[str]) -> list[str]:
    """The sentences of the columns, the worst first, those with one story together, and one that names the rest."""
    together = [list(alike) for _, alike in groupby(columns, key=lambda story: story.words if story.share else story)]
    told = [_told(alike, alone=len(columns) == 1) for alike in together[:TOLD]]
    said = {story.column for alike in together[:TOLD] for story in alike}
    share = {story.column: story.share for story in columns}
    rest = [_named(name, share=share.get(name)) for name in names if name not in said]
    return told + ([f"Also {listing(rest)}"] if rest else [])


def _told(alike: Sequence[ColumnStory], *, alone: bool) -> str:
    """What is to be said of columns with one story."""
    story = alike[0]
    if not story.column:
        return story.words
    if story.share is None:
        return _closest(story)
    names = listing([f"`{each.column}`" for each in alike])
    part = "" if alone else f" ({share_text(min(sum(each.share or 0.0 for each in alike), 1.0))} of the evidence)"
    return f"{names}{part}" + (f": {story.words}" if story.words else "")


def _named(name: str, *, share: float | None) -> str:
    return f"`{name}`" + (f" ({share_text(share)})" if share else "")


def _closest(story: ColumnStory) -> str:
    """A column that does not fail: how far it is from it."""
    if story.value is None:
        return f"`{story.column}` was not decided"
    if story.metric in SHARES:
        return f"`{story.column}`: {story.metric} in {share_text(story.value)}"
    limit = "" if story.threshold is None else f", the threshold is {score_text(story.threshold)}"
    far = f"`{story.column}`: {story.metric} {score_text(story.value)}{limit}"
    return far + (f"; {story.words}" if story.words else "")


def sure_text(
    *, rarity: Rarity | None, budget: str | None, calibration: Calibration | None, factor: float, broken: bool,
    segment: str = "",
) -> list[str]:  # fmt: skip
    """How unusual that is, and how often the check may be wrong; ``broken``: it needed no statistics.

    ``factor`` is how far the threshold reaches beyond its history.
    """
    told = ["That is half of the rows more than in the reference: it broke, whatever is usual"] if broken else []
    if rarity is not None:
        told.append(f"Healthy traffic of this {'segment' if segment else 'model'} goes this far {rarity.words}")
    if budget is not None and calibration is not None and calibration.state != "learning":
        told.append(f"False alarms are budgeted at {budget}{_beyond(factor)}{_slow(calibration)}")
    return told


def _beyond(factor: float) -> str:
    return f"; the threshold is extrapolated × {factor:.2g} beyond its history" if factor > 1.0 else ""


def _slow(calibration: Calibration) -> str:
    if not calibration.few:
        return ""
    worth = f"{calibration.windows} windows of `{calibration.slowest}` are worth about {calibration.independent:.0f}"
    return f"; more may come, since columns move so slowly that {worth} independent ones"
