"""Faults: what is wrong, where, and what to do; and asking again, for what is moving is not wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

LOOK_AGAIN_SECONDS = 1.0  # longer than any transaction of the service

RESTORE = "restore a backup; keep this database as it is until you have"
EVALUATE = "run driftline evaluate for that window: it is computed again from the stored rows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong: ``code`` is stable for programs, ``where`` names it, ``remedy`` says what to do."""

    code: str
    where: str
    found: str
    remedy: str

    def shape(self) -> dict[str, str]:
        """The fault as JSON."""
        return {"code": self.code, "where": self.where, "found": self.found, "remedy": self.remedy}


def standing(look: Callable[[], list[Fault]]) -> list[Fault]:
    """The faults that are still there when they are looked for again a moment later."""
    first = look()
    if not first:
        return []
    time.sleep(LOOK_AGAIN_SECONDS)
    seen = {(fault.code, fault.where) for fault in first}
    return [fault for fault in look() if (fault.code, fault.where) in seen]
