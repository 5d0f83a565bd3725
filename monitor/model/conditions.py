"""Conditions on a row's values: what says which rows a segment has (CONFIG.md, "Segments").

A comparison with a missing or an invalid value is false, ``ne`` and ``not_in`` too: only ``is_null`` is true there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from monitor.model.errors import InvalidInput
from monitor.model.names import nearest

ORDERED = ("gt", "gte", "lt", "lte")
LISTED = ("in", "not_in")
OPERATORS = ("eq", "ne", *LISTED, *ORDERED, "is_null")
ANY = "any"
MOST_CONDITIONS = 50
MOST_VALUES = 1_000
MOST_CHARS = 1_024  # of a value, and of a column's name

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One comparison: ``values`` are those of ``in`` and ``not_in``, sorted and once each, and one of all others."""

    column: str
    op: str
    values: tuple[Scalar, ...]

    def to_json(self) -> Any:
        """What stands behind the operator."""
        return list(self.values) if self.op in LISTED else self.values[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """All ``conditions``, and one at least of ``any``, each of which is several conditions at once."""

    conditions: tuple[Condition, ...]
    any: tuple[tuple[Condition, ...], ...] = ()

    def all_conditions(self) -> Iterator[Condition]:
        """Every condition, wherever it stands."""
        yield from self.conditions
        for several in self.any:
            yield from several

    def to_json(self) -> dict[str, Any]:
        """The canonical shape: the same for shapes that mean the same.

        >>> parse_where({"tenure": {"lt": 90.0}, "country": {"in": ["DE", "AT", "DE"]}}).to_json()
        {'country': {'in': ['AT', 'DE']}, 'tenure': {'lt': 90}}
        """
        shape = _shape(self.conditions)
        return shape | {ANY: [_shape(several) for several in self.any]} if self.any else shape


def parse_where(shape: Any, *, name: str = "where") -> Where:
    """The rows that ``{column: scalar | {operator: value}, "any": [{…}, {…}]}`` says."""
    _object(shape, name=name)
    either = shape.get(ANY)
    alternatives: tuple[tuple[Condition, ...], ...] = ()
    if isinstance(either, list):  # anything else is a condition on a column of that name
        shape = {column: value for column, value in shape.items() if column != ANY}
        alternatives = _alternatives(either, name=f"{name}.{ANY}")
    where = Where(conditions=_conditions(shape, name=name), any=alternatives)
    told = sum(1 for _ in where.all_conditions())
    if told > MOST_CONDITIONS:
        raise InvalidInput(f"{name}: has {told} conditions: expected at most {MOST_CONDITIONS}")
    return where


def _alternatives(either: list[Any], *, name: str) -> tuple[tuple[Condition, ...], ...]:
    found = set()
    for position, one in enumerate(either):
        place = f"{name}[{position}]"
        _object(one, name=place)
        if isinstance(one.get(ANY), list):
            raise InvalidInput(f"{place}: has {ANY!r} within {ANY!r}: write the alternatives as one list")
        found.add(_conditions(one, name=place))
    if not found:
        raise InvalidInput(f"{name}: expected a list of conditions, found an empty one")
    return tuple(sorted(found, key=lambda several: json.dumps(_shape(several))))


def _object(shape: Any, *, name: str) -> None:
    if not isinstance(shape, dict) or not shape:
        raise InvalidInput(f'{name}: expected conditions such as {{"hour": {{"gte": 18}}}}, found {str(shape)[:80]}')


def _conditions(shape: Mapping[str, Any], *, name: str) -> tuple[Condition, ...]:
    found = []
    for column, told in shape.items():
        if not isinstance(column, str) or not 0 < len(column) <= MOST_CHARS:
            raise InvalidInput(f"{name}: {str(column)[:40]!r} is no column's name")
        place = f"{name}.{column[:80]}"
        if isinstance(told, dict):
            if not told:
                raise InvalidInput(f"{place}: expected an operator ({', '.join(OPERATORS)}), found none")
            found += [_condition(column, op, value, place=place) for op, value in told.items()]
        else:
            found.append(_condition(column, "eq", told, place=place))
    return tuple(sorted(found, key=lambda one: (one.column, one.op)))


def _condition(column: str, op: Any, value: Any, *, place: str) -> Condition:
    if op not in OPERATORS:
        hint = nearest(str(op), OPERATORS)
        raise InvalidInput(f"{place}: operator {str(op)[:40]!r} is not one of {', '.join(OPERATORS)}{hint}")
    if op in LISTED:
        if not isinstance(value, list) or not 0 < len(value) <= MOST_VALUES:
            raise InvalidInput(f"{place}.{op}: expected a list of 1 to {MOST_VALUES} values, found {str(value)[:80]}")
        once = {json.dumps(one): one for one in (_scalar(v, place=f"{place}.{op}") for v in value)}
        return Condition(column=column, op=op, values=tuple(once[text] for text in sorted(once)))
    if op == "is_null":
        if not isinstance(value, bool):
            raise InvalidInput(f"{place}.is_null: expected true or false, found {str(value)[:40]!r}")
        return Condition(column=column, op=op, values=(value,))
    known = _scalar(value, place=f"{place}.{op}")
    if op in ORDERED and (isinstance(known, str | bool)):
        raise InvalidInput(f"{place}.{op}: expected a number, found {str(known)[:40]!r}")
    return Condition(column=column, op=op, values=(known,))


def _scalar(value: Any, *, place: str) -> Scalar:
    """A text, a boolean or a finite number; 18.0 is 18."""
    if value is None:
        raise InvalidInput(f'{place}: found null: rows without a value are {{"is_null": true}}')
    if isinstance(value, list):
        raise InvalidInput(f'{place}: found a list: one of several values is {{"in": [...]}}')
    if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
        raise InvalidInput(f"{place}: expected a text, a number or a boolean, found {str(value)[:40]!r}")
    if len(str(value)) > MOST_CHARS:
        raise InvalidInput(f"{place}: {str(value)[:40]!r} is longer than {MOST_CHARS} characters")
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _shape(conditions: tuple[Condition, ...]) -> dict[str, Any]:
    shape: dict[str, Any] = {}
    for one in conditions:
        shape.setdefault(one.column, {})[one.op] = one.to_json()
    return shape
