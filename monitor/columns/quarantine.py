"""Records that cannot be used: why, where, and what was sent."""

from __future__ import annotations

import re
from dataclasses import dataclass

from monitor.model.time import MINUTE_US

MAX_ID_CHARS = 256
MAX_NAME_CHARS = 256
FUTURE_US = 10 * MINUTE_US

REASONS = {
    "not_an_object": "the record is not a JSON object",
    "malformed": "the line or row cannot be read",
    "features": "features is not an object",
    "column_name": f"a column name is empty, over {MAX_NAME_CHARS} characters or has control characters or surrogates",
    "timestamp_unreadable": "expected RFC 3339, an integer of 10 (s), 13 (ms), 16 (µs) or 19 (ns) digits, "
    "or seconds with a fraction",
    "timestamp_out_of_range": "expected 1970 to 2200",
    "future": "more than 10 minutes ahead of the server's clock: check the sender's clock and unit",
    "too_late": "its window is sealed",
    "id_type": "expected a string or an integer",
    "id_empty": "expected at least one character; leave id out to have one made",
    "id_too_long": f"over {MAX_ID_CHARS} characters",
    "id_control_characters": "has control characters",
    "id_surrogate": "has a lone surrogate, which is no text",
    "id_missing": "expected the id of the record that the label is for",
    "label_missing": "expected a label; null withdraws one",
    "label_invalid": "expected a finite number for regression, else a text, a number or a boolean",
}
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """One unusable record: its position in the request, the stable reason code, a message, what was sent."""

    index: int
    code: str
    field: str
    message: str
    raw: str

    def error(self) -> dict[str, object]:
        """The entry of the answer's ``errors``."""
        return {"index": self.index, "field": self.field, "code": self.code, "message": self.message}


def reason_message(code: str, *, field: str, found: str) -> str:
    """What was found, what was expected."""
    shown = found if len(found) <= 60 else found[:57] + "..."
    return f"{field} {shown}: {REASONS[code]}" if shown else f"{field}: {REASONS[code]}"


def id_fault(id_: str) -> str | None:
    """The reason code of an unusable id, or None.

    >>> id_fault("order-1"), id_fault("a\\nb"), id_fault("")
    (None, 'id_control_characters', 'id_empty')
    """
    if not id_:
        return "id_empty"
    if len(id_) > MAX_ID_CHARS:
        return "id_too_long"
    if id_.isascii():
        return "id_control_characters" if _CONTROL.search(id_) else None
    if _CONTROL.search(id_):
        return "id_control_characters"
    return "id_surrogate" if any("\ud800" <= c <= "\udfff" for c in id_) else None


def name_fault(name: str) -> str | None:
    """The reason code of an unusable column name, or None."""
    if name.isascii() and name.isprintable() and 0 < len(name) <= MAX_NAME_CHARS:
        return None
    unusable = not name or len(name) > MAX_NAME_CHARS or _CONTROL.search(name)
    return "column_name" if unusable or any("\ud800" <= c <= "\udfff" for c in name) else None
