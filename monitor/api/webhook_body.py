"""Alertmanager's webhook, version 4, as notifications.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config. Fields that later versions add are not
looked at.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from monitor.model.errors import InvalidInput, Malformed
from monitor.model.notifications import Notification
from monitor.model.time import parse_instant

MAX_ALERTS = 10_000
MAX_TEXT = 512
MAX_GROUP_LABELS = 32
_LABELS = ("alertname", "model", "version", "segment", "check", "severity", "reason")


class _Alert(msgspec.Struct):
    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    startsAt: str
    fingerprint: str
    endsAt: str = ""


class _Webhook(msgspec.Struct):
    version: Literal["4"]
    groupKey: str
    receiver: str
    alerts: list[_Alert]
    groupLabels: dict[str, str] = {}
    truncatedAlerts: int = 0


_DECODER = msgspec.json.Decoder(_Webhook)
_EXPECTED = "expected Alertmanager's webhook, version 4, with its own payload"


def read_webhook(body: bytes) -> tuple[list[Notification], int]:
    """The notifications of one call, and how many alerts Alertmanager left out of it (its ``max_alerts``).

    ``Malformed`` where it is no JSON, ``InvalidInput`` where it is not a webhook's.
    """
    try:
        found = _DECODER.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"the body is not a webhook's ({error}): {_EXPECTED}", code="webhook") from None
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise Malformed(f"the body is not JSON ({error}): {_EXPECTED}") from None
    if len(found.alerts) > MAX_ALERTS:
        raise InvalidInput(
            f"the body has {len(found.alerts)} alerts: expected at most {MAX_ALERTS}; group them by model and version, "
            "or set max_alerts of the receiver", code="webhook",
        )  # fmt: skip
    group = {_cut(k): _cut(v) for k, v in sorted(found.groupLabels.items())[:MAX_GROUP_LABELS]}
    notifications = [_notification(alert, call=found, group=group) for alert in found.alerts]
    return notifications, max(0, min(found.truncatedAlerts, 2**31))


def _notification(alert: _Alert, *, call: _Webhook, group: dict[str, str]) -> Notification:
    resolved = alert.status == "resolved"
    labels = {name: _cut(alert.labels.get(name, "")) for name in _LABELS}
    return Notification(
        receiver=_cut(call.receiver), group_key=_cut(call.groupKey), group_labels=group,
        fingerprint=_cut(alert.fingerprint), status=alert.status,
        starts_us=parse_instant(alert.startsAt, name="startsAt"),
        # while it fires Alertmanager writes the year 1, or when it would end by itself: neither is an end
        ends_us=parse_instant(alert.endsAt, name="endsAt") if resolved else None,
        **labels,
    )  # fmt: skip


def _cut(text: str) -> str:
    return text[:MAX_TEXT]
