"""How often healthy traffic goes as far as a window did, as far as its history can tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from monitor.alert.calibrate import Calibration
from monitor.alert.threshold import Peaks, model_score
from monitor.explain.amounts import count_text, span_text
from monitor.model.time import DAY_US


@dataclass(frozen=True, slots=True, kw_only=True)
class Rarity:
    """``once_in_us``: the mean time between such windows; with ``rarer_than`` the most that K windows can tell."""

    kind: Literal["about", "rarer_than", "more_often_than"]
    once_in_us: int
    healthy_windows: int

    @property
    def words(self) -> str:
        """The rarity in words.

        >>> Rarity(kind="about", once_in_us=40 * DAY_US, healthy_windows=59).words
        'about once in 40 days'
        >>> Rarity(kind="rarer_than", once_in_us=59 * DAY_US, healthy_windows=59).words
        'rarer than once in 59 days, which is as far as 59 healthy windows can tell'
        """
        period = span_text(self.once_in_us)
        if self.kind == "about":
            return f"about once in {period}"
        if self.kind == "more_often_than":
            return f"more often than once in {period}"
        limit = count_text(self.healthy_windows, "healthy window")
        return f"rarer than once in {period}, which is as far as {limit} can tell"

    def to_json(self) -> dict[str, Any]:
        """The rarity as JSON values."""
        return {
            "kind": self.kind, "once_in_seconds": self.once_in_us // 1_000_000,
            "healthy_windows": self.healthy_windows, "words": self.words,
        }  # fmt: skip


def rarity_of(surprise: float, *, calibration: Calibration) -> Rarity | None:
    """How rare a healthy window is in which some test is as surprising (−ln p); None while nothing was learned.

    The inverse of the threshold (``Peaks.threshold``): a budget b whose threshold is this window's score is how many
    such windows a month healthy traffic has. K windows hold no more than one in K, so beyond that it is a bound.
    """
    if calibration.state == "learning" or not calibration.windows:
        return None
    score = float(
        model_score(
            np.array([[surprise]]), tests=calibration.tests, looks_per_month=calibration.windows_per_month
        )[0]
    )  # fmt: skip
    windows, exact = _windows_between(score, peaks=calibration.peaks)
    length_us = 30 * DAY_US / calibration.windows_per_month
    kind: Literal["about", "rarer_than", "more_often_than"] = "about" if exact else "more_often_than"
    if windows > calibration.windows:
        kind, windows = "rarer_than", float(calibration.windows)
    return Rarity(kind=kind, once_in_us=round(windows * length_us), healthy_windows=calibration.windows)


def _windows_between(score: float, *, peaks: Peaks) -> tuple[float, bool]:
    """How many windows pass between two that score so high, and whether that is known: below v only "or fewer" is."""
    beyond = max(score - peaks.start, 0.0)
    between = (peaks.windows + 1) / (peaks.count + 1) * (1.0 + beyond / peaks.total) ** peaks.count
    return between, score >= peaks.start
