"""What Alertmanager says it has notified of: one alert, fired or resolved, to one receiver."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One alert of one call of the webhook. Texts are cut, so that a row is bounded; ``""`` stands for no label.

    ``ends_us`` is None while it fires. ``reason`` is the label of alerts on undecided checks.
    """

    receiver: str
    group_key: str
    group_labels: dict[str, str]
    fingerprint: str
    status: Literal["firing", "resolved"]
    starts_us: int
    ends_us: int | None
    alertname: str = ""
    model: str = ""
    version: str = ""
    segment: str = ""
    check: str = ""
    severity: str = ""
    reason: str = ""

    @property
    def about_us(self) -> int:
        """When what it tells of began: the firing, or its end."""
        return self.starts_us if self.ends_us is None else self.ends_us

    @property
    def on_a_verdict(self) -> bool:
        """Whether it tells of a check's verdict, and so of a transition."""
        return bool(self.model and self.version and self.check) and not self.reason

    @property
    def key(self) -> bytes:
        """32 bytes, the same for what Alertmanager sends again: after an error, each repeat interval, from a peer.

        >>> one = Notification(receiver="r", group_key="g", group_labels={}, fingerprint="f", status="firing",
        ...                    starts_us=1, ends_us=None)
        >>> len(one.key)
        32
        """
        parts = (self.receiver, self.group_key, self.fingerprint, self.status, str(self.starts_us), str(self.ends_us))
        return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()
