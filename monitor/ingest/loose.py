"""Records of any shape as sent columns under stored names: the general way for JSON.

Nested records, flat rows and mixtures; objects flatten with ``.``; whatever a value is, it becomes a column
as sent, and the canonical form decides what fits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import pyarrow as pa

from monitor.columns.batch import FEATURE_PREFIX
from monitor.columns.flatten import MAX_FLATTEN_DEPTH
from monitor.columns.quarantine import Quarantined, name_fault, reason_message
from monitor.columns.roles import Roles, stored_names
from monitor.columns.sent import as_sent
from monitor.columns.text import json_text
from monitor.ingest.limits import Limits
from monitor.model.errors import TooLarge
from monitor.model.schema import Schema

_NESTED_KEYS = ("id", "timestamp", "prediction", "score", "label")
Values = dict[str, list[Any]]


@dataclass(slots=True)
class Loose:
    """Sent columns of the usable records, their positions in the slice, and the records that are none."""

    columns: dict[str, tuple[pa.Array, str]]
    positions: list[int]
    quarantined: list[Quarantined] = field(default_factory=list)


def loose_columns(
    records: Sequence[Any], *, schema: Schema | None, roles: Roles, limits: Limits
) -> Loose:  # fmt: skip
    """The columns of decoded records; what is not an object or has unusable names is quarantined."""
    quarantined: list[Quarantined] = []
    usable: list[tuple[int, Mapping[str, Any]]] = []
    bad_names = _bad_names(records)
    for position, record in enumerate(records):
        code = _fault(record, bad_names)
        if code is None:
            usable.append((position, record))
        else:
            quarantined.append(_quarantined(position, code, record))
    nested = [i for i, (_, r) in enumerate(usable) if _is_nested(r)]
    flat = [i for i, (_, r) in enumerate(usable) if not _is_nested(r)]
    parts = [
        (rows, reader([usable[i][1] for i in rows], schema, roles))
        for rows, reader in ((nested, _nested_values), (flat, _flat_values))
        if rows
    ]
    values = parts[0][1] if len(parts) == 1 else _scattered(parts, len(usable))
    if len(values) > limits.max_columns:
        raise TooLarge(
            f"{len(values)} columns: expected at most {limits.max_columns} (MAX_COLUMNS)"
        )  # fmt: skip
    columns = {name: as_sent(column) for name, column in values.items()}
    return Loose(columns, [position for position, _ in usable], quarantined)


def _is_nested(record: Mapping[str, Any]) -> bool:
    return "features" in record


def _fault(record: Any, bad_names: set[str]) -> str | None:
    if not isinstance(record, dict):
        return "not_an_object"
    if record.get("features") is not None and not isinstance(record["features"], dict):
        return "features"
    return "column_name" if bad_names and _has_name(record, bad_names, 1) else None


def _quarantined(position: int, code: str, record: Any) -> Quarantined:
    field_name = {"features": "features", "not_an_object": "record"}.get(code, "column")
    found = json_text(record["features"] if code == "features" else record if code == "not_an_object" else "")
    message = reason_message(code, field=field_name, found=found if code != "column_name" else "")
    return Quarantined(index=position, code=code, field=field_name, message=message, raw=json_text(record))


def _bad_names(records: Sequence[Any]) -> set[str]:
    """Names (of any depth) no column can have, among all the records' names."""
    level: list[dict[str, Any]] = [r for r in records if isinstance(r, dict)]
    bad: set[str] = set()
    for _ in range(MAX_FLATTEN_DEPTH + 1):
        bad.update(name for name in set(chain.from_iterable(level)) if name_fault(name) is not None)
        level = [v for r in level for v in r.values() if type(v) is dict]
        if not level:
            break
    return bad


def _has_name(record: Mapping[str, Any], names: set[str], depth: int) -> bool:
    if not names.isdisjoint(record):
        return True
    return depth <= MAX_FLATTEN_DEPTH and any(
        _has_name(v, names, depth + 1) for v in record.values() if isinstance(v, dict)
    )


def _nested_values(records: Sequence[Mapping[str, Any]], schema: Schema | None, roles: Roles) -> Values:
    """Stored name → values: top-level fields by meaning, features by schema name, the rest as features."""
    features = _expanded([r["features"] or {} for r in records])
    values = _placed(features, schema, roles, reserved=False)
    for key in dict.fromkeys(chain.from_iterable(records)):
        column = [r.get(key) for r in records]
        if key in _NESTED_KEYS:
            _put(values, _score_alias(schema) if key == "score" else key, column)
        elif key == "scores":
            _put_scores(values, column)
        elif key != "features":
            extra = _placed(_expanded([{key: v} for v in column]), schema, roles, reserved=False)
            for name, sent in extra.items():
                _put(values, name, sent)
    return values


def _flat_values(records: Sequence[Mapping[str, Any]], schema: Schema | None, roles: Roles) -> Values:
    scores: list[Any] = []
    if (schema is None or "scores" not in schema.by_name) and any(type(r.get("scores")) is dict for r in records):
        scores = [r.get("scores") for r in records]
        records = [{k: v for k, v in r.items() if k != "scores"} for r in records]
    values = _placed(_expanded(records), schema, roles, reserved=True)
    if scores:
        _put_scores(values, scores)
    return values


def _put_scores(values: Values, scores: Sequence[Any]) -> None:
    """``scores`` objects as one column a class; what is no object is kept as an unfitting score."""
    objects = [s if isinstance(s, dict) else {} for s in scores]
    for class_ in dict.fromkeys(chain.from_iterable(objects)):
        _put(values, f"score:{class_}", [o.get(class_) for o in objects])
    if any(s is not None and not isinstance(s, dict) for s in scores):
        _put(values, f"{FEATURE_PREFIX}scores", [None if isinstance(s, dict) else s for s in scores])


def _score_alias(schema: Schema | None) -> str:
    """``score``, or the only class score of a schema that has no plain one."""
    if schema is None or "score" in schema.by_stored_name:
        return "score"
    classes = [c.stored_name for c in schema.columns if c.role == "score"]
    return classes[0] if len(classes) == 1 else "score"


def _placed(columns: Values, schema: Schema | None, roles: Roles, *, reserved: bool) -> Values:
    """Columns under their stored names; nested features never take a reserved meaning."""
    names = list(columns)
    values: Values = {}
    if reserved:
        targets = stored_names(names, schema=schema, roles=roles)
    else:
        targets = [_feature_target(name, schema, roles) for name in names]
    for name, target in zip(names, targets, strict=True):
        if target is not None:
            _put(values, target, columns[name])
    return values


def _feature_target(name: str, schema: Schema | None, roles: Roles) -> str | None:
    column = schema.by_name.get(name) if schema is not None else None
    if name in roles.ignore or (column is not None and (column.role == "ignore" or column.store == "none")):
        return None
    if column is None or column.role in ("id", "timestamp"):
        return FEATURE_PREFIX + name
    return column.stored_name


def _expanded(records: Sequence[Mapping[str, Any]]) -> Values:
    """Name → values of every key of the records, nested objects flattened column by column."""
    values: Values = {}
    for name in dict.fromkeys(chain.from_iterable(records)):
        _expand(values, name, [r.get(name) for r in records], 1)
    return values


def _expand(values: Values, name: str, column: list[Any], depth: int) -> None:
    if depth >= MAX_FLATTEN_DEPTH or dict not in set(map(type, column)):
        _put(values, name, column)
        return
    objects = [v if type(v) is dict else {} for v in column]
    for inner in dict.fromkeys(chain.from_iterable(objects)):
        _expand(values, f"{name}.{inner}", [o.get(inner) for o in objects], depth + 1)
    rest = [None if type(v) is dict else v for v in column]
    if any(v is not None for v in rest):
        _put(values, name, rest)


def _put(values: Values, name: str, column: list[Any]) -> None:
    """Add a column; where the name is there already (``a.b`` beside ``{"a": {"b"}}``) the first value stays."""
    known = values.get(name)
    values[name] = (
        column if known is None else [new if old is None else old for old, new in zip(known, column, strict=True)]
    )  # fmt: skip


def _scattered(parts: Sequence[tuple[list[int], Values]], rows: int) -> Values:
    values: Values = {}
    for positions, columns in parts:
        for name, column in columns.items():
            whole = values.setdefault(name, [None] * rows)
            for position, value in zip(positions, column, strict=True):
                whole[position] = value
    return values
