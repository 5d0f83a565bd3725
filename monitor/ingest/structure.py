"""How a JSON text is built, seen without building it: what a body would become is known before it becomes it.

Strings are left out, then nothing but brackets and commas is kept, so that 64 MiB take under 0.3 s and no object.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from monitor.ingest.limits import MAX_JSON_DEPTH, MAX_RECORD_VALUES
from monitor.model.errors import Malformed, TooLarge

_NOT_STRUCTURE = bytes(c for c in range(256) if c not in b'"[]{},')
_STRINGS = re.compile(rb'"[^"]*"')
_PIECE = 1 << 20
_HARMLESS_BYTES = 2 * MAX_RECORD_VALUES  # fewer cannot hold more values than a record may


@dataclass(frozen=True, slots=True)
class Structure:
    """How deep a text nests, how many elements a level has, and the most values within one of them."""

    depth: int
    elements: int
    largest: int


def structure_of(text: bytes, *, level: int) -> Structure:
    """The structure of a JSON text; its elements are what commas set apart within ``level`` brackets.

    Values are counted as openings and commas: exact enough for a bound. Texts that are no JSON have one too.

    >>> structure_of(b'{"records": [{"a": [1, "]"]}, {"a": [{}, {}, {}]}]}', level=2)
    Structure(depth=5, elements=2, largest=7)
    """
    marks = np.frombuffer(_bare(text), np.uint8)
    depth = deepest = values = begun = largest = 0
    elements = 1
    for start in range(0, len(marks), _PIECE):
        piece = marks[start : start + _PIECE]
        opened = (piece == ord("[")) | (piece == ord("{"))
        commas = piece == ord(",")
        step = opened.astype(np.int32) - ((piece == ord("]")) | (piece == ord("}")))
        levels = depth + np.cumsum(step, dtype=np.int64)
        counts = values + np.cumsum(opened | commas, dtype=np.int64)
        bounds = np.concatenate(([begun], counts[np.flatnonzero(commas & (levels == level))], counts[-1:]))
        elements += len(bounds) - 2
        largest = max(largest, int(np.diff(bounds).max()))
        deepest = max(deepest, int(levels.max()))
        depth, values, begun = int(levels[-1]), int(counts[-1]), int(bounds[-2])
    return Structure(deepest, elements, largest)


def _bare(text: bytes) -> bytes:
    """The brackets and commas of a text that stand in no string."""
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")  # what is left of quotes opens or closes a string
    marks = text.translate(None, _NOT_STRUCTURE).replace(b'""', b"")
    return _STRINGS.sub(b"", marks) if b'"' in marks else marks


def check_depth(text: bytes) -> None:
    """``Malformed`` where brackets nest deeper than the limit."""
    if may_be_deep(text):
        refuse_depth(structure_of(text, level=0).depth)


def may_be_deep(text: bytes) -> bool:
    """Whether it opens enough brackets to nest deeper than the limit: a fiftieth of what it costs to be sure."""
    return text.count(b"[") + text.count(b"{") > MAX_JSON_DEPTH


def refuse_depth(depth: int) -> None:
    """Nothing, or ``Malformed`` for brackets that nest deeper than the limit."""
    if depth > MAX_JSON_DEPTH:
        raise Malformed(f"the JSON nests {depth} deep: expected at most {MAX_JSON_DEPTH}")


def check_line(text: bytes) -> None:
    """``TooLarge`` for a record that holds too many values; one that nests too deep will be malformed instead."""
    if len(text) >= _HARMLESS_BYTES:
        structure = structure_of(text, level=0)
        if structure.depth <= MAX_JSON_DEPTH:
            check_values(structure.largest)


def check_values(count: int) -> None:
    """``TooLarge`` for more values than one record may hold."""
    if count > MAX_RECORD_VALUES:
        raise TooLarge(f"a record holds {count} values: expected at most {MAX_RECORD_VALUES} (MAX_RECORD_VALUES)")
