"""Decoders of a record's JSON by structs: as a body, as a list, as a line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

# https://jcristharif.com/msgspec/api.html#msgspec.defstruct: what renamed fields may not contain
_NO_FIELD = re.compile(r'[\x00-\x1f"\\]')


def can_be_fields(names: Sequence[str]) -> bool:
    """Whether a struct can have fields of these names on the wire: none twice, none that JSON writes with an escape.

    >>> can_be_fields(["age", "größe"]), can_be_fields(['5"', "age"]), can_be_fields(["id", "id"])
    (True, False, False)
    """
    return len(set(names)) == len(names) and not any(map(_NO_FIELD.search, names))


class Shape:
    """The decoders of one msgspec struct; whatever decodes has exactly that shape."""

    __slots__ = ("body", "line", "list")

    def __init__(self, record: Any) -> None:
        body = msgspec.defstruct("Body", [("records", list[record])], forbid_unknown_fields=True)
        self.body = msgspec.json.Decoder(body)
        self.list = msgspec.json.Decoder(list[record])
        self.line = msgspec.json.Decoder(record)


class Shapes(Protocol):
    """The shapes a record may have; the one that fitted last stands first and is tried first.

    They are ``closed`` where nothing decodes but fields of known kinds: not a value of any kind, not a field nobody
    knows. Such records nest as deep as their structs, and no deeper.
    """

    shapes: tuple[Shape, ...]
    closed: bool


def put_first(plan: Shapes, shape: Shape) -> None:
    """Notes which shape fitted."""
    if plan.shapes[0] is not shape:
        plan.shapes = (shape, *(other for other in plan.shapes if other is not shape))
