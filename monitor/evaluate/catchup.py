"""Which windows of a version are due: closed and dirty, or closed without a row."""

from __future__ import annotations

from collections.abc import Iterable
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


def empty_windows(newest: WindowRow, *, model: Model, judged_us: int, now_us: int) -> list[tuple[int, int]]:
    """Closed windows ``(start, end)`` without rows behind the newest one that has some, not yet judged.

    They count as no volume while the feed is fresh enough to be missed: loaded history ends where it ends, and
    a feed that stopped long ago has its alert already.
    """
    if newest.first_received_us is None or not _is_live(newest, model=model):
        return []
    patience_us = max(model.page_within_us, model.stale_us)
    until_us = min(now_us - model.lateness_us, newest.end_us + patience_us)
    oldest_us = max(newest.end_us, judged_us + 1, now_us - model.lateness_us - model.page_within_us)
    if oldest_us >= until_us:
        return []
    return [
        (start, end)
        for start, end in model.window.between(oldest_us, until_us)
        if end <= until_us and start > max(judged_us, newest.start_us)
    ]


def _is_live(window: WindowRow, *, model: Model) -> bool:
    """Whether the window's rows came about when they happened, not loaded long afterwards."""
    received = window.first_received_us
    return received is not None and received <= window.end_us + model.lateness_us + model.page_within_us
