"""The versions of a model: their fields, what is said of their columns, where their reference comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.configuration.bodies import merged_version, read_schema
from monitor.configuration.model_fields import problem_of
from monitor.configuration.problems import Place, Problem
from monitor.configuration.resolved import (
    ByDigest,
    FromFile,
    FromVersion,
    FromWindows,
    ReferenceSource,
    ResolvedVersion,
)
from monitor.configuration.shapes import COLUMN, REFERENCE, VERSION
from monitor.model.entities import Model, Version
from monitor.model.errors import DriftlineError, InvalidInput
from monitor.model.names import valid_name
from monitor.model.schema import Column, Schema
from monitor.model.time import parse_instant

_FIELDS = ("state", "positive", "decision_threshold", "baseline", "tags")
_MAX_PATH = 1_000


def versions_of(
    shape: Any, *, model: Model, place: Place, problems: list[Problem]
) -> tuple[ResolvedVersion, ...]:  # fmt: skip
    """The versions by name; what does not fit goes to ``problems``."""
    if shape is None:
        return ()
    if not isinstance(shape, dict):
        problems.append(Problem(place=place, message="expected an object of versions by name"))
        return ()
    return tuple(
        _version(name, {} if fields is None else fields, model=model, place=place.at(name), problems=problems)
        for name, fields in shape.items()
    )


def schema_of(columns: Mapping[str, Mapping[str, Any]]) -> Schema:
    """The columns that a file names; those it does not name are taken up once rows are seen."""
    return Schema(columns=tuple(Column.from_json({"name": n, **fields}) for n, fields in columns.items()), open=True)


def columns_of(schema: Schema) -> dict[str, dict[str, Any]]:
    """A schema's columns as a file names them."""
    shapes = [column.to_json() for column in schema.columns]
    return {shape.pop("name"): shape for shape in shapes}


def _version(name: str, shape: Any, *, model: Model, place: Place, problems: list[Problem]) -> ResolvedVersion:
    empty = ResolvedVersion(name=name, place=place)
    try:
        valid_name(name, kind="version")
        if not isinstance(shape, dict):
            raise InvalidInput(f"expected an object with {', '.join(VERSION)}, found {str(shape)[:40]!r}")
    except InvalidInput as error:
        problems.append(problem_of(error, place=place))
        return empty
    fields = {key: shape[key] for key in _FIELDS if key in shape}
    for key, value in fields.items():
        try:
            merged_version(Version(model_id=0, name=name), model=model, body={key: value})
        except DriftlineError as error:
            problems.append(problem_of(error, place=place.at(key)))
    return ResolvedVersion(
        name=name, place=place, fields=fields,
        columns=_columns(shape.get("columns"), model=model, place=place.at("columns"), problems=problems),
        reference=_reference(shape.get("reference"), version=name, place=place.at("reference"), problems=problems),
    )  # fmt: skip


def _columns(
    shape: Any, *, model: Model, place: Place, problems: list[Problem]
) -> dict[str, dict[str, Any]] | None:  # fmt: skip
    if shape is None:
        return None
    if not isinstance(shape, dict):
        problems.append(Problem(place=place, message="expected an object of columns by name"))
        return None
    read: list[Column] = []
    for name, fields in shape.items():
        if not isinstance(fields, dict):
            problems.append(Problem(place=place.at(name), message=f"expected an object, found {str(fields)[:40]!r}"))
            continue
        role = fields.get("role", "feature")
        known = {key: value for key, value in fields.items() if key in COLUMN}  # the others are told already
        given = {"name": name, "role": role, "type": _type(role, task=model.task), **known}
        try:
            read += read_schema({"columns": [given]}).columns
        except DriftlineError as error:
            problems.append(problem_of(error, place=place.at(name)))
    try:
        _check_roles(read)
    except InvalidInput as error:
        problems.append(problem_of(error, place=place))
    return columns_of(Schema(columns=tuple(read)))


def _type(role: Any, *, task: str) -> str:
    """What a column is when the file does not say: by its role."""
    if role in ("prediction", "label"):
        return "numeric" if task == "regression" else "categorical"
    return {"timestamp": "timestamp", "id": "text", "context": "categorical"}.get(str(role), "numeric")


def _check_roles(columns: list[Column]) -> None:
    stored: dict[str, str] = {}
    for column in columns:
        if column.role == "ignore":
            continue
        if column.stored_name in stored:
            raise InvalidInput(
                f"columns {stored[column.stored_name]!r} and {column.name!r} have the role {column.role!r}: "
                "expected one of them"
            )
        stored[column.stored_name] = column.name


def _reference(
    shape: Any, *, version: str, place: Place, problems: list[Problem]
) -> ReferenceSource | None:  # fmt: skip
    if shape is None:
        return None
    try:
        return _source(shape, version=version)
    except DriftlineError as error:
        problems.append(problem_of(error, place=place))
        return None


def _source(shape: Any, *, version: str) -> ReferenceSource:
    if not isinstance(shape, dict):
        raise InvalidInput(f"expected an object with {', '.join(REFERENCE)}, found {str(shape)[:40]!r}")
    ways = [key for key in ("file", "from_version", "windows") if key in shape]
    if len(ways) > 1:
        raise InvalidInput(f"{' and '.join(ways)} exclude each other: expected one of them")
    if not ways and "digest" not in shape:
        raise InvalidInput("expected one of file, from_version, windows (or digest, of one the server has)")
    way = ways[0] if ways else "digest"
    if way == "windows":
        return _windows(shape["windows"])
    value = shape[way]
    if not isinstance(value, str) or not 1 <= len(value) <= _MAX_PATH:
        raise InvalidInput(f"{way}: expected a text, found {str(value)[:40]!r}: quote it")
    if way == "from_version":
        if value == version:
            raise InvalidInput(f"from_version names the version itself, {value!r}: expected another one")
        return FromVersion(version=valid_name(value, kind="version"))
    digest = shape.get("digest", "")
    if digest and not (isinstance(digest, str) and digest.startswith("sha256:") and len(digest) == 71):
        raise InvalidInput(f"digest {str(digest)[:80]!r}: expected sha256: and 64 hexadecimal digits")
    return FromFile(file=value, digest=digest) if way == "file" else ByDigest(digest=digest)


def _windows(shape: Any) -> FromWindows:
    texts = isinstance(shape, dict) and all(isinstance(value, str) for value in shape.values())
    if not texts or set(shape) != {"from", "to"}:
        raise InvalidInput("windows: expected {from: time, to: time}")
    found = FromWindows(
        from_us=parse_instant(shape["from"], name="windows.from"), to_us=parse_instant(shape["to"], name="windows.to")
    )
    if found.to_us <= found.from_us:
        raise InvalidInput(f"windows: to {shape['to']!r} is not after from {shape['from']!r}")
    return found
