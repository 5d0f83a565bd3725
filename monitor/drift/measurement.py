"""A measurement: one number about one column, with how it was made."""

from __future__ import annotations

from typing import Any

import msgspec


class Measurement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """``value`` of ``metric`` for ``column``; None with a ``reason`` where it cannot be said.

    ``lower`` and ``upper`` bracket the true value where cells leave it open. ``rows`` and ``reference_rows`` are the n
    behind it: valid values, or all rows for shares of rows. ``method`` is the convention.
    """

    column: str
    metric: str
    value: float | None
    lower: float | None = None
    upper: float | None = None
    p_value: float | None = None
    reason: str | None = None
    rows: int
    reference_rows: int
    method: dict[str, Any] = msgspec.field(default_factory=dict)
