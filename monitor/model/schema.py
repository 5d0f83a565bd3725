"""The schema: a version's columns, their roles and types."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

from monitor.model.errors import InvalidInput
from monitor.model.names import nearest

Role = Literal["feature", "prediction", "score", "label", "timestamp", "id", "context", "ignore"]
ColumnType = Literal["numeric", "categorical", "boolean", "text", "embedding", "timestamp"]
ROLES: tuple[str, ...] = get_args(Role)
TYPES: tuple[str, ...] = get_args(ColumnType)
# What a number counts from midnight, in minutes; "hhmm" is written as digits: 1410 is ten past two.
TIME_UNITS: dict[str, float] = {"hour of day": 60.0, "minute of day": 1.0, "second of day": 1.0 / 60.0, "hhmm": 0.0}
MAX_UNIT_CHARS = 20
MONITORED_ROLES = ("feature", "prediction", "score")

FIELDS = (
    "name", "role", "type", "class", "dimensions", "missing", "true", "false",
    "store", "sensitive", "segment", "importance", "description", "unit",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: its name, what it means (role) and how its values are read (type).

    ``unit`` is written behind its numbers; the units of ``TIME_UNITS`` make them times of day.
    """

    name: str
    role: Role = "feature"
    type: ColumnType = "numeric"
    class_: str | None = None
    dimensions: int | None = None
    missing: tuple[Any, ...] = ()
    true: tuple[str, ...] = ()
    false: tuple[str, ...] = ()
    store: Literal["value", "hash", "none"] = "value"
    sensitive: bool = False
    segment: bool = False
    importance: float | None = None
    description: str = ""
    unit: str = ""

    @property
    def stored_name(self) -> str:
        """The name in a stored batch: by role, so that no feature collides with a reserved column."""
        if self.role in ("feature", "context", "ignore"):
            return f"f:{self.name}"
        if self.role == "score" and self.class_ is not None:
            return f"score:{self.class_}"
        return self.role

    def to_json(self) -> dict[str, Any]:
        """The shape of CONFIG.md "Columns"; fields at their default are left out."""
        full = {"class" if f == "class_" else f: getattr(self, f) for f in self.__slots__}
        default = {"class": None, "dimensions": None, "missing": (), "true": (), "false": (), "store": "value",
                   "sensitive": False, "segment": False, "importance": None, "description": "", "unit": ""}  # fmt: skip
        kept = {k: v for k, v in full.items() if k not in default or v != default[k]}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in kept.items()}

    @classmethod
    def from_json(cls, shape: dict[str, Any]) -> Column:
        """A column from its JSON shape; unknown keys and values are refused with the nearest known name."""
        if not isinstance(shape, dict) or not isinstance(shape.get("name"), str):
            raise InvalidInput(f"a schema column is an object with a name, found {str(shape)[:80]}")
        for key in shape:
            if key not in FIELDS:
                raise InvalidInput(f"column {shape['name']!r}: unknown key {key!r}{nearest(key, FIELDS)}")
        for key, known in (("role", ROLES), ("type", TYPES), ("store", ("value", "hash", "none"))):
            if key in shape and shape[key] not in known:
                raise InvalidInput(f"column {shape['name']!r}: {key} {shape[key]!r} is not one of {', '.join(known)}")
        _check_values(shape)
        values: dict[str, Any] = {
            "class_" if k == "class" else k: tuple(v) if isinstance(v, list) else v for k, v in shape.items()
        }
        return cls(**values)


def _check_values(shape: dict[str, Any]) -> None:
    """Nothing, or ``InvalidInput`` for the first field whose value is of another kind than it must be."""
    name = shape["name"]
    for kinds, expected, keys in (
        (bool, "true or false", ("sensitive", "segment")),
        (str, "a text", ("description", "unit")),
        (str | None, "a text", ("class",)),
        (list | tuple, "a list", ("missing", "true", "false")),
        (int | None, "a whole number", ("dimensions",)),
        (int | float | None, "a number", ("importance",)),
    ):
        for key in keys:
            value = shape.get(key, ...)
            if value is not ... and (not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool)):
                raise InvalidInput(f"column {name!r}: {key} {str(value)[:40]!r} is not {expected}")
    if len(shape.get("unit", "")) > MAX_UNIT_CHARS:
        raise InvalidInput(f"column {name!r}: unit {shape['unit'][:40]!r} is longer than {MAX_UNIT_CHARS} characters")
    for key in ("true", "false"):
        if not all(isinstance(text, str) for text in shape.get(key, ())):
            raise InvalidInput(f"column {name!r}: {key} holds something that is no text")


@dataclass(frozen=True, kw_only=True)
class Schema:
    """Columns in order, names unique; ``inferred`` says nobody declared it.

    ``open``: it names some of the columns; the others are taken up once rows are seen, and then it is closed.
    """

    columns: tuple[Column, ...]
    inferred: bool = False
    open: bool = False

    def __post_init__(self) -> None:
        names = [c.name for c in self.columns]
        if len(set(names)) != len(names):
            twice = next(n for n in names if names.count(n) > 1)
            raise InvalidInput(f"schema: column {twice!r} is named twice")

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """Columns by schema name."""
        return {c.name: c for c in self.columns}

    @cached_property
    def by_stored_name(self) -> dict[str, Column]:
        """Columns by the name they have in a stored batch."""
        return {c.stored_name: c for c in self.columns}

    @cached_property
    def monitored(self) -> tuple[Column, ...]:
        """Features, predictions and scores of a type that has profiles (numeric, categorical, boolean)."""
        return tuple(
            c for c in self.columns
            if c.role in (*MONITORED_ROLES, "context") and c.type in ("numeric", "categorical", "boolean")
        )  # fmt: skip

    @cached_property
    def memory(self) -> dict[Any, Any]:
        """Answers about this schema that are asked for every window: it never changes, so neither do they."""
        return {}

    def role(self, role: Role) -> Column | None:
        """The first column of that role, if any."""
        return next((c for c in self.columns if c.role == role), None)

    def completed(self, found: Schema) -> Schema:
        """The declared columns and behind them those of ``found`` that they leave out; closed."""
        rest = (c for c in found.columns if c.name not in self.by_name and c.stored_name not in self.by_stored_name)
        return Schema(columns=(*self.columns, *rest))

    def to_json(self) -> dict[str, Any]:
        """``{"columns": [...], "inferred": bool}``, with ``"open": true`` where it is."""
        shape = {"columns": [c.to_json() for c in self.columns], "inferred": self.inferred}
        return shape | ({"open": True} if self.open else {})

    @classmethod
    def from_json(cls, shape: dict[str, Any]) -> Schema:
        """A schema from its JSON shape."""
        if not isinstance(shape, dict) or not isinstance(shape.get("columns"), list):
            raise InvalidInput('schema: expected {"columns": [{"name": …, "role": …, "type": …}, …]}')
        return cls(
            columns=tuple(Column.from_json(c) for c in shape["columns"]),
            inferred=bool(shape.get("inferred")),
            open=bool(shape.get("open")),
        )
