"""Which windows of a version are due: closed and dirty, or closed without a row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from monitor.model.entities import Model, Version
from monitor.model.results import CheckState
from monitor.store.batches import Waiting
from monitor.store.windows import WindowRow


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldRule:
    """When a version's waiting rows are folded: so many wait, or one of their windows has closed."""

    rows: int = 10_000
    infer_rows: int = 1_000

    def due(self, waiting: Waiting, *, model: Model, version: Version, now_us: int) -> bool:
        """Whether to fold now; how often at most is the caller's to keep."""
        if waiting.rows >= self.rows or closes_us(model, waiting.t_min_us) <= now_us:
            return True
        return version.schema_id is None and waiting.rows >= self.infer_rows


def closes_us(model: Model, instant_us: int) -> int:
    """When the window that holds the instant closes: its end and the lateness."""
    return model.window.end_of(model.window.start_of(instant_us)) + model.lateness_us


def counts(window_start_us: int, window_end_us: int, *, model: Model, newest_judged_us: int, now_us: int) -> bool:
    """Whether a window moves a verdict: closed within ``page_within`` of now, and no newer one has been judged."""
    recent = now_us - (window_end_us + model.lateness_us) <= model.page_within_us
    return recent and window_start_us >= newest_judged_us


def newest_judged_us(states: Iterable[CheckState]) -> int:
    """The start of the newest window that moved or kept a verdict; before all time when none did."""
    return max((state.window_start_us for state in states), default=-(2**62))


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Closed windows ``(start, end)`` without rows that are due now, and when to look again (None: not before rows)."""

    windows: tuple[tuple[int, int], ...] = ()
    next_us: int | None = None


def silence(recent: Sequence[WindowRow], *, model: Model, judged_us: int, now_us: int) -> Silence:
    """The windows behind the newest of ``recent`` (with rows, oldest first) that count as no volume now.

    A closed window without rows is pending until the feed's usual lag has passed. Silence is told while the feed is
    fresh enough to be missed: loaded history ends where it ends, and one that stopped long ago has its alert.
    """
    newest = recent[-1]
    if not _is_live(newest, model=model):
        return Silence()
    patience_us = max(model.page_within_us, model.stale_us)
    waits_us = model.lateness_us + usual_lag_us(recent, model=model)
    found: list[tuple[int, int]] = []
    for start, end in model.window.between(newest.end_us, min(now_us, newest.end_us + patience_us)):
        if end + waits_us > now_us:
            return Silence(windows=tuple(found), next_us=end + waits_us)
        if start > judged_us and now_us - (end + model.lateness_us) <= model.page_within_us:
            found.append((start, end))
    still = now_us < newest.end_us + patience_us
    return Silence(windows=tuple(found), next_us=model.window.end_of(now_us) + waits_us if still else None)


def usual_lag_us(recent: Sequence[WindowRow], *, model: Model) -> int:
    """How long after a window's end its first rows come, in nine of ten of the recent windows; 0 for a prompt feed."""
    lags = sorted(
        max(window.first_received_us - window.end_us, 0)
        for window in recent
        if window.first_received_us is not None and _is_live(window, model=model)
    )
    return min(lags[math.ceil(0.9 * len(lags)) - 1], model.page_within_us // 2) if lags else 0


def _is_live(window: WindowRow, *, model: Model) -> bool:
    """Whether the window's rows came about when they happened, not loaded long afterwards."""
    received = window.first_received_us
    return received is not None and received <= window.end_us + model.lateness_us + model.page_within_us
