"""A fire drill of the route: a test check is raised, and Alertmanager is waited for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from monitor.model.time import MINUTE_US

CHECK = "_drill"  # the label ``check`` of its series: no check of a model can have that name
DrillState = Literal["raised", "back", "lost"]
# It stays raised so long after it came back: a receiver that waits for its group's interval hears of it too.
LINGERS_US = 5 * MINUTE_US
# After this long without the series the alert has resolved: the shipped rules look two minutes back.
SETTLED_US = 5 * MINUTE_US


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """A drill of a version. ``seen_us`` is when Alertmanager called back, by the receiver ``seen_by``.

    What state it is in follows from the clock, so that it ends though no process looks after it.
    """

    id: int
    version_id: int
    version: str
    severity: Literal["warning", "critical"]
    started_us: int
    ends_us: int
    seen_us: int | None = None
    seen_by: str | None = None
    resolved_us: int | None = None

    def state(self, *, now_us: int) -> DrillState:
        """``raised`` until it comes ``back``; ``lost`` where it did not before its end.

        >>> drill = Drill(id=1, version_id=1, version="1", severity="warning", started_us=0, ends_us=10)
        >>> drill.state(now_us=9), drill.state(now_us=10)
        ('raised', 'lost')
        """
        if self.seen_us is not None:
            return "back"
        return "raised" if now_us < self.ends_us else "lost"

    @property
    def fires_until_us(self) -> int:
        """When the series ends: some minutes after it came back, and at its end in any case."""
        return self.ends_us if self.seen_us is None else min(self.seen_us + LINGERS_US, self.ends_us)

    def fires(self, *, now_us: int) -> bool:
        """Whether the series is to be there."""
        return self.resolved_us is None and now_us < self.fires_until_us

    def settled_us(self) -> int:
        """From when on its alert fires no more for certain: another drill can be told from it then."""
        if self.resolved_us is not None:
            return self.resolved_us
        return self.fires_until_us + SETTLED_US
