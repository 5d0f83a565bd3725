"""What a token may do in a minute."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from monitor.model.errors import InvalidInput
from monitor.model.names import nearest

MOST = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """Records that are taken in, and requests that are served, in a minute; None: as many as come.

    >>> Quota(records=60_000)
    Quota(records=60000, requests=None)
    """

    records: int | None = None
    requests: int | None = None

    def __post_init__(self) -> None:
        for name in NAMES:
            value = getattr(self, name)
            if value is not None and (type(value) is not int or not 1 <= value <= MOST):
                raise InvalidInput(
                    f"quota: {name} is {str(value)[:40]!r}: expected a whole number from 1, a minute", code="quota"
                )

    def to_json(self) -> dict[str, int]:
        """The bounds that there are, by name."""
        return {name: value for name in NAMES if (value := getattr(self, name)) is not None}


NAMES = tuple(field.name for field in fields(Quota))


def quota_of(shape: Any) -> Quota | None:
    """The quota that was written down; None for none.

    >>> quota_of({"requests": 60}), quota_of(None)
    (Quota(records=None, requests=60), None)
    """
    if shape is None:
        return None
    if not isinstance(shape, dict) or not shape:
        raise InvalidInput('quota: expected what is allowed in a minute, such as {"records": 60000}', code="quota")
    for name in shape:
        if name not in NAMES:
            raise InvalidInput(
                f"quota: {str(name)[:40]!r} is not known{nearest(str(name), NAMES)}: expected {', '.join(NAMES)}",
                code="quota",
            )
    return Quota(**shape)
