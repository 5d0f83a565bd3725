"""Segments: the slices of a model's traffic that are judged each by itself (CONFIG.md, "Segments")."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from monitor.model.conditions import MOST_CHARS, ORDERED, Condition, Where, parse_where
from monitor.model.errors import InvalidInput
from monitor.model.names import nearest, valid_name
from monitor.model.schema import Column, Schema

ALL_TRAFFIC = ""
EVERYWHERE = "*"  # of a check: all traffic and every segment
OTHER = "(other)"
MAX_SEGMENTS = 100  # of a version, unless the server is set otherwise
MOST_SPECS = 1_000
DEFAULT_TOP = 10
MOST_NAME_CHARS = 200
NAMED_FIELDS = ("name", "where", "protected", "compare_to")
BY_FIELDS = ("by", "top", "min_share")
# A word of a boolean column that the schema need not list.
_BOOLEANS = ("true", "false", "True", "False", "TRUE", "FALSE", "1", "0")

Told = dict[str, Any]  # a warning: code, column, message


@dataclass(frozen=True, slots=True, kw_only=True)
class By:
    """A segment for each of the ``top`` most frequent values of a column in the reference, and one of the rest.

    Values with less than ``min_share`` of the reference's rows have none of their own.
    """

    column: str
    top: int = DEFAULT_TOP
    min_share: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The whole shape, with what was not said."""
        return {"by": self.column, "top": self.top, "min_share": self.min_share}


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A segment of the rows that fit ``where``.

    ``protected`` and ``compare_to`` (another segment's name) are kept for comparisons of groups.
    """

    name: str
    where: Where
    protected: bool = False
    compare_to: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The canonical shape; what is at its default is left out."""
        told = {"protected": self.protected or None, "compare_to": self.compare_to}
        return {"name": self.name, "where": self.where.to_json()} | {k: v for k, v in told.items() if v is not None}


Spec = By | Named


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A slice by name, and which rows it has.

    ``shape`` is ``{"where": …}``, ``{"by": column, "value": text}``, or ``{"by": column, "other": [texts]}``: the rows
    with another value than those, or with none.
    """

    name: str
    shape: dict[str, Any] = field(hash=False)

    @cached_property
    def where(self) -> Where | None:
        """The conditions, of a segment that has some."""
        return parse_where(self.shape["where"]) if "where" in self.shape else None

    @property
    def columns(self) -> frozenset[str]:
        """The columns that say which rows it has."""
        if self.where is None:
            return frozenset((self.shape["by"],))
        return frozenset(condition.column for condition in self.where.all_conditions())

    def to_json(self) -> dict[str, Any]:
        """``{"name": …}`` and the shape in one object."""
        return {"name": self.name, **self.shape}

    @classmethod
    def from_json(cls, shape: Mapping[str, Any]) -> Segment:
        """A segment from its JSON shape."""
        return cls(name=shape["name"], shape={key: value for key, value in shape.items() if key != "name"})


def parse_segments(shape: Any, *, name: str = "segments", limit: int = MOST_SPECS) -> tuple[Spec, ...]:
    """What is said of segments, in order; names and ``by`` columns once each, unknown keys refused.

    >>> parse_segments([{"by": "region"}])
    (By(column='region', top=10, min_share=0.0),)
    """
    if not isinstance(shape, list | tuple):
        raise InvalidInput(f"{name}: expected a list of objects, found {str(shape)[:80]}")
    if len(shape) > limit:
        raise InvalidInput(f"{name}: has {len(shape)} entries: expected at most {limit} segments")
    specs = tuple(_spec(one, place=f"{name}[{position}]") for position, one in enumerate(shape))
    told = [f"by {spec.column!r}" if isinstance(spec, By) else f"the name {spec.name!r}" for spec in specs]
    twice = next((one for one in told if told.count(one) > 1), None)
    if twice is not None:
        raise InvalidInput(f"{name}: {twice} is given twice")
    for spec in specs:
        if isinstance(spec, Named) and spec.compare_to is not None:
            others = tuple(one for one in specs if one is not spec)
            check_known((spec.compare_to,), specs=others, place=f"{name}: segment {spec.name!r}.compare_to")
    return specs


def check_known(patterns: Sequence[str], *, specs: Sequence[Spec], place: str, marked: bool = False) -> None:
    """Nothing, or ``InvalidInput`` for the first pattern that no segment of these specs can have a name for.

    What a ``by`` makes of the reference is not known yet: ``region=…`` may be anything. With ``marked`` schemas may
    mark columns that are not known here, and ``column=…`` is only refused where it looks like one of the known.
    """
    named = [spec.name for spec in specs if isinstance(spec, Named)]
    prefixes = [f"{spec.column}=" for spec in specs if isinstance(spec, By)]
    for pattern in patterns:
        if pattern in (ALL_TRAFFIC, EVERYWHERE) or any(covers((pattern,), name) for name in named):
            continue
        if any(_may_begin(pattern, prefix) for prefix in prefixes):
            continue
        known = [*named, *(f"{prefix}*" for prefix in prefixes)]
        hint = nearest(pattern, known)
        if marked and "=" in pattern and not nearest(f"{pattern.partition('=')[0]}=", prefixes):
            continue
        rest = hint or (f" (there are {', '.join(known[:8])})" if known else ": the model has no segments")
        raise InvalidInput(f"{place}: {pattern[:80]!r} is no segment of this model{rest}")


def _may_begin(pattern: str, prefix: str) -> bool:
    """Whether some name that begins so can fit the pattern."""
    if pattern.startswith(prefix):
        return True
    wild = next((i for i, char in enumerate(pattern) if char in "*?["), None)
    return wild is not None and prefix.startswith(pattern[:wild])


def covers(check_segments: tuple[str, ...], segment: str) -> bool:
    """Whether a check that says these segments is of that one; all traffic is ``""``.

    >>> [covers(("region=*",), name) for name in ("region=EU", "evening", "")], covers(("*",), "")
    ([True, False, False], True)
    """
    return any(
        p in (segment, EVERYWHERE) or (segment != ALL_TRAFFIC and fnmatchcase(segment, p)) for p in check_segments
    )


def segmentation(specs: Sequence[Spec]) -> str:
    """What says that traffic is cut the same way: 16 hexadecimal digits, ``""`` for no segments."""
    if not specs:
        return ""
    rows = [{k: v for k, v in spec.to_json().items() if k not in ("protected", "compare_to")} for spec in specs]
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:16]


def wants_segments(model_settings: Mapping[str, Any], schema: Schema | None) -> bool:
    """Whether there is a segment that a version is to have; quicker than to say which."""
    return bool(model_settings.get("segments")) or (
        schema is not None and any(column.segment for column in schema.columns)
    )


def wanted_specs(model_settings: Mapping[str, Any], schema: Schema | None) -> tuple[Spec, ...]:
    """The segments a version is to have: the model's, and one ``by`` for each column that its schema marks."""
    told = model_settings.get("segments")
    specs = () if told is None else parse_segments(told)
    named = {spec.column for spec in specs if isinstance(spec, By)}
    marked = (c.name for c in (schema.columns if schema is not None else ()) if c.segment and c.name not in named)
    return (*specs, *(By(column=name) for name in marked))


def resolve(
    specs: Sequence[Spec], *, schema: Schema, counts: Mapping[str, Sequence[tuple[str, int]]], rows: int,
    limit: int = MAX_SEGMENTS,
) -> tuple[tuple[Segment, ...], tuple[Told, ...]]:  # fmt: skip
    """The segments that the specs make, and a warning for each that cannot be.

    ``counts`` are the reference's categories of each ``by`` column with how often each occurs in its ``rows``.
    """
    found: dict[str, Segment] = {}
    warnings: list[Told] = []
    for spec in specs:
        misfit = _misfit(spec, schema=schema, counts=counts)
        if misfit is not None:
            warnings.append(misfit)
            continue
        for segment in _segments(spec, counts=counts, rows=rows):
            if segment.name in found:
                warnings.append(_taken(segment, by=found[segment.name]))
            else:
                found[segment.name] = segment
    kept = tuple(found.values())[:limit]
    if len(kept) < len(found):
        warnings.append(_warning(
            "too_many_segments", "",
            f"{len(found)} segments are asked for and {limit} are allowed: {len(found) - limit} are left out, from "
            f"{[*found][limit]!r} on; a smaller top or a larger min_share makes fewer",
        ))  # fmt: skip
    return kept, tuple(warnings)


def _taken(segment: Segment, *, by: Segment) -> Told:
    """The warning that another pair of column and value has the name already: ``a=b`` and ``c``, ``a`` and ``b=c``."""
    column = segment.shape["by"]
    return _warning(
        "segment_name", column,
        f"{_pair(segment)} is called {segment.name!r} as {_pair(by)} is: it is left out; name it with where, or rename "
        f"column {column!r}",
    )  # fmt: skip


def _pair(segment: Segment) -> str:
    told = repr(segment.shape["value"]) if "value" in segment.shape else OTHER
    return f"{told[:80]} of column {segment.shape['by']!r}"


def _segments(spec: Spec, *, counts: Mapping[str, Sequence[tuple[str, int]]], rows: int) -> Iterator[Segment]:
    if isinstance(spec, Named):
        yield Segment(name=spec.name, shape={"where": spec.where.to_json()})
        return
    often = sorted(counts[spec.column], key=lambda one: (-one[1], one[0]))
    # A value written like the rest, or as another one is written, is of the rest: no two segments are called the same.
    named = {_by_name(spec.column, OTHER): OTHER}
    for text, n in often:
        if n >= spec.min_share * rows and n > 0 and len(named) <= spec.top:
            named.setdefault(_by_name(spec.column, text), text)
    listed = [*named.values()][1:]
    for text in listed:
        yield Segment(name=_by_name(spec.column, text), shape={"by": spec.column, "value": text})
    yield Segment(name=_by_name(spec.column, OTHER), shape={"by": spec.column, "other": sorted(listed)})


def _by_name(column: str, text: str) -> str:
    """``column=value``; a long one is cut, with a digest of the whole behind it."""
    name = f"{column}={text}".replace("\0", "\\u0000")  # as the store keeps it
    if len(name) <= MOST_NAME_CHARS:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: MOST_NAME_CHARS - 9]}…{digest}"


def _misfit(spec: Spec, *, schema: Schema, counts: Mapping[str, Sequence[tuple[str, int]]]) -> Told | None:
    """Why the schema or the reference has no such segment; None where they have."""
    if isinstance(spec, By):
        reason = _no_rows_of(spec.column, schema=schema)
        if not reason and spec.column not in counts:
            kind = schema.by_name[spec.column].type
            reason = f"column {spec.column!r} is {kind} and has no categories to segment by: declare it categorical"
        return _warning("segment_column", spec.column, f"segments by {spec.column!r}: {reason}") if reason else None
    for condition in spec.where.all_conditions():
        reason = _no_rows_of(condition.column, schema=schema)
        reason = reason or _no_comparison(condition, column=schema.by_name[condition.column])
        if reason:
            return _warning("segment_column", condition.column, f"segment {spec.name!r}: {reason}")
    return None


def _no_rows_of(name: str, *, schema: Schema) -> str:
    column = schema.by_name.get(name)
    if column is None:
        return f"there is no column {name!r}{nearest(name, schema.by_name)}"
    if column.role in ("id", "timestamp", "label"):
        return f"column {name!r} is the {column.role}: segments are made of what is known of a row when it is judged"
    if column.role == "ignore" or column.store == "none":
        return f"the values of column {name!r} are not stored: give it the role context"
    return ""


def _no_comparison(condition: Condition, *, column: Column) -> str:
    """Why the condition can hold for no row of such a column."""
    if condition.op == "is_null":
        return ""
    if condition.op in ORDERED and column.type != "numeric":
        return f"{condition.op} compares numbers, and column {column.name!r} is {column.type}"
    if column.type == "embedding":
        return f"column {column.name!r} is an embedding: only is_null is said of it"
    for value in condition.values:
        if column.type == "numeric" and isinstance(value, str | bool):
            return f"{value!r} is no number, and column {column.name!r} is numeric"
        known = (*column.true, *column.false, *_BOOLEANS)
        if column.type == "boolean" and not isinstance(value, bool) and str(value) not in known:
            return f"{value!r} is neither true nor false, and column {column.name!r} is boolean"
    return ""


def _warning(code: str, column: str, message: str) -> Told:
    return {"code": code, "column": column, "message": message}


def _spec(shape: Any, *, place: str) -> Spec:
    if not isinstance(shape, dict):
        raise InvalidInput(f"{place}: expected an object, found {str(shape)[:80]}")
    known = BY_FIELDS if "by" in shape else NAMED_FIELDS
    for key in shape:
        if key not in known:
            raise InvalidInput(
                f"{place}: unknown key {str(key)[:40]!r}{nearest(str(key), (*NAMED_FIELDS, *BY_FIELDS))}"
            )
    return _by(shape, place=place) if "by" in shape else _named(shape, place=place)


def _by(shape: dict[str, Any], *, place: str) -> By:
    column = shape["by"]
    if not isinstance(column, str) or not 0 < len(column) <= MOST_CHARS:
        raise InvalidInput(f"{place}.by: expected a column's name, found {str(column)[:40]!r}")
    top, min_share = shape.get("top"), shape.get("min_share")
    if top is not None and (not isinstance(top, int) or isinstance(top, bool) or not 1 <= top <= MOST_SPECS):
        raise InvalidInput(f"{place}.top: expected a whole number from 1 to {MOST_SPECS}, found {str(top)[:40]}")
    number = isinstance(min_share, int | float) and not isinstance(min_share, bool)
    if min_share is not None and not (number and 0 <= min_share <= 1):
        raise InvalidInput(f"{place}.min_share: expected a number from 0 to 1, found {str(min_share)[:40]}")
    return By(column=column, top=DEFAULT_TOP if top is None else top, min_share=float(min_share or 0.0))


def _named(shape: dict[str, Any], *, place: str) -> Named:
    name, protected, other = shape.get("name"), shape.get("protected"), shape.get("compare_to")
    if not isinstance(name, str):
        raise InvalidInput(f"{place}: expected a name (and where) or by, found {str(shape)[:80]}")
    valid_name(name, kind="segment")
    if protected is not None and not isinstance(protected, bool):
        raise InvalidInput(f"segment {name!r}.protected: expected true or false, found {str(protected)[:40]!r}")
    if other is not None and (not isinstance(other, str) or not other):
        raise InvalidInput(f"segment {name!r}.compare_to: expected a segment's name, found {str(other)[:40]!r}")
    if "where" not in shape:
        raise InvalidInput(f"segment {name!r}: has no where, which says its rows")
    where = parse_where(shape["where"], name=f"segment {name!r}.where")
    return Named(name=name, where=where, protected=bool(protected), compare_to=other)
