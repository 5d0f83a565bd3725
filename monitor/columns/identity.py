"""Record ids out of a sent column: decimal text of integers, and what cannot be an id."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.columns.quarantine import MAX_ID_CHARS, id_fault
from monitor.columns.text import json_text


@dataclass(frozen=True, slots=True)
class Ids:
    """``texts`` string[n], null where none was sent; ``faults`` row → (reason code, what was found)."""

    texts: pa.Array
    faults: Mapping[int, tuple[str, str]] = field(default_factory=dict)


def id_of(value: Any) -> tuple[str | None, str | None]:
    """``(id, reason code)`` of one sent value; an integer, also an integral float, is its decimal text.

    >>> id_of(7), id_of("a"), id_of(None), id_of(True)
    (('7', None), ('a', None), (None, None), (None, 'id_type'))
    """
    if value is None:
        return None, None
    if isinstance(value, str):
        fault = id_fault(value)
        return (value, None) if fault is None else (None, fault)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None, "id_type"
    if isinstance(value, float):
        return (str(int(value)), None) if value.is_integer() else (None, "id_type")
    text = str(value)
    return (text, None) if len(text) <= MAX_ID_CHARS else (None, "id_too_long")


def parse_ids(array: pa.Array, *, form: str = "typed") -> Ids:
    """The ids of a whole sent column; Python looks at single values only where a bulk check finds something."""
    if pa.types.is_null(array.type):
        return Ids(pa.nulls(len(array), pa.string()))
    if pa.types.is_integer(array.type):
        return Ids(pc.cast(array, pa.string()))
    if form != "json" and pa.types.is_string(array.type) and _plainly_usable(array):
        return Ids(array)
    texts: list[str | None] = []
    faults: dict[int, tuple[str, str]] = {}
    for row, sent in enumerate(array.to_pylist()):
        value = json.loads(sent) if form == "json" and sent is not None else sent
        text, code = id_of(value)
        texts.append(text)
        if code is not None:
            faults[row] = (code, json_text(value))
    return Ids(pa.array(texts, pa.string()), faults)


def _plainly_usable(array: pa.Array) -> bool:
    """Whether every id is ASCII without control characters, not empty and short: one look at the bytes."""
    if len(array) == 0:
        return True
    _, offsets, content = array.buffers()
    ends = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    lengths = np.diff(ends)
    if array.null_count:
        lengths = lengths[array.is_valid().to_numpy(zero_copy_only=False)]
    if len(lengths) and (int(lengths.min()) == 0 or int(lengths.max()) > MAX_ID_CHARS):
        return False
    if content is None:
        return True
    used = np.frombuffer(content, np.uint8)[ends[0] : ends[-1]]
    return len(used) == 0 or (int(used.min()) >= 0x20 and int(used.max()) < 0x7F)
