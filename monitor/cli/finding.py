"""What a look at an installation finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at: ``state`` ok, note or wrong, and what to do."""

    what: str
    state: str
    found: str
    remedy: str = ""

    def shape(self) -> dict[str, str]:
        """The finding as JSON."""
        return {"what": self.what, "state": self.state, "found": self.found, "remedy": self.remedy}
