"""What people say of alerts and of windows: who, when, why, and until when it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

WordKind = Literal["acknowledge", "snooze", "verdict"]
Was = Literal["real", "incident", "false_alarm", "expected"]
# What an alert was → whether its windows are healthy ones after all.
HEALTHY: Mapping[Was, bool] = {"real": False, "incident": False, "false_alarm": True, "expected": True}
MOST_REASON = 1_000  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Whether a window is held healthy by what somebody said: of itself, or of the alert ``al_<alert>``."""

    healthy: bool
    reason: str
    by: str
    at_us: int
    alert: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What somebody said of one alert; ``by`` is the token's name, ``""`` where none is needed.

    ``until_us`` is when an acknowledgement or a snooze ends; ``was`` belongs to a verdict, as do the windows that it
    speaks of: those that start in ``[from_us, to_us)``.
    """

    kind: WordKind
    reason: str
    by: str
    at_us: int
    until_us: int | None = None
    was: Was | None = None
    from_us: int | None = None
    to_us: int | None = None

    def holds(self, now_us: int) -> bool:
        """Whether its time has not passed.

        >>> Word(kind="snooze", reason="", by="", at_us=1, until_us=5).holds(5)
        False
        """
        return self.until_us is None or now_us < self.until_us


def precision(counts: Mapping[Was, int]) -> float | None:
    """The share of true alarms among those judged true or false; None where nobody judged one so.

    What was expected was there, and nobody wanted to hear of it: it counts for neither.

    >>> precision({"real": 2, "incident": 1, "false_alarm": 1, "expected": 5})
    0.75
    """
    true = counts.get("real", 0) + counts.get("incident", 0)
    told = true + counts.get("false_alarm", 0)
    return true / told if told else None
