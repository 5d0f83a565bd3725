"""When nobody is to be told: a silence over checks of a model (maintenance), a snooze of one alert."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from monitor.model.errors import InvalidInput
from monitor.model.handling import MOST_REASON
from monitor.model.results import Status
from monitor.model.time import DAY_US, rfc3339

MOST_SILENCE_US = 90 * DAY_US
MOST_SNOOZE_US = 30 * DAY_US
MOST_PATTERNS = 100
MATCHERS = ("versions", "checks", "columns", "segments")


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Checks of one model of which nobody is told in ``[start_us, end_us)``.

    Matchers are lists of names and patterns (``price_*``); an empty one matches everything, the pattern ``""`` of
    segments all traffic. ``ended_us`` is when somebody ended it before its time.
    """

    id: int = 0
    model_id: int
    reason: str
    start_us: int
    end_us: int
    versions: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    created_us: int = 0
    created_by: str = ""
    ended_us: int | None = None
    ended_by: str | None = None

    def __post_init__(self) -> None:
        if not 0 < len(self.reason) <= MOST_REASON:
            raise InvalidInput(f"reason: expected a text of 1 to {MOST_REASON:,} characters", code="reason")
        if not self.start_us < self.end_us <= self.start_us + MOST_SILENCE_US:
            raise InvalidInput(
                f"end {rfc3339(self.end_us)} is not within {MOST_SILENCE_US // DAY_US} days after the start "
                f"{rfc3339(self.start_us)}: expected an end such as 2h", code="end",
            )  # fmt: skip
        for name in MATCHERS:
            _valid_patterns(name, getattr(self, name))

    @property
    def until_us(self) -> int:
        """When it ends, or was ended."""
        return self.end_us if self.ended_us is None else min(self.end_us, self.ended_us)

    def in_force(self, now_us: int) -> bool:
        """Whether it holds now.

        >>> s = Silence(model_id=1, reason="r", start_us=1, end_us=5, ended_us=3)
        >>> [s.in_force(now_us) for now_us in (0, 1, 2, 3)]
        [False, True, True, False]
        """
        return self.start_us <= now_us < self.until_us

    def state(self, now_us: int) -> Literal["pending", "active", "ended"]:
        """Whether its time is to come, is now, or is over."""
        if now_us >= self.until_us:
            return "ended"
        return "active" if now_us >= self.start_us else "pending"

    def covers(self, *, version: str, check: str, segment: str) -> bool:
        """Whether it is about that check there, columns apart."""
        pairs = ((version, self.versions), (check, self.checks), (segment, self.segments))
        return all(matches(name, patterns) for name, patterns in pairs)

    def covers_version(self, version: str) -> bool:
        """Whether it is about everything of that version."""
        return matches(version, self.versions) and not (self.checks or self.columns or self.segments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snooze:
    """One alert of which nobody is told until ``until_us``, as long as its check gets no worse than ``status``.

    ``until_us`` is already that of its end where the alert was resolved or the snooze taken back before its time.
    """

    transition_id: int
    check: str
    segment: str
    status: Status
    reason: str
    until_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Why nobody is told of a check now, and until when."""

    by: Literal["silence", "snooze"]
    id: int
    reason: str
    until_us: int


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether the name is one of those (also one with a ``[`` in it), or there are none.

    >>> matches("price_eur", ["price_*"]), matches("", ["*"]), matches("region=EU", [""]), matches("x", [])
    (True, True, False, True)
    >>> matches("region=[x]", ["region=[x]"]), matches("region=EU", ["region=[EU]*"])
    (True, True)
    """
    return not patterns or any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)


def _valid_patterns(name: str, patterns: tuple[str, ...]) -> None:
    wrong = [p for p in patterns if not isinstance(p, str) or len(p) > 256 or (p == "" and name != "segments")]
    if wrong or len(patterns) > MOST_PATTERNS:
        shown = f"has {str(wrong[0])[:40]!r}" if wrong else f"has {len(patterns)} entries"
        raise InvalidInput(
            f"{name} {shown}: expected at most {MOST_PATTERNS} names or patterns such as price_*", code=name
        )
