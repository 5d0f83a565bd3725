"""JSON values in text columns: pure ASCII, so that NUL and lone surrogates pass through either database."""

from __future__ import annotations

import json
from typing import Any


def dump(value: Any) -> str:
    """The value as compact ASCII JSON; NaN and infinities are refused (``ValueError``), the caller normalises them.

    >>> dump({"a": "\\x00"})
    '{"a":"\\\\u0000"}'
    """
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def load(text: str | None) -> Any:
    """The value that ``dump`` wrote; None of NULL."""
    return None if text is None else json.loads(text)
