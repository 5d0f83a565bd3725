"""What the columns of a table mean: one table of arguments for ``PUT reference``, the CLI and Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monitor.columns.batch import FEATURE_PREFIX
from monitor.model.errors import InvalidInput
from monitor.model.names import nearest
from monitor.model.schema import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleArgument:
    """One argument: its name, whether it may be given more than once, and what it says."""

    name: str
    repeatable: bool
    help: str


ARGUMENTS = (
    RoleArgument(name="prediction", repeatable=False, help="column with the model's prediction"),
    RoleArgument(name="score", repeatable=True, help="column with the score, or class:column for one class"),
    RoleArgument(name="label", repeatable=False, help="column with the true outcome"),
    RoleArgument(name="timestamp", repeatable=False, help="column with the time of the prediction"),
    RoleArgument(name="id", repeatable=False, help="column with the record's id"),
    RoleArgument(name="segment", repeatable=True, help="column whose values are slices of traffic"),
    RoleArgument(name="context", repeatable=True, help="column for segments and filters, without drift verdicts"),
    RoleArgument(name="ignore", repeatable=True, help="column never stored"),
    RoleArgument(name="categorical", repeatable=True, help="number column that is really a code"),
    RoleArgument(name="positive", repeatable=False, help="the positive class of a binary model"),
)
_SINGLE = ("prediction", "label", "timestamp", "id")
_MANY = ("segment", "context", "ignore", "categorical")
RESERVED = ("id", "timestamp", "prediction", "score", "label")


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Names of a table's columns by what they mean; ``score`` maps a class (``""``: none) to its column."""

    prediction: str | None = None
    score: Mapping[str, str] = field(default_factory=dict)
    label: str | None = None
    timestamp: str | None = None
    id: str | None = None
    segment: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    positive: str | None = None

    @classmethod
    def from_query(cls, items: Iterable[tuple[str, str]]) -> Roles:
        """Roles from query parameters or options; names that are no role argument are left to the caller.

        >>> Roles.from_query([("score", "yes:p_yes"), ("ignore", "a"), ("ignore", "b")]).score
        {'yes': 'p_yes'}
        """
        single: dict[str, Any] = {}
        many: dict[str, list[str]] = {name: [] for name in _MANY}
        score: dict[str, str] = {}
        for name, value in items:
            if name == "score":
                class_, colon, column = value.partition(":")
                score[class_ if colon else ""] = column if colon else value
            elif name in many:
                many[name].append(value)
            elif name in (*_SINGLE, "positive"):
                if name in single and single[name] != value:
                    raise InvalidInput(f"{name} is given twice ({single[name]!r}, {value!r}): expected once")
                single[name] = value
        lists: dict[str, Any] = {name: tuple(values) for name, values in many.items()}
        return cls(score=score, **single, **lists)

    def to_json(self) -> dict[str, Any]:
        """The roles that are set, as JSON values."""
        shape: dict[str, Any] = {}
        for argument in ARGUMENTS:
            value = getattr(self, argument.name)
            if value:
                shape[argument.name] = list(value) if isinstance(value, tuple) else value
        if self.score:
            shape["score"] = dict(sorted(self.score.items()))
        return shape

    @classmethod
    def from_json(cls, shape: Mapping[str, Any]) -> Roles:
        """Roles from ``to_json``'s shape."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in shape.items()}
        return cls(**values)

    def assigned(self) -> dict[str, str]:
        """Table column → stored name, for the columns these roles name."""
        stored = {getattr(self, role): role for role in _SINGLE if getattr(self, role) is not None}
        stored |= {column: f"score:{class_}" if class_ else "score" for class_, column in self.score.items()}
        return stored

    def columns(self) -> tuple[str, ...]:
        """The table's columns that these roles name and that are stored."""
        return (*self.assigned(), *self.segment, *self.context, *self.categorical)

    def check_known(self, names: Sequence[str]) -> None:
        """Refuse a role for a column that the table does not have, with the nearest name."""
        for column in self.columns():
            if column not in names:
                raise _absent(self.assigned().get(column, "role"), column, names=names)

    def check_ignored(self, names: Sequence[str]) -> None:
        """Refuse ``ignore`` for a column that the table does not have: the one that was meant would be stored."""
        for column in self.ignore:
            if column not in names:
                raise _absent("ignore", column, names=names)


def _absent(role: str, column: str, *, names: Sequence[str]) -> InvalidInput:
    return InvalidInput(
        f"{role} names column {column[:80]!r}, which the table does not have{nearest(column, names)}; "
        f"its columns are {', '.join(map(repr, names[:20]))}",
        code="role_column",
    )


def stored_names(names: Sequence[str], *, schema: Schema | None, roles: Roles) -> list[str | None]:
    """The stored name of each column of a flat table; None for one that is never stored.

    Roles decide first, then the schema's names, then the reserved names (where nothing else took the
    role); every other column is a feature.

    >>> stored_names(["p", "age", "label"], schema=None, roles=Roles(prediction="p"))
    ['prediction', 'f:age', 'label']
    """
    assigned = roles.assigned()
    known = schema.by_name if schema is not None else {}
    explicit: dict[str, str | None] = {}
    for name in names:
        column = known.get(name)
        if name in roles.ignore:
            explicit[name] = None
        elif name in assigned:
            explicit[name] = assigned[name]
        elif column is not None:
            explicit[name] = None if column.role == "ignore" or column.store == "none" else column.stored_name
    taken = set(explicit.values()) | set(assigned.values())
    return [explicit[name] if name in explicit else _reserved(name, taken) for name in names]


def _reserved(name: str, taken: set[str | None]) -> str:
    if (name in RESERVED or name.startswith("score:")) and name not in taken:
        return name
    return FEATURE_PREFIX + name
